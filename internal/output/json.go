package output

import (
	"bytes"
	"fmt"
	"math"
	"unicode/utf8"

	"github.com/saltern-io/saltern/internal/wire"
)

// jsonText writes JSON in the layout of Python's json module with non-ASCII text kept (spec:
// local-client-and-salt-cli §8.2).
func jsonText(data any, opts Options) (string, error) {
	w := jsonWriter{indent: 4, sorted: opts.Pretty}
	if opts.Indent != nil && !opts.Pretty {
		w.indent = *opts.Indent
	}
	if err := w.value(data, 0); err != nil {
		return "", err
	}
	return w.buf.String(), nil
}

type jsonWriter struct {
	buf    bytes.Buffer
	indent int // spaces per level; negative: one line
	sorted bool
}

// newline starts an item: a line of its own, or after a blank when all is on one line.
func (w *jsonWriter) newline(level int) {
	if w.indent < 0 {
		return
	}
	w.buf.WriteByte('\n')
	for range level * w.indent {
		w.buf.WriteByte(' ')
	}
}

func (w *jsonWriter) comma() {
	w.buf.WriteByte(',')
	if w.indent < 0 {
		w.buf.WriteByte(' ')
	}
}

func (w *jsonWriter) value(v any, level int) error {
	if level > maxDepth {
		return fmt.Errorf("data nested deeper than %d", maxDepth)
	}
	switch v := v.(type) {
	case string:
		w.text(v)
	case []byte:
		w.text(repr(v))
	case wire.Ext:
		w.text(string(v.Data))
	case []any:
		return w.list(v, level)
	case *wire.Map:
		return w.mapping(v, level)
	default:
		w.buf.WriteString(jsonScalar(v))
	}
	return nil
}

func jsonScalar(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		if v {
			return "true"
		}
		return "false"
	case float64:
		switch {
		case math.IsNaN(v):
			return "NaN"
		case math.IsInf(v, 1):
			return "Infinity"
		case math.IsInf(v, -1):
			return "-Infinity"
		}
	}
	return repr(v)
}

func (w *jsonWriter) list(items []any, level int) error {
	if len(items) == 0 {
		w.buf.WriteString("[]")
		return nil
	}
	w.buf.WriteByte('[')
	for i, item := range items {
		if i > 0 {
			w.comma()
		}
		w.newline(level + 1)
		if err := w.value(item, level+1); err != nil {
			return err
		}
	}
	w.newline(level)
	w.buf.WriteByte(']')
	return nil
}

func (w *jsonWriter) mapping(m *wire.Map, level int) error {
	if m.Len() == 0 {
		w.buf.WriteString("{}")
		return nil
	}
	w.buf.WriteByte('{')
	for i, e := range entries(m, w.sorted) {
		if i > 0 {
			w.comma()
		}
		w.newline(level + 1)
		switch key := e.key.(type) {
		case string:
			w.text(key)
		case []byte:
			w.text(string(key))
		case []any, *wire.Map:
			return fmt.Errorf("key %s is not a scalar", repr(key))
		default:
			w.text(jsonScalar(key))
		}
		w.buf.WriteString(": ")
		if err := w.value(e.value, level+1); err != nil {
			return err
		}
	}
	w.newline(level)
	w.buf.WriteByte('}')
	return nil
}

func (w *jsonWriter) text(s string) {
	w.buf.WriteByte('"')
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '"' || r == '\\':
			w.buf.WriteByte('\\')
			w.buf.WriteByte(byte(r))
		case r == '\n':
			w.buf.WriteString(`\n`)
		case r == '\r':
			w.buf.WriteString(`\r`)
		case r == '\t':
			w.buf.WriteString(`\t`)
		case r == '\b':
			w.buf.WriteString(`\b`)
		case r == '\f':
			w.buf.WriteString(`\f`)
		case r < 0x20:
			fmt.Fprintf(&w.buf, `\u%04x`, r)
		case r == utf8.RuneError && size == 1:
			w.buf.WriteRune(utf8.RuneError) // JSON must be valid UTF-8
		default:
			w.buf.WriteString(s[i : i+size])
		}
		i += size
	}
	w.buf.WriteByte('"')
}
