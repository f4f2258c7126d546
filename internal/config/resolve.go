package config

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
)

// The scalar rules of stock Salt's YAML loader: YAML 1.1 as PyYAML resolves it, no dates, and a
// leading zero that does not mean octal (spec: config-and-daemons §2.3). Order matters: a text is
// tried as boolean, float, integer, null, and is a string otherwise.

var (
	boolWords = map[string]bool{
		"yes": true, "Yes": true, "YES": true, "no": false, "No": false, "NO": false,
		"true": true, "True": true, "TRUE": true, "false": false, "False": false, "FALSE": false,
		"on": true, "On": true, "ON": true, "off": false, "Off": false, "OFF": false,
	}
	floatText = regexp.MustCompile(`^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?` +
		`|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?` +
		`|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*` +
		`|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$`)
	intText = regexp.MustCompile(`^(?:[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)` +
		`|[-+]?0x[0-9a-fA-F_]+|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+)$`)
)

// maxNumberText bounds the digits of one number: converting text to a big integer is quadratic.
const maxNumberText = 4096

var errNumber = errors.New("not a number")

// resolvePlain gives the value of a plain (unquoted, untagged) scalar.
func resolvePlain(s string) (any, error) {
	if s == "" {
		return nil, nil
	}
	switch c := s[0]; {
	case c == '-' || c == '+' || c == '.' || (c >= '0' && c <= '9'):
		if len(s) > maxNumberText {
			return s, nil
		}
		if floatText.MatchString(s) {
			return parseFloat(s)
		}
		if intText.MatchString(s) {
			return parseInt(s)
		}
		return s, nil
	case s == "~" || s == "null" || s == "Null" || s == "NULL":
		return nil, nil
	case s == "=" || s == "<<":
		return nil, fmt.Errorf("could not determine a constructor for the plain scalar %q; quote it", s)
	}
	if b, ok := boolWords[s]; ok {
		return b, nil
	}
	return s, nil
}

// resolveTagged gives the value of a scalar with an explicit tag of the YAML core set.
func resolveTagged(tag, s string) (any, error) {
	switch tag {
	case "!!str", "!!timestamp": // there is no date type
		return s, nil
	case "!!int":
		if len(s) > maxNumberText {
			return nil, errNumber
		}
		return parseInt(s)
	case "!!float":
		if len(s) > maxNumberText {
			return nil, errNumber
		}
		return parseFloat(s)
	case "!!bool":
		for w, b := range boolWords {
			if strings.EqualFold(w, s) {
				return b, nil
			}
		}
		return nil, fmt.Errorf("%q is not a boolean", s)
	case "!!null":
		return nil, nil
	case "!!binary":
		clean := strings.Map(func(r rune) rune {
			if r == ' ' || r == '\n' || r == '\r' || r == '\t' {
				return -1
			}
			return r
		}, s)
		b, err := base64.StdEncoding.DecodeString(clean)
		if err != nil {
			return nil, fmt.Errorf("failed to decode base64 data: %w", err)
		}
		return b, nil
	}
	return nil, fmt.Errorf("could not determine a constructor for the tag %q", tag)
}

// parseInt reads an integer as stock Salt does: leading zeros of an unsigned number are dropped and
// the rest is decimal; a signed one with a leading zero stays octal.
func parseInt(s string) (any, error) {
	if strings.HasPrefix(s, "0") && s != "0" && !strings.HasPrefix(s, "0b") && !strings.HasPrefix(s, "0x") {
		s = strings.TrimLeft(s, "0")
		if s == "" {
			return int64(0), nil
		}
	}
	s = strings.ReplaceAll(s, "_", "")
	neg := strings.HasPrefix(s, "-")
	if neg || strings.HasPrefix(s, "+") {
		s = s[1:]
	}
	base := 10
	switch {
	case s == "":
		return nil, errNumber
	case s == "0":
	case strings.HasPrefix(s, "0b"):
		base, s = 2, s[2:]
	case strings.HasPrefix(s, "0x"):
		base, s = 16, s[2:]
	case s[0] == '0':
		base = 8
	case strings.Contains(s, ":"):
		return parseBase60(s, neg)
	}
	if s == "" || s[0] == '-' || s[0] == '+' {
		return nil, errNumber
	}
	n, ok := new(big.Int).SetString(s, base)
	if !ok {
		return nil, fmt.Errorf("%q: %w", s, errNumber)
	}
	return signedInt(n, neg), nil
}

func parseBase60(s string, neg bool) (any, error) {
	n, sixty := new(big.Int), big.NewInt(60)
	for part := range strings.SplitSeq(s, ":") {
		digits, ok := new(big.Int).SetString(part, 10)
		if !ok {
			return nil, fmt.Errorf("%q: %w", s, errNumber)
		}
		n.Add(n.Mul(n, sixty), digits)
	}
	return signedInt(n, neg), nil
}

func signedInt(n *big.Int, neg bool) any {
	if neg {
		n.Neg(n)
	}
	if n.IsInt64() {
		return n.Int64()
	}
	return n
}

func parseFloat(s string) (any, error) {
	s = strings.ToLower(strings.ReplaceAll(s, "_", ""))
	sign := 1.0
	if strings.HasPrefix(s, "-") {
		sign, s = -1, s[1:]
	} else {
		s = strings.TrimPrefix(s, "+")
	}
	switch {
	case s == ".inf":
		return math.Inf(int(sign)), nil
	case s == ".nan":
		return math.NaN(), nil
	case s == "" || !(s[0] == '.' || (s[0] >= '0' && s[0] <= '9')) || strings.ContainsAny(s, "xp"):
		return nil, fmt.Errorf("%q: %w", s, errNumber)
	}
	value := 0.0
	for part := range strings.SplitSeq(s, ":") {
		f, err := strconv.ParseFloat(part, 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return nil, fmt.Errorf("%q: %w", s, errNumber)
		}
		value = value*60 + f
	}
	return sign * value, nil
}
