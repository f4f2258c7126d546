package target

import (
	"errors"
	"strings"
)

// pattern is one Python regular expression in the spellings of the two engines.
type pattern struct {
	golang  string // only meaningful when plain
	dotnet  string
	plain   bool // no construct that Go's engine lacks or reads differently
	classes bool // has \w \d \s \b or their opposites, which are ASCII in Go and Unicode in Python
}

var errPossessive = errors.New("possessive quantifiers are not supported")

// translator walks a Python expression once and writes both spellings.
type translator struct {
	in     string
	pos    int
	golang strings.Builder
	dotnet strings.Builder
	out    pattern
}

// translate converts what Python spells differently:
//
//	(?P<n>…) (?P=n) (?P>…)   named groups          .NET: (?<n>…) \k<n>
//	\Z                       very end               \z
//	{,n}                     none to n              {0,n}
//	[…[…]                    "[" inside a set       \[ (.NET would subtract, Go would look for [:name:])
//	\A…                      unchanged
//
// Everything with "(?" beyond a plain group, every back reference and every escape that is neither
// punctuation nor a class clears plain.
func translate(in string) (pattern, error) {
	t := translator{in: in}
	t.out.plain = true
	for t.pos < len(t.in) {
		if err := t.step(); err != nil {
			return pattern{}, err
		}
	}
	t.out.golang, t.out.dotnet = t.golang.String(), t.dotnet.String()
	return t.out, nil
}

func (t *translator) both(s string) {
	t.golang.WriteString(s)
	t.dotnet.WriteString(s)
}

func (t *translator) step() error {
	rest := t.in[t.pos:]
	switch rest[0] {
	case '\\':
		t.escape(rest)
	case '[':
		t.set(rest)
	case '(':
		t.group(rest)
	case '{':
		t.repeat(rest)
	case '*', '+', '?':
		// Python 3.11 reads x*+ as possessive, the engines here as an error or as something else.
		if len(rest) > 1 && rest[1] == '+' {
			return errPossessive
		}
		t.both(rest[:1])
		t.pos++
	default:
		t.both(rest[:1])
		t.pos++
	}
	return nil
}

func (t *translator) escape(rest string) {
	if len(rest) == 1 {
		t.out.plain = false // an error in every engine: let the strict one say so
		t.both(rest)
		t.pos++
		return
	}
	t.pos += 2
	switch c := rest[1]; {
	case c == 'Z':
		t.both(`\z`)
	case strings.IndexByte("wWdDsSbB", c) >= 0:
		t.out.classes = true
		t.both(rest[:2])
	case c == 'A' || c < 0x80 && !isWordByte(c):
		t.both(rest[:2])
	default:
		t.out.plain = false
		t.both(rest[:2])
	}
}

func isWordByte(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// set copies one bracket expression.
func (t *translator) set(rest string) {
	i := 1
	if i < len(rest) && rest[i] == '^' {
		i++
	}
	t.both(rest[:i])
	if i < len(rest) && rest[i] == ']' {
		t.both(`\]`)
		i++
	}
	for i < len(rest) {
		switch c := rest[i]; c {
		case ']':
			t.both("]")
			t.pos += i + 1
			return
		case '[':
			t.both(`\[`)
			i++
		case '\\':
			if i+1 == len(rest) {
				t.out.plain = false
				t.both(`\`)
				i++
				continue
			}
			next := rest[i+1]
			if strings.IndexByte("wWdDsS", next) >= 0 {
				t.out.classes = true
			} else if next >= 0x80 || isWordByte(next) {
				t.out.plain = false
			}
			t.both(rest[i : i+2])
			i += 2
		default:
			t.both(rest[i : i+1])
			i++
		}
	}
	t.out.plain = false // never closed
	t.pos += i
}

func (t *translator) group(rest string) {
	switch {
	case !strings.HasPrefix(rest, "(?"):
		t.both("(")
		t.pos++
	case strings.HasPrefix(rest, "(?:"):
		t.both("(?:")
		t.pos += 3
	case strings.HasPrefix(rest, "(?P<"):
		t.golang.WriteString("(?P<")
		t.dotnet.WriteString("(?<")
		t.pos += 4
		t.out.plain = false
	case strings.HasPrefix(rest, "(?P="):
		t.out.plain = false
		if end := strings.IndexByte(rest, ')'); end > 0 {
			t.dotnet.WriteString(`\k<` + rest[4:end] + ">")
			t.pos += end + 1
			return
		}
		t.both("(?P=")
		t.pos += 4
	default:
		t.out.plain = false
		t.flags(rest)
	}
}

// flags copies "(?" and, for a group of flags, drops the two that say what is the default anyway
// for text: a would change \w, so it stays and the engine refuses it.
func (t *translator) flags(rest string) {
	end := strings.IndexAny(rest[2:], ":)")
	if end < 0 || strings.Trim(rest[2:2+end], "aiLmsux-") != "" {
		t.both("(?")
		t.pos += 2
		return
	}
	kept := strings.ReplaceAll(rest[2:2+end], "u", "")
	closing := rest[2+end : 3+end]
	t.pos += 3 + end
	if kept == "" && closing == ")" {
		return
	}
	t.dotnet.WriteString("(?" + kept + closing)
}

func (t *translator) repeat(rest string) {
	if strings.HasPrefix(rest, "{,") {
		if end := strings.IndexByte(rest, '}'); end > 0 && strings.Trim(rest[2:end], "0123456789") == "" {
			t.both("{0," + rest[2:end+1])
			t.pos += end + 1
			return
		}
	}
	t.both("{")
	t.pos++
}
