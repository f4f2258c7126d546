package wire

import (
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// appendRepr appends v as Python writes it, cut near limit bytes: stock replies show values this way.
func appendRepr(dst []byte, v any, limit int) []byte {
	start := len(dst)
	dst = repr(dst, v, start+limit)
	if len(dst)-start > limit {
		dst = append(dst[:start+limit], "..."...)
	}
	return dst
}

func repr(dst []byte, v any, limit int) []byte {
	if len(dst) > limit {
		return dst
	}
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
	case uint64:
		return strconv.AppendUint(dst, v, 10)
	case float64:
		return reprFloat(dst, v)
	case string:
		return reprText(dst, v, limit)
	case []byte:
		return reprBytes(dst, v, limit)
	case Ext:
		return strconv.AppendInt(append(dst, "ext "...), int64(v.Code), 10)
	case []any:
		dst = append(dst, '[')
		for i, e := range v {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			if dst = repr(dst, e, limit); len(dst) > limit {
				return dst
			}
		}
		return append(dst, ']')
	case *Map:
		dst = append(dst, '{')
		for i := range v.Len() {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			key, val := v.At(i)
			dst = append(repr(dst, key, limit), ": "...)
			if dst = repr(dst, val, limit); len(dst) > limit {
				return dst
			}
		}
		return append(dst, '}')
	}
	return append(dst, '?')
}

func reprFloat(dst []byte, f float64) []byte {
	switch {
	case math.IsInf(f, 1):
		return append(dst, "inf"...)
	case math.IsInf(f, -1):
		return append(dst, "-inf"...)
	case math.IsNaN(f):
		return append(dst, "nan"...)
	}
	s := strconv.FormatFloat(f, 'g', -1, 64)
	if a := math.Abs(f); a == 0 || a >= 1e-4 && a < 1e16 {
		if s = strconv.FormatFloat(f, 'f', -1, 64); !strings.Contains(s, ".") {
			s += ".0"
		}
	}
	return append(dst, s...)
}

func quoteFor(s string) byte {
	if strings.IndexByte(s, '\'') >= 0 && strings.IndexByte(s, '"') < 0 {
		return '"'
	}
	return '\''
}

func reprText(dst []byte, s string, limit int) []byte {
	q := quoteFor(s)
	dst = append(dst, q)
	for _, r := range s {
		if len(dst) > limit {
			return dst
		}
		switch {
		case r < 0x80:
			dst = reprByte(dst, byte(r), q)
		case unicode.IsPrint(r):
			dst = utf8.AppendRune(dst, r)
		case r < 0x100:
			dst = reprByte(dst, byte(r), q)
		default:
			dst = append(dst, '\\', 'u')
			dst = append(dst, strconv.FormatInt(0x10000+int64(r), 16)[1:]...)
		}
	}
	return append(dst, q)
}

func reprBytes(dst, b []byte, limit int) []byte {
	b = b[:min(len(b), max(limit, 0)+1)]
	q := quoteFor(string(b))
	dst = append(dst, 'b', q)
	for _, c := range b {
		dst = reprByte(dst, c, q)
	}
	return append(dst, q)
}

func reprByte(dst []byte, c, quote byte) []byte {
	const hex = "0123456789abcdef"
	switch {
	case c == quote || c == '\\':
		return append(dst, '\\', c)
	case c == '\n':
		return append(dst, '\\', 'n')
	case c == '\r':
		return append(dst, '\\', 'r')
	case c == '\t':
		return append(dst, '\\', 't')
	case c < 0x20 || c >= 0x7f:
		return append(dst, '\\', 'x', hex[c>>4], hex[c&15])
	}
	return append(dst, c)
}
