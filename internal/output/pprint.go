package output

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/saltern-io/saltern/internal/wire"
)

const pprintWidth = 80

// pprintText is Python's pretty printer: one line when it fits into 80 columns, else one item per
// line, keys sorted (spec: local-client-and-salt-cli §8.2).
func pprintText(data any, opts Options) (string, error) {
	p := prettyPrinter{step: 1}
	if opts.Indent != nil && *opts.Indent > 0 {
		p.step = *opts.Indent
	}
	p.value(data, 0, 0, 1)
	return p.out.String(), nil
}

type prettyPrinter struct {
	out  strings.Builder
	step int // columns per level
}

// value prints v at column indent, leaving allowance columns for the brackets that follow it.
func (p *prettyPrinter) value(v any, indent, allowance, level int) {
	text := string(appendRepr(nil, v, true))
	if utf8.RuneCountInString(text) <= pprintWidth-indent-allowance || level > maxDepth {
		p.out.WriteString(text)
		return
	}
	switch v := v.(type) {
	case *wire.Map:
		p.open('{')
		list := entries(v, true)
		for i, e := range list {
			last := i == len(list)-1
			key := string(appendRepr(nil, e.key, true))
			p.out.WriteString(key + ": ")
			p.value(e.value, indent+p.step+utf8.RuneCountInString(key)+2, p.allow(allowance, last), level+1)
			p.separate(indent, last)
		}
		p.out.WriteByte('}')
	case []any:
		p.open('[')
		for i, item := range v {
			last := i == len(v)-1
			p.value(item, indent+p.step, p.allow(allowance, last), level+1)
			p.separate(indent, last)
		}
		p.out.WriteByte(']')
	case string:
		p.text(v, indent, allowance, level)
	default:
		p.out.WriteString(text)
	}
}

func (p *prettyPrinter) open(bracket byte) {
	p.out.WriteByte(bracket)
	p.out.WriteString(strings.Repeat(" ", p.step-1))
}

// allow is what must stay free after an item: the closing brackets after the last, else a comma.
func (p *prettyPrinter) allow(allowance int, last bool) int {
	if last {
		return allowance + 1
	}
	return 1
}

func (p *prettyPrinter) separate(indent int, last bool) {
	if !last {
		p.out.WriteString(",\n" + strings.Repeat(" ", indent+p.step))
	}
}

// text breaks a long string after line ends and blanks into adjacent literals.
func (p *prettyPrinter) text(s string, indent, allowance, level int) {
	if level == 1 {
		indent++
		allowance++
	}
	chunks := chunkText(s, pprintWidth-indent, allowance)
	if len(chunks) <= 1 {
		if len(chunks) == 0 {
			chunks = []string{repr(s)}
		}
		p.out.WriteString(chunks[0])
		return
	}
	if level == 1 {
		p.out.WriteByte('(')
	}
	p.out.WriteString(strings.Join(chunks, "\n"+strings.Repeat(" ", indent)))
	if level == 1 {
		p.out.WriteByte(')')
	}
}

func chunkText(s string, width, allowance int) []string {
	var chunks []string
	lines := splitKeepEnds(s)
	for i, line := range lines {
		lastLine := i == len(lines)-1
		room := width
		if lastLine {
			room -= allowance
		}
		if text := repr(line); utf8.RuneCountInString(text) <= room {
			chunks = append(chunks, text)
			continue
		}
		words := splitWords(line)
		current := ""
		for j, word := range words {
			room := width
			if j == len(words)-1 && lastLine {
				room -= allowance
			}
			if utf8.RuneCountInString(repr(current+word)) <= room {
				current += word
				continue
			}
			if current != "" {
				chunks = append(chunks, repr(current))
			}
			current = word
		}
		if current != "" {
			chunks = append(chunks, repr(current))
		}
	}
	return chunks
}

// splitKeepEnds is splitLines with the line ends left on.
func splitKeepEnds(s string) []string {
	var lines []string
	for rest := s; rest != ""; {
		cut := len(rest)
		for i, r := range rest {
			if isLineEnd(r) {
				cut = i + utf8.RuneLen(r)
				if r == '\r' && cut < len(rest) && rest[cut] == '\n' {
					cut++
				}
				break
			}
		}
		lines = append(lines, rest[:cut])
		rest = rest[cut:]
	}
	return lines
}

// splitWords cuts after each run of blanks.
func splitWords(s string) []string {
	var words []string
	start, inBlank := 0, false
	for i, r := range s {
		blank := unicode.IsSpace(r)
		if inBlank && !blank {
			words = append(words, s[start:i])
			start = i
		}
		inBlank = blank
	}
	if start < len(s) {
		words = append(words, s[start:])
	}
	return words
}
