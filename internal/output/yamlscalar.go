package output

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// scalarFacts are what a text allows: which of the three styles can carry it.
type scalarFacts struct {
	empty, multiline      bool
	flowPlain, blockPlain bool // may stand without quotes inside and outside of [] {}
	single                bool // may stand in single quotes
}

// analyze looks once at each character (YAML 1.1 rules of PyYAML's emitter).
func analyze(s string) scalarFacts {
	if s == "" {
		return scalarFacts{empty: true, blockPlain: true, single: true}
	}
	var blockIndicator, flowIndicator, lineBreaks, special bool
	var leadSpace, leadBreak, trailSpace, trailBreak, breakSpace, spaceBreak bool
	if strings.HasPrefix(s, "---") || strings.HasPrefix(s, "...") {
		blockIndicator, flowIndicator = true, true
	}
	runes := []rune(s)
	precededByBlank := true
	prevSpace, prevBreak := false, false
	for i, r := range runes {
		last := i == len(runes)-1
		followedByBlank := last || isYAMLBlank(runes[i+1])
		switch {
		case i == 0 && strings.ContainsRune("#,[]{}&*!|>'\"%@`", r):
			flowIndicator, blockIndicator = true, true
		case i == 0 && (r == '?' || r == ':'):
			flowIndicator = true
			blockIndicator = blockIndicator || followedByBlank
		case i == 0 && r == '-':
			if followedByBlank {
				flowIndicator, blockIndicator = true, true
			}
		case i > 0 && strings.ContainsRune(",?[]{}", r):
			flowIndicator = true
		case i > 0 && r == ':':
			flowIndicator = true
			blockIndicator = blockIndicator || followedByBlank
		case i > 0 && r == '#' && precededByBlank:
			flowIndicator, blockIndicator = true, true
		}
		if isYAMLBreak(r) {
			lineBreaks = true
		}
		if !yamlPrintable(r) {
			special = true
		}
		switch {
		case r == ' ':
			leadSpace = leadSpace || i == 0
			trailSpace = trailSpace || last
			breakSpace = breakSpace || prevBreak
			prevSpace, prevBreak = true, false
		case isYAMLBreak(r):
			leadBreak = leadBreak || i == 0
			trailBreak = trailBreak || last
			spaceBreak = spaceBreak || prevSpace
			prevSpace, prevBreak = false, true
		default:
			prevSpace, prevBreak = false, false
		}
		precededByBlank = isYAMLBlank(r)
	}
	f := scalarFacts{multiline: lineBreaks, flowPlain: true, blockPlain: true, single: true}
	if leadSpace || leadBreak || trailSpace || trailBreak || lineBreaks {
		f.flowPlain, f.blockPlain = false, false
	}
	if breakSpace || spaceBreak || special {
		f.flowPlain, f.blockPlain, f.single = false, false, false
	}
	if flowIndicator {
		f.flowPlain = false
	}
	if blockIndicator {
		f.blockPlain = false
	}
	return f
}

func isYAMLBreak(r rune) bool { return r == '\n' || r == 0x85 || r == 0x2028 || r == 0x2029 }

func isYAMLBlank(r rune) bool {
	return r == 0 || r == ' ' || r == '\t' || r == '\r' || isYAMLBreak(r)
}

func yamlPrintable(r rune) bool {
	return r == '\n' || 0x20 <= r && r <= 0x7e || r == 0x85 ||
		(0xa0 <= r && r <= 0xd7ff || 0xe000 <= r && r <= 0xfffd || 0x10000 <= r && r < 0x10ffff) &&
			r != 0xfeff && r != utf8.RuneError
}

// typed matches texts that a reader would take for something other than text.
var typed = regexp.MustCompile(`^(?:` + strings.Join([]string{
	`yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF`,
	`~|null|Null|NULL|`,
	`[-+]?(?:[0-9][0-9_]*)\.[0-9_]*(?:[eE][-+][0-9]+)?`,
	`\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?`,
	`[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*`,
	`[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)`,
	`[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+`,
	`[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+`,
	`<<|=|!|&|\*`,
	`[0-9]{4}-[0-9]{2}-[0-9]{2}`,
	`[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]*)?(?:[ \t]*(?:Z|[-+][0-9]{1,2}(?::[0-9]{2})?))?`,
}, "|") + `)$`)

