package output

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/saltern-io/saltern/internal/wire"
)

// highstateText prints state runs: one block per state and a summary per minion (spec:
// local-client-and-salt-cli §8.3).
func highstateText(data any, opts Options) (string, error) {
	m, ok := data.(*wire.Map)
	if !ok {
		return nestedText(data, opts)
	}
	// A runner wraps its states once more.
	if inner, ok := m.Get("data"); ok && m.Len() > 1 {
		if im, ok := inner.(*wire.Map); ok {
			m = im
		}
	}
	var parts []string
	for host, value := range m.All() {
		h := highstate{opts: opts, host: opts.clean(pyStr(host)), header: green}
		parts = append(parts, h.render(value))
	}
	return strings.Join(parts, "\n"), nil
}

// highstate renders one minion.
type highstate struct {
	opts   Options
	host   string
	header string // colour of the host line, set by the last state that failed or would change
	lines  []string
	count  counters
}

// counters feed the summary.
type counters struct {
	succeeded, unchanged, failed, changed, warnings int
	total                                           int
	duration, parallel                              float64 // milliseconds
}

func (h *highstate) add(line string) { h.lines = append(h.lines, line) }

func (h *highstate) render(value any) string {
	switch v := value.(type) {
	case []any:
		h.compileErrors(v)
	case *wire.Map:
		h.states(v)
		h.summary()
	default:
		h.header = cyan
		for _, line := range splitLines(pyStr(v)) {
			h.add(h.opts.paint(green, "    "+h.opts.clean(line)))
		}
	}
	return h.opts.paint(h.header, h.host+":") + "\n" + strings.Join(h.lines, "\n")
}

func (h *highstate) compileErrors(errs []any) {
	h.header = lightRed
	h.add("    " + h.opts.paint(lightRed, "Data failed to compile:"))
	for _, err := range errs {
		h.add(h.opts.paint(lightRed, "----------\n    "+h.opts.clean(pyStr(err))))
	}
}

// state is one executed state as its chunk of the return tells.
type state struct {
	id, name, function, module, method string
	result                             any // true, false or nil
	changes                            any
	chunk                              *wire.Map
}

func newState(key string, chunk *wire.Map) state {
	s := state{chunk: chunk}
	s.result, _ = chunk.Get("result")
	s.changes, _ = chunk.Get("changes")
	parts := strings.Split(key, "_|-")
	for len(parts) < 4 {
		parts = append(parts, "")
	}
	s.module, s.id, s.name, s.method = parts[0], parts[1], parts[2], parts[len(parts)-1]
	s.function = s.module + "." + s.method
	return s
}

func (s state) changed() bool {
	switch c := s.changes.(type) {
	case nil:
		return false
	case *wire.Map:
		return c.Len() > 0
	case string:
		return c != ""
	case []any:
		return len(c) > 0
	}
	return true
}

func (s state) failed() bool { return s.result == false }

func (s state) color() string {
	switch {
	case s.result == nil:
		return lightYellow
	case s.failed():
		return red
	case s.changed():
		return cyan
	}
	return green
}

func (h *highstate) states(m *wire.Map) {
	type run struct {
		num float64
		state
	}
	var runs []run
	for k, v := range m.All() {
		chunk, ok := v.(*wire.Map)
		if !ok || !chunk.Has("result") {
			continue
		}
		num, _ := chunk.Get("__run_num__")
		runs = append(runs, run{number(num), newState(pyStr(k), chunk)})
	}
	slices.SortStableFunc(runs, func(a, b run) int { return cmp.Compare(a.num, b.num) })
	for _, r := range runs {
		h.tally(r.state)
		h.state(r.state)
	}
}

func (h *highstate) tally(s state) {
	c := &h.count
	c.total++
	switch s.result {
	case nil:
		c.unchanged++
		c.succeeded++
		h.header = lightYellow
	case false:
		c.failed++
		h.header = red
	default:
		c.succeeded++
	}
	if s.changed() {
		c.changed++
	}
	took, _ := s.chunk.Get("duration")
	if ms := number(took); s.chunk.Bool("__parallel__") {
		c.parallel = max(c.parallel, ms)
	} else {
		c.duration += ms
	}
}

// state prints one state in full, on one line, or not at all.
func (h *highstate) state(s state) {
	so := h.opts.State
	if (so.HideUnchanged || so.OnlyDiff) && s.result == true && !s.changed() {
		return
	}
	mode, showID := strings.CutSuffix(strings.ToLower(so.Output), "_id")
	if showID {
		s.name = s.id
	}
	short := false
	switch mode {
	case "terse":
		short = true
	case "mixed":
		short = !s.failed()
	case "changes":
		short = s.result == true && !s.changed()
	}
	if short {
		h.terse(s)
		return
	}
	h.full(s)
}

func (h *highstate) full(s state) {
	color := s.color()
	field := func(label, value string) {
		h.add("    " + h.opts.paint(color, fmt.Sprintf("%8s: %s", label, value)))
	}
	h.add(h.opts.paint(color, "----------"))
	field("ID", h.opts.clean(s.id))
	field("Function", s.function)
	if s.id != s.name {
		field("Name", h.opts.clean(s.name))
	}
	field("Result", repr(s.result))
	comment, _ := s.chunk.Get("comment")
	field("Comment", h.comment(comment))
	if start, ok := s.chunk.Get("start_time"); ok && !h.opts.State.HideProfile {
		field("Started", pyStr(start))
		took, _ := s.chunk.Get("duration")
		field("Duration", milliseconds(took))
	}
	h.add(h.opts.paint(color, "     Changes:   "+h.changes(s)))
	if text := h.warnings(s); text != "" {
		h.count.warnings++
		h.add("   " + h.opts.paint(lightRed, " Warnings: "+wrap(text, 14)))
	}
}

func milliseconds(took any) string {
	switch took.(type) {
	case int64, uint64, float64:
		return repr(took) + " ms"
	case nil:
		return ""
	}
	return pyStr(took)
}

// comment joins a comment's parts and indents its further lines below the first.
func (h *highstate) comment(v any) string {
	text := pyStr(v)
	if items, ok := v.([]any); ok {
		parts := make([]string, len(items))
		for i, item := range items {
			parts[i] = pyStr(item)
		}
		text = strings.Join(parts, "\n")
	}
	text = h.opts.clean(strings.TrimSpace(text))
	return strings.ReplaceAll(text, "\n", "\n"+strings.Repeat(" ", 14))
}

// changes prints them as an outline on the following lines; none print nothing.
func (h *highstate) changes(s state) string {
	if !s.changed() {
		return ""
	}
	if _, ok := s.changes.(*wire.Map); !ok {
		return "Invalid Changes data: " + h.opts.clean(pyStr(s.changes))
	}
	n := nester{opts: h.opts}
	n.opts.Failed = false
	n.show(s.changes, 14, "", 0)
	return "\n" + n.out.String()
}

func (h *highstate) warnings(s state) string {
	list := s.chunk.List("warnings")
	parts := make([]string, len(list))
	for i, item := range list {
		parts[i] = pyStr(item)
	}
	return h.opts.clean(strings.Join(parts, "\n"))
}

// wrap breaks text into lines of at most 80 columns, the first of which already holds indent.
func wrap(text string, indent int) string {
	var b strings.Builder
	column := indent
	for i, word := range strings.Fields(text) {
		size := len([]rune(word))
		switch {
		case i == 0:
		case column+1+size > 80:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			column = indent
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += size
	}
	return b.String()
}
