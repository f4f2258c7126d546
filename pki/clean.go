package pki

import (
	"strings"
	"unicode"
)

// CleanKey normalises the text of a key as it travels and as it is compared: white space at both ends
// is dropped and every line end becomes "\n", the last one none. White space inside a line stays.
// The line ends are those of Python's str.splitlines. Spec: auth §1.1.
func CleanKey(text string) string {
	text = strings.TrimFunc(text, isSpace)
	if !strings.ContainsFunc(text, isOddLineEnd) {
		return text
	}
	var out strings.Builder
	out.Grow(len(text))
	for i, r := range text {
		switch {
		case r == '\r':
			// The "\n" of a "\r\n" writes the line end.
			if !strings.HasPrefix(text[i+1:], "\n") {
				out.WriteByte('\n')
			}
		case isOddLineEnd(r):
			out.WriteByte('\n')
		case r == unicode.ReplacementChar:
			// Either the character itself or one byte that is not UTF-8: both are kept as they are.
			if strings.HasPrefix(text[i:], "\uFFFD") {
				out.WriteString("\uFFFD")
			} else {
				out.WriteByte(text[i])
			}
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}

// isSpace is Python's str.isspace: Unicode white space and the four information separators.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

func isOddLineEnd(r rune) bool {
	switch r {
	case '\r', '\v', '\f', 0x1c, 0x1d, 0x1e, 0x85, 0x2028, 0x2029:
		return true
	}
	return false
}
