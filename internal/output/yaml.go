package output

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"

	"github.com/saltern-io/saltern/internal/wire"
)

// yamlText writes YAML as PyYAML's dumper does with keys sorted and non-ASCII text kept (spec:
// local-client-and-salt-cli §8.2).
func yamlText(data any, opts Options) (string, error) {
	w := yamlWriter{step: 2}
	if opts.Indent != nil {
		w.flow = *opts.Indent < 0
		if *opts.Indent > 1 && *opts.Indent < 10 {
			w.step = *opts.Indent
		}
	}
	w.node(data, yamlContext{indent: -1, root: true})
	return w.out.String(), nil
}

// yamlWidth is the column after which text is folded at blanks.
const yamlWidth = 80

// yamlContext says where a node stands.
type yamlContext struct {
	indent     int // of the collection around it; -1 at the top
	root       bool
	inMapping  bool // value of a block mapping: its list is not indented
	simpleKey  bool // a key on the line of its value: never folded
	flow       bool
	afterDash  bool // first thing after "- ": a collection starts on the same line
	depthGuard int
}

type yamlWriter struct {
	out    strings.Builder
	step   int
	flow   bool
	column int
	// blank is set when a blank or line start precedes, so that no separating blank is needed.
	blank bool
	// indention is set while only indentation and "- " stand on the line.
	indention bool
}

// raw writes s, which contains no line end.
func (w *yamlWriter) raw(s string) {
	w.out.WriteString(s)
	w.column += utf8.RuneCountInString(s)
	w.blank, w.indention = false, false
}

// indicator writes punctuation, with a blank before it where one is needed.
func (w *yamlWriter) indicator(s string, needBlank bool) {
	if needBlank && !w.blank && w.column > 0 {
		w.raw(" ")
	}
	w.raw(s)
}

// newline starts a line with the given indentation.
func (w *yamlWriter) newline(indent int) {
	w.lineBreak()
	if indent > 0 {
		w.out.WriteString(strings.Repeat(" ", indent))
		w.column = indent
	}
	w.blank, w.indention = true, true
}

func (w *yamlWriter) lineBreak() {
	w.out.WriteByte('\n')
	w.column = 0
	w.blank, w.indention = true, true
}

// lineAt goes to a line of its own at indent, unless that is where the writer already stands.
func (w *yamlWriter) lineAt(indent int) {
	if !w.indention || w.column > indent || w.column == indent && !w.blank {
		if w.out.Len() == 0 {
			return
		}
		w.newline(indent)
		return
	}
	if w.column < indent {
		w.out.WriteString(strings.Repeat(" ", indent-w.column))
		w.column = indent
		w.blank = true
	}
}

func (w *yamlWriter) node(v any, c yamlContext) {
	if c.depthGuard++; c.depthGuard > maxDepth {
		w.indicator("'...'", true)
		return
	}
	switch v := v.(type) {
	case []any:
		if c.flow || w.flow || len(v) == 0 {
			w.flowList(v, c)
			return
		}
		w.blockList(v, c)
	case *wire.Map:
		if c.flow || w.flow || v.Len() == 0 {
			w.flowMap(entries(v, true), c)
			return
		}
		w.blockMap(entries(v, true), c)
	case []byte:
		w.binary(v, c)
	case string:
		w.text(v, c)
	case wire.Ext:
		w.text(string(v.Data), c)
	case float64:
		w.indicator(yamlFloat(v), true)
	case nil:
		w.indicator("null", true)
	case bool:
		w.indicator(jsonScalar(v), true)
	default:
		w.indicator(repr(v), true)
	}
}

// yamlFloat is Python's literal with the dot that YAML 1.1 demands.
func yamlFloat(f float64) string {
	s := pyFloat(f)
	switch s {
	case "nan", "inf":
		return "." + s
	case "-inf":
		return "-.inf"
	}
	if !strings.Contains(s, ".") {
		s = strings.Replace(s, "e", ".0e", 1)
	}
	return s
}

// deeper is the indentation of the parts of a collection in context c.
func (w *yamlWriter) deeper(c yamlContext) int {
	if c.indent < 0 {
		if c.flow {
			return w.step
		}
		return 0
	}
	return c.indent + w.step
}

