package config

import (
	"context"
	"fmt"
	"log/slog"
)

// Report is what a load wants the operator to know; the daemon logs it once, after its logger exists.
type Report struct {
	Notices []Notice
	Files   []string // files that were read, in order
}

// Notice is one finding that does not stop the start.
type Notice struct {
	Level  slog.Level
	Option string // "" when the notice is about a file
	Text   string
	Pos    string // "file:line", "" when unknown

	err    error // of a file that was left out
	listed bool  // found by walking the options, which the check does itself
}

// String is the notice as one line.
func (n Notice) String() string {
	if n.Pos == "" {
		return n.Text
	}
	return n.Text + " (" + n.Pos + ")"
}

// Log writes every notice to a logger.
func (r *Report) Log(log *slog.Logger) {
	for _, n := range r.Notices {
		log.Log(context.Background(), n.Level, n.String())
	}
}

// addListed is add for what binder.notices finds.
func (r *Report) addListed(level slog.Level, option string, v *Value, format string, args ...any) {
	r.add(level, option, v, format, args...)
	r.Notices[len(r.Notices)-1].listed = true
}

// skipped names a file that is not read.
func (r *Report) skipped(err error) {
	r.Notices = append(r.Notices, Notice{Level: slog.LevelError, Text: err.Error(), err: err})
}

func (r *Report) add(level slog.Level, option string, v *Value, format string, args ...any) {
	r.Notices = append(r.Notices, Notice{Level: level, Option: option, Text: fmt.Sprintf(format, args...), Pos: v.Pos()})
}

// Fault is one reason not to start: option, value, where it was set and what is wrong.
type Fault struct {
	Option string
	Value  string // scalars only, "" for secrets
	Pos    string
	Text   string
}

// Error is "file:line: option: text (value …)".
func (f *Fault) Error() string {
	s := f.Option + ": " + f.Text
	if f.Value != "" {
		s += " (value " + f.Value + ")"
	}
	if f.Pos != "" {
		s = f.Pos + ": " + s
	}
	return s
}

// newFault makes a fault; long values are cut, secrets, lists and maps left out.
func newFault(name string, secret bool, v *Value, format string, args ...any) *Fault {
	f := &Fault{Option: name, Pos: v.Pos(), Text: fmt.Sprintf(format, args...)}
	if text, ok := v.Text(); ok && !secret {
		f.Value = cut(text)
	}
	return f
}

// cut bounds a value inside a message.
func cut(s string) string {
	const most = 120
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}
