package logfmt

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// environment is what a record's line needs besides the record.
type environment struct {
	dates string
	jid   string
	pid   int
	start time.Time
}

type saltConfig struct{ format, dates, jid, name string }

// saltHandler prints records in a percent format.
type saltHandler struct {
	out    *lockedWriter
	level  slog.Leveler
	fields []field
	env    *environment
	name   string // logger name
	group  string // prefix of attribute names, with its dots
	attrs  string // attributes bound by WithAttrs, ready to append
	jid    string
}

// lockedWriter keeps records whole; handlers derived from one another share it.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

// levelWriter is a writer that marks each record with its level.
type levelWriter interface {
	writeLevel(l slog.Level, p []byte) (int, error)
}

func newSalt(w io.Writer, level slog.Leveler, c saltConfig) (*saltHandler, error) {
	fields, err := compile(c.format)
	if err != nil {
		return nil, err
	}
	return &saltHandler{
		out: &lockedWriter{w: w}, level: level, fields: fields, name: c.name,
		env: &environment{dates: c.dates, jid: c.jid, pid: os.Getpid(), start: time.Now()},
	}, nil
}

// Enabled is part of slog.Handler.
func (h *saltHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

// buffers keeps line buffers between records.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 512); return &b }}

// maxKept is the largest buffer worth keeping.
const maxKept = 16 << 10

// Handle is part of slog.Handler: one record, one line, one write.
func (h *saltHandler) Handle(_ context.Context, sr slog.Record) error {
	r := record{time: sr.Time, level: sr.Level, name: h.name, jid: h.jid}
	if r.time.IsZero() {
		r.time = time.Now()
	}
	var msg strings.Builder
	msg.WriteString(clean(sr.Message))
	msg.WriteString(h.attrs)
	sr.Attrs(func(a slog.Attr) bool {
		h.attr(&msg, h.group, a, &r.name, &r.jid)
		return true
	})
	r.message = msg.String()
	if sr.PC != 0 {
		frame, _ := runtime.CallersFrames([]uintptr{sr.PC}).Next()
		r.file, r.line, r.fn = frame.File, frame.Line, frame.Function
	}
	bp := buffers.Get().(*[]byte)
	b := (*bp)[:0]
	for i := range h.fields {
		b = h.fields[i].append(b, &r, h.env)
	}
	b = append(b, '\n')
	h.out.mu.Lock()
	var err error
	if lw, ok := h.out.w.(levelWriter); ok {
		_, err = lw.writeLevel(sr.Level, b)
	} else {
		_, err = h.out.w.Write(b)
	}
	h.out.mu.Unlock()
	if cap(b) <= maxKept {
		*bp = b
		buffers.Put(bp)
	}
	return err
}

// WithAttrs is part of slog.Handler.
func (h *saltHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	var b strings.Builder
	b.WriteString(h.attrs)
	for _, a := range attrs {
		c.attr(&b, h.group, a, &c.name, &c.jid)
	}
	c.attrs = b.String()
	return &c
}

// WithGroup is part of slog.Handler.
func (h *saltHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	c := *h
	c.group += name + "."
	return &c
}

// attr prints one attribute as " key=value". The attribute "component" names the logger instead, and
// "jid" is remembered for log_fmt_jid as well.
func (h *saltHandler) attr(b *strings.Builder, group string, a slog.Attr, name, jid *string) {
	v := a.Value.Resolve()
	switch {
	case a.Equal(slog.Attr{}):
		return
	case v.Kind() == slog.KindGroup:
		if a.Key != "" {
			group += a.Key + "."
		}
		for _, ga := range v.Group() {
			h.attr(b, group, ga, name, jid)
		}
		return
	case group == "" && a.Key == "component":
		*name = clean(v.String())
		return
	case group == "" && a.Key == "jid":
		*jid = clean(v.String())
	}
	b.WriteByte(' ')
	b.WriteString(group)
	b.WriteString(a.Key)
	b.WriteByte('=')
	b.WriteString(quote(text(v)))
}

func text(v slog.Value) string {
	switch v.Kind() {
	case slog.KindTime:
		return v.Time().Format(time.RFC3339Nano)
	case slog.KindAny:
		if err, ok := v.Any().(error); ok {
			return err.Error()
		}
		return fmt.Sprint(v.Any())
	}
	return v.String()
}

// quote makes a value one unmistakable word: what a peer sent must not look like another attribute
// or another line.
func quote(s string) string {
	for _, r := range s {
		if r <= ' ' || r == '"' || r == '=' || r == utf8.RuneError || (r >= 0x7f && r < 0xa0) || r == 0x2028 || r == 0x2029 {
			return strconv.Quote(s)
		}
	}
	if s == "" {
		return `""`
	}
	return s
}

// clean escapes control characters in a message, so that one record stays one line.
func clean(s string) string {
	bad := func(r rune) bool { return r < ' ' || (r >= 0x7f && r < 0xa0) }
	if strings.IndexFunc(s, bad) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if bad(r) {
			q := strconv.QuoteRune(r)
			b.WriteString(q[1 : len(q)-1])
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}