// text writes a string in the plainest style that keeps it a string.
func (w *yamlWriter) text(s string, c yamlContext) {
	f := analyze(s)
	inFlow := c.flow || w.flow
	indent := w.deeper(yamlContext{indent: c.indent, flow: true})
	plain := f.blockPlain
	if inFlow {
		plain = f.flowPlain
	}
	switch {
	case plain && !typed.MatchString(s) && !(c.simpleKey && (f.empty || f.multiline)) && !(inFlow && f.empty):
		w.folded("", s, indent, !c.simpleKey)
	case f.single && !(c.simpleKey && f.multiline):
		w.folded("'", s, indent, !c.simpleKey)
	default:
		w.doubleQuoted(s, indent, !c.simpleKey)
	}
}

// folded writes a plain ("") or single quoted text; blanks beyond the width become line ends, and
// line ends of the text become empty lines.
func (w *yamlWriter) folded(quote, s string, indent int, split bool) {
	w.indicator(quote, true)
	runes := []rune(s)
	for i := 0; i < len(runes); {
		j := i
		switch {
		case runes[i] == ' ':
			for j < len(runes) && runes[j] == ' ' {
				j++
			}
			edge := quote != "" && (i == 0 || j == len(runes))
			if j-i == 1 && w.column > yamlWidth && split && !edge {
				w.newline(indent)
			} else {
				w.raw(string(runes[i:j]))
			}
		case isYAMLBreak(runes[i]):
			for j < len(runes) && isYAMLBreak(runes[j]) {
				j++
			}
			w.breaks(runes[i:j])
			w.out.WriteString(strings.Repeat(" ", indent))
			w.column = indent
		default:
			for j < len(runes) && runes[j] != ' ' && !isYAMLBreak(runes[j]) {
				j++
			}
			text := string(runes[i:j])
			if quote != "" {
				text = strings.ReplaceAll(text, "'", "''")
			}
			w.raw(text)
		}
		i = j
	}
	if quote != "" {
		w.raw(quote)
	}
	w.blank, w.indention = false, false
}

// breaks writes line ends so that a reader gets them back: a first "\n" needs a second one.
func (w *yamlWriter) breaks(run []rune) {
	if run[0] == '\n' {
		w.lineBreak()
	}
	for _, r := range run {
		if r == '\n' {
			w.lineBreak()
			continue
		}
		w.out.WriteRune(r)
		w.column = 0
	}
}

var yamlEscapes = map[rune]string{
	0: "0", 7: "a", 8: "b", 9: "t", 10: "n", 11: "v", 12: "f", 13: "r", 0x1b: "e",
	'"': `"`, '\\': `\`, 0x85: "N", 0xa0: "_", 0x2028: "L", 0x2029: "P",
}

// doubleQuoted writes a text with escapes; a long one is cut after blanks with a backslash.
func (w *yamlWriter) doubleQuoted(s string, indent int, split bool) {
	w.indicator(`"`, true)
	runes := []rune(s)
	start := 0
	flush := func(end int) {
		if start < end {
			w.raw(string(runes[start:end]))
		}
		start = end
	}
	for end := 0; end <= len(runes); end++ {
		r := rune(-1)
		if end < len(runes) {
			r = runes[end]
		}
		if escape := r < 0 || !yamlKeeps(r); escape {
			flush(end)
			if r >= 0 {
				w.raw(escapeYAML(r))
				start = end + 1
			}
		}
		if 0 < end && end < len(runes)-1 && (r == ' ' || start >= end) &&
			w.column+(end-start) > yamlWidth && split {
			if start < end {
				w.raw(string(runes[start:end]))
			}
			start = max(start, end)
			w.raw(`\`)
			w.newline(indent)
			if runes[start] == ' ' {
				w.raw(`\`)
			}
		}
	}
	w.raw(`"`)
}

// yamlKeeps reports whether a character stands for itself in double quotes.
func yamlKeeps(r rune) bool {
	return r != '"' && r != '\\' && (0x20 <= r && r <= 0x7e ||
		0xa0 <= r && r <= 0xd7ff && r != 0x2028 && r != 0x2029 || 0xe000 <= r && r < utf8.RuneError && r != 0xfeff)
}

func escapeYAML(r rune) string {
	if name, ok := yamlEscapes[r]; ok {
		return `\` + name
	}
	switch {
	case r <= 0xff:
		return fmt.Sprintf(`\x%02X`, r)
	case r <= 0xffff:
		return fmt.Sprintf(`\u%04X`, r)
	}
	return fmt.Sprintf(`\U%08X`, r)
}
