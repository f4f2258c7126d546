package pki

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/dlclark/regexp2"
)

// compilePython compiles a Python regular expression that must match a whole text. Look-around and
// back-references work; named groups and \Z are written the other engine's way.
//
// Stock puts \A and \Z around the line without a group, so that an alternative "web|db" there matches
// "web-of-lies". Here both anchors hold for every alternative.
func compilePython(expr string) (*regexp2.Regexp, error) {
	re, err := regexp2.Compile(`\A(?:`+translatePython(expr)+`)\z`, regexp2.None)
	if err != nil {
		return nil, fmt.Errorf("expression %.80q: %w", expr, err)
	}
	re.MatchTimeout = exprTimeout
	return re, nil
}

// translatePython rewrites what the two dialects spell differently: (?P<n>…) (?P=n) \Z.
func translatePython(expr string) string {
	var out strings.Builder
	inClass := false
	for i := 0; i < len(expr); i++ {
		rest := expr[i:]
		switch {
		case rest[0] == '\\' && len(rest) > 1:
			if rest[1] == 'Z' && !inClass {
				out.WriteString(`\z`)
			} else {
				out.WriteString(rest[:2])
			}
			i++
		case inClass:
			inClass = rest[0] != ']'
			out.WriteByte(rest[0])
		case rest[0] == '[':
			inClass = true
			// A "]" right after the start is an ordinary character.
			lead := 1
			if strings.HasPrefix(rest[lead:], "^") {
				lead++
			}
			if strings.HasPrefix(rest[lead:], "]") {
				lead++
			}
			out.WriteString(rest[:lead])
			i += lead - 1
		case strings.HasPrefix(rest, "(?P<"):
			out.WriteString("(?<")
			i += len("(?P<") - 1
		case strings.HasPrefix(rest, "(?P=") && strings.Contains(rest, ")"):
			end := strings.IndexByte(rest, ')')
			out.WriteString(`\k<` + rest[len("(?P="):end] + ">")
			i += end
		default:
			out.WriteByte(rest[0])
		}
	}
	return out.String()
}

// pythonString writes a scalar the way Python's str does; ok is false for other types.
func pythonString(v any) (text string, ok bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case nil:
		return "None", true
	case bool:
		if v {
			return "True", true
		}
		return "False", true
	case int64:
		return strconv.FormatInt(v, 10), true
	case uint64:
		return strconv.FormatUint(v, 10), true
	case int:
		return strconv.Itoa(v), true
	case float64:
		return pythonFloat(v), true
	}
	return "", false
}

func pythonFloat(v float64) string {
	switch {
	case v != v:
		return "nan"
	case v > 0 && v*0.5 == v:
		return "inf"
	case v < 0 && v*0.5 == v:
		return "-inf"
	}
	short := strconv.FormatFloat(v, 'e', -1, 64)
	exp, err := strconv.Atoi(short[strings.IndexByte(short, 'e')+1:])
	if err != nil || exp < -4 || exp >= 16 {
		return short
	}
	plain := strconv.FormatFloat(v, 'f', -1, 64)
	if !strings.Contains(plain, ".") {
		plain += ".0"
	}
	return plain
}
