package pki

import "slices"

// glob is a shell pattern with the meaning of Python's fnmatch, case-sensitive: "*" any text, "?" one
// character, "[…]" one of a set, "[!…]" none of it; a "[" without its "]" is an ordinary character.
type glob []globToken

type globToken struct {
	kind   globKind
	char   rune
	ranges [][2]rune
	negate bool
}

type globKind uint8

const (
	globChar globKind = iota
	globOne
	globMany
	globSet
)

func compileGlob(pattern string) glob {
	p := []rune(pattern)
	var g glob
	for i := 0; i < len(p); i++ {
		switch p[i] {
		case '*':
			if len(g) == 0 || g[len(g)-1].kind != globMany {
				g = append(g, globToken{kind: globMany})
			}
		case '?':
			g = append(g, globToken{kind: globOne})
		case '[':
			start := i + 1
			end := start
			if end < len(p) && p[end] == '!' {
				end++
			}
			if end < len(p) && p[end] == ']' {
				end++
			}
			length := -1
			if end < len(p) {
				length = slices.Index(p[end:], ']')
			}
			if length < 0 {
				g = append(g, globToken{kind: globChar, char: '['})
				continue
			}
			end += length
			g = append(g, compileSet(p[start:end]))
			i = end
		default:
			g = append(g, globToken{kind: globChar, char: p[i]})
		}
	}
	return g
}

// compileSet reads the inside of "[…]". An empty range such as "z-a" holds nothing.
func compileSet(p []rune) globToken {
	t := globToken{kind: globSet}
	if len(p) > 0 && p[0] == '!' {
		t.negate = true
		p = p[1:]
	}
	for i := 0; i < len(p); {
		if i+2 < len(p) && p[i+1] == '-' {
			t.ranges = append(t.ranges, [2]rune{p[i], p[i+2]})
			i += 3
			continue
		}
		t.ranges = append(t.ranges, [2]rune{p[i], p[i]})
		i++
	}
	return t
}

func (t globToken) matches(r rune) bool {
	switch t.kind {
	case globChar:
		return t.char == r
	case globOne:
		return true
	case globSet:
		in := slices.ContainsFunc(t.ranges, func(b [2]rune) bool { return b[0] <= r && r <= b[1] })
		return in != t.negate
	}
	return false
}

// match compares the whole text. Only the last "*" is ever taken back, so the time is at most
// length of the text times length of the pattern.
func (g glob) match(text string) bool {
	s := []rune(text)
	gi, si := 0, 0
	star, mark := -1, 0
	for si < len(s) {
		switch {
		case gi < len(g) && g[gi].kind == globMany:
			star, mark = gi, si
			gi++
		case gi < len(g) && g[gi].matches(s[si]):
			gi++
			si++
		case star >= 0:
			mark++
			gi, si = star+1, mark
		default:
			return false
		}
	}
	for gi < len(g) && g[gi].kind == globMany {
		gi++
	}
	return gi == len(g)
}
