package output

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/saltern-io/saltern/internal/wire"
)

// maxDepth bounds how deep any outputter follows data; the wire's own limit is the same.
const maxDepth = 200

// appendRepr writes v as a Python literal. sorted says whether map keys are put in order.
func appendRepr(dst []byte, v any, sorted bool) []byte {
	switch v := v.(type) {
	case nil:
		return append(dst, "None"...)
	case bool:
		if v {
			return append(dst, "True"...)
		}
		return append(dst, "False"...)
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case int:
		return strconv.AppendInt(dst, int64(v), 10)
	case uint64:
		return strconv.AppendUint(dst, v, 10)
	case float64:
		return append(dst, pyFloat(v)...)
	case string:
		return appendStrRepr(dst, v)
	case []byte:
		return appendBytesRepr(dst, v)
	case []any:
		dst = append(dst, '[')
		for i, item := range v {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = appendRepr(dst, item, sorted)
		}
		return append(dst, ']')
	case *wire.Map:
		dst = append(dst, '{')
		for i, e := range entries(v, sorted) {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = appendRepr(dst, e.key, sorted)
			dst = append(dst, ": "...)
			dst = appendRepr(dst, e.value, sorted)
		}
		return append(dst, '}')
	case wire.Ext:
		return appendStrRepr(dst, string(v.Data))
	}
	return fmt.Append(dst, v)
}

func repr(v any) string { return string(appendRepr(nil, v, false)) }

// pyStr is Python's str(): text as it is, anything else as its literal.
func pyStr(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case wire.Ext:
		return string(v.Data)
	}
	return repr(v)
}

// pyFloat writes a float with the fewest digits that read back the same, in Python's layout:
// exponents below 10^-4 and from 10^16 on, two digits at least, ".0" after whole numbers.
func pyFloat(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

func appendStrRepr(dst []byte, s string) []byte {
	quote := byte('\'')
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = '"'
	}
	dst = append(dst, quote)
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			// Python shows a byte that is no text as a lone surrogate.
			dst = fmt.Appendf(dst, `\udc%02x`, s[i])
		case r == rune(quote) || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, `\n`...)
		case r == '\r':
			dst = append(dst, `\r`...)
		case r == '\t':
			dst = append(dst, `\t`...)
		case unicode.IsPrint(r):
			dst = append(dst, s[i:i+size]...)
		case r < 0x100:
			dst = fmt.Appendf(dst, `\x%02x`, r)
		case r < 0x10000:
			dst = fmt.Appendf(dst, `\u%04x`, r)
		default:
			dst = fmt.Appendf(dst, `\U%08x`, r)
		}
		i += size
	}
	return append(dst, quote)
}

func appendBytesRepr(dst, b []byte) []byte {
	quote := byte('\'')
	if slices.Contains(b, '\'') && !slices.Contains(b, '"') {
		quote = '"'
	}
	dst = append(dst, 'b', quote)
	for _, c := range b {
		switch {
		case c == quote || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, `\n`...)
		case c == '\r':
			dst = append(dst, `\r`...)
		case c == '\t':
			dst = append(dst, `\t`...)
		case c < 0x20 || c >= 0x7f:
			dst = fmt.Appendf(dst, `\x%02x`, c)
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, quote)
}

// splitLines cuts text where Python's splitlines does; a final line end makes no empty line.
func splitLines(s string) []string {
	var lines []string
	start := 0
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if !isLineEnd(r) {
			i += size
			continue
		}
		lines = append(lines, s[start:i])
		i += size
		if r == '\r' && i < len(s) && s[i] == '\n' {
			i++
		}
		start = i
	}
	if start < len(s) {
		lines = append(lines, s[start:])
	}
	return lines
}

func isLineEnd(r rune) bool {
	switch r {
	case '\n', '\r', '\v', '\f', 0x1c, 0x1d, 0x1e, 0x85, 0x2028, 0x2029:
		return true
	}
	return false
}

// entry is one pair of a map.
type entry struct{ key, value any }

// entries returns the pairs of m, in order of the keys if sorted is set.
func entries(m *wire.Map, sorted bool) []entry {
	list := make([]entry, 0, m.Len())
	for k, v := range m.All() {
		list = append(list, entry{k, v})
	}
	if sorted {
		sortEntries(list)
	}
	return list
}

// sortEntries orders by key: text by code point, numbers by value; a mixture by its text.
func sortEntries(list []entry) {
	allText, allNumbers := true, true
	for _, e := range list {
		switch e.key.(type) {
		case string:
			allNumbers = false
		case int64, uint64, float64, bool:
			allText = false
		default:
			allText, allNumbers = false, false
		}
	}
	slices.SortStableFunc(list, func(a, b entry) int {
		if allText {
			return cmp.Compare(a.key.(string), b.key.(string))
		}
		if allNumbers {
			return cmp.Compare(number(a.key), number(b.key))
		}
		return cmp.Compare(pyStr(a.key), pyStr(b.key))
	})
}

func number(v any) float64 {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case uint64:
		return float64(v)
	case float64:
		return v
	case bool:
		if v {
			return 1
		}
	}
	return 0
}