func (w *yamlWriter) blockList(items []any, c yamlContext) {
	indent := w.deeper(c)
	// A list that is the value of a key stands at the indentation of that key.
	if c.inMapping && !w.indention {
		indent = c.indent
	}
	for i, item := range items {
		if i > 0 || !c.afterDash {
			w.lineAt(indent)
		} else {
			w.compact(indent)
		}
		w.indicator("-", true)
		w.blank, w.indention = false, true
		w.node(item, yamlContext{indent: indent, afterDash: true, depthGuard: c.depthGuard})
	}
}

// compact fills up to indent after "-" or "?", where a collection starts on the same line.
func (w *yamlWriter) compact(indent int) {
	if w.column < indent {
		w.out.WriteString(strings.Repeat(" ", indent-w.column))
		w.column = indent
	}
	w.blank, w.indention = true, true
}

func (w *yamlWriter) blockMap(list []entry, c yamlContext) {
	indent := w.deeper(c)
	for i, e := range list {
		if i > 0 || !c.afterDash {
			w.lineAt(indent)
		} else {
			w.compact(indent)
		}
		kc := yamlContext{indent: indent, simpleKey: true, depthGuard: c.depthGuard}
		vc := yamlContext{indent: indent, inMapping: true, depthGuard: c.depthGuard}
		if simpleKey(e.key) {
			w.node(e.key, kc)
			w.raw(":")
		} else {
			kc.simpleKey, kc.afterDash = false, true
			w.indicator("?", true)
			w.indention = true
			w.node(e.key, kc)
			w.lineAt(indent)
			w.indicator(":", true)
			w.indention = true
			vc.inMapping, vc.afterDash = false, true
		}
		w.node(e.value, vc)
	}
}

// simpleKey reports whether a key fits on the line of its value.
func simpleKey(key any) bool {
	switch key := key.(type) {
	case string:
		// Five of the 128 columns belong to the tag that stock counts and does not write.
		return key != "" && utf8.RuneCountInString(key) < 128-5 && !analyze(key).multiline
	case []byte:
		return false
	case []any:
		return len(key) == 0
	case *wire.Map:
		return key.Len() == 0
	}
	return true
}

func (w *yamlWriter) flowList(items []any, c yamlContext) {
	w.indicator("[", true)
	w.blank = true
	indent := w.deeper(yamlContext{indent: c.indent, flow: true})
	for i, item := range items {
		if i > 0 {
			w.raw(",")
		}
		if w.column > yamlWidth {
			w.newline(indent)
		}
		w.node(item, yamlContext{indent: indent, flow: true, depthGuard: c.depthGuard})
	}
	w.raw("]")
}

func (w *yamlWriter) flowMap(list []entry, c yamlContext) {
	w.indicator("{", true)
	w.blank = true
	indent := w.deeper(yamlContext{indent: c.indent, flow: true})
	for i, e := range list {
		if i > 0 {
			w.raw(",")
		}
		if w.column > yamlWidth {
			w.newline(indent)
		}
		if simpleKey(e.key) {
			w.node(e.key, yamlContext{indent: indent, flow: true, simpleKey: true, depthGuard: c.depthGuard})
			w.raw(":")
		} else {
			w.indicator("?", true)
			w.node(e.key, yamlContext{indent: indent, flow: true, depthGuard: c.depthGuard})
			if w.column > yamlWidth {
				w.newline(indent)
			}
			w.indicator(":", true)
		}
		w.node(e.value, yamlContext{indent: indent, flow: true, depthGuard: c.depthGuard})
	}
	w.raw("}")
}

// binary writes bytes as a tagged literal of base64 lines, 76 characters each.
func (w *yamlWriter) binary(b []byte, c yamlContext) {
	text := base64.StdEncoding.EncodeToString(b)
	if c.flow || c.simpleKey {
		w.indicator(`!!binary "`+text+`\n"`, true)
		return
	}
	w.indicator("!!binary |", true)
	indent := w.deeper(yamlContext{indent: c.indent, flow: true})
	for len(text) > 0 {
		n := min(76, len(text))
		w.newline(indent)
		w.raw(text[:n])
		text = text[n:]
	}
}
