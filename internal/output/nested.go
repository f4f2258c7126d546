package output

import (
	"strings"
	"unicode/utf8"

	"github.com/saltern-io/saltern/internal/wire"
)

// nestedText prints data as an indented outline (spec: local-client-and-salt-cli §8.1).
func nestedText(data any, opts Options) (string, error) {
	n := nester{opts: opts}
	n.show(data, 0, "", 0)
	return n.out.String(), nil
}

// nester builds the outline line by line.
type nester struct {
	opts Options
	out  strings.Builder
	any  bool // a line has been written
}

func (n *nester) line(indent int, color, text, suffix string) {
	if n.any {
		n.out.WriteByte('\n')
	}
	n.any = true
	for range indent {
		n.out.WriteByte(' ')
	}
	n.out.WriteString(n.opts.paint(color, n.opts.clean(text)))
	n.out.WriteString(suffix)
}

// mark is the colour of keys and of the given list mark colour, red after a failure.
func (n *nester) mark(color string) string {
	if n.opts.Failed {
		return red
	}
	return color
}

func (n *nester) show(v any, indent int, prefix string, depth int) {
	if depth > maxDepth {
		n.line(indent, lightRed, prefix+"...", "")
		return
	}
	switch v := v.(type) {
	case string:
		n.text(v, indent, prefix)
	case []byte:
		if utf8.Valid(v) {
			n.text(string(v), indent, prefix)
		}
	case wire.Ext:
		n.text(string(v.Data), indent, prefix)
	case []any:
		n.list(v, indent, depth)
	case *wire.Map:
		n.mapping(v, indent, prefix, depth)
	default:
		n.line(indent, lightYellow, prefix+repr(v), "")
	}
}

func (n *nester) text(s string, indent int, prefix string) {
	for _, line := range splitLines(s) {
		n.line(indent, green, prefix+line, "")
		prefix = strings.Repeat(" ", len(prefix))
	}
}

func (n *nester) list(items []any, indent, depth int) {
	for _, item := range items {
		switch item.(type) {
		case []any:
			n.line(indent, n.mark(green), "|_", "")
			n.show(item, indent+2, "- ", depth+1)
		case *wire.Map:
			n.line(indent, n.mark(green), "|_", "")
			n.show(item, indent+2, "", depth+1)
		default:
			n.show(item, indent, "- ", depth+1)
		}
	}
}

func (n *nester) mapping(m *wire.Map, indent int, prefix string, depth int) {
	if indent > 0 {
		n.line(indent, n.mark(cyan), "----------", "")
	}
	for _, e := range entries(m, true) {
		n.line(indent, n.mark(cyan), prefix+pyStr(e.key), ":")
		n.show(e.value, indent+4, "", depth+1)
	}
}
