package config

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
)

// RemarkKind says what a Remark is about.
type RemarkKind uint8

// Kinds of remarks, worst first.
const (
	RemarkFault       RemarkKind = iota // stops the start, or a whole file is not read
	RemarkUnknown                       // no such option
	RemarkType                          // a type stock Salt warns about
	RemarkUnsupported                   // a feature this release lacks, asked for
	RemarkNotice                        // whatever else a daemon says at its start
	RemarkNoEffect                      // accepted, does nothing here
	RemarkOutOfScope                    // belongs to a part of stock Salt that is out of scope
)

// Remark is one thing there is to say about a configuration. It never holds a secret value.
type Remark struct {
	Kind    RemarkKind
	Level   slog.Level // of RemarkNotice: as the daemon would log it
	Option  string     // "" when it is about a file
	Text    string
	Pos     string // "file:line" or "file"; "" when no file is to blame
	Nearest string // of RemarkUnknown: the option it was probably meant to be, "" when none is close
}

// LintMaster reads the master file as LoadMaster does and says everything there is to say about it at
// once: faults, unknown options with the nearest known one, types, and options without effect, each with
// file and line. Master is nil when the main file cannot be used.
func LintMaster(o LoadOptions) (*Master, *Report, []Remark) {
	m, report, err := LoadMaster(o)
	l := &linter{binder: binder{in: InMaster, report: report}}
	l.faults(err)
	if m != nil {
		l.tree(m.Raw)
	}
	l.notices()
	return m, report, l.remarks
}

// LintSyndic is LintMaster for what a syndic reads: remarks about the minion file, and of the master file
// those that stop a syndic. Syndic is nil when a main file cannot be used.
func LintSyndic(o LoadOptions) (*Syndic, *Report, []Remark) {
	s, report, err := LoadSyndic(o)
	l := &linter{binder: binder{in: InMinion, report: report}}
	l.faults(err)
	if s != nil {
		l.tree(s.minionRaw)
	}
	l.notices()
	return s, report, l.remarks
}

type linter struct {
	binder
	remarks []Remark
}

func (l *linter) add(kind RemarkKind, option, pos, format string, args ...any) {
	l.remarks = append(l.remarks, Remark{Kind: kind, Option: option, Pos: pos, Text: fmt.Sprintf(format, args...)})
}

// faults takes joined errors apart.
func (l *linter) faults(err error) {
	if err == nil {
		return
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			l.faults(e)
		}
		return
	}
	var fault *Fault
	var parse *ParseError
	switch {
	case errors.As(err, &fault):
		text := fault.Text
		if fault.Value != "" && !strings.Contains(text, fault.Value) {
			text += " (value " + fault.Value + ")"
		}
		l.add(RemarkFault, fault.Option, fault.Pos, "%s", text)
	case errors.As(err, &parse):
		l.add(RemarkFault, "", parse.Pos(), "cannot be read: %v", parse.Err)
	default:
		l.add(RemarkFault, "", "", "%v", err)
	}
}

var lineNumber = regexp.MustCompile(`\bline ([0-9]+)\b`)

// Pos is "file:line" as far as the parser told the line.
func (e *ParseError) Pos() string {
	if m := lineNumber.FindStringSubmatch(e.Err.Error()); m != nil {
		return e.Path + ":" + m[1]
	}
	return e.Path
}

// tree looks at every option of a merged file.
func (l *linter) tree(tree *Map) {
	for k, v := range tree.All() {
		name, ok := k.(string)
		if !ok {
			l.add(RemarkUnknown, fmt.Sprint(k), v.Pos(), "the name is not a string; quote it")
			continue
		}
		o := l.row(name)
		if o == nil {
			l.remarks = append(l.remarks, Remark{
				Kind: RemarkUnknown, Option: name, Pos: v.Pos(),
				Text: "no such option; kept, without effect", Nearest: l.nearest(name),
			})
			continue
		}
		if o.Type != Any && !o.accepts(v) && !l.faulted(name) {
			l.add(RemarkType, name, v.Pos(), "is a %s, wanted is %s", v.typeName(), o.Type)
		}
		switch o.Verdict {
		case Planned:
			kind := RemarkNoEffect
			if changed(o, v) {
				kind = RemarkUnsupported
			}
			l.add(kind, name, v.Pos(), "is not supported by this release (%s)", o.About)
		case Accepted:
			l.add(RemarkNoEffect, name, v.Pos(), "is accepted and has no effect here (%s)", o.About)
		case Silent:
			l.add(RemarkOutOfScope, name, v.Pos(), "is out of scope and ignored (%s)", o.About)
		}
	}
}

func (l *linter) faulted(option string) bool {
	return slices.ContainsFunc(l.remarks, func(r Remark) bool { return r.Kind == RemarkFault && r.Option == option })
}

// notices adds what the load reported and tree does not say better.
func (l *linter) notices() {
	for _, n := range l.report.Notices {
		if n.listed {
			continue
		}
		if n.err != nil {
			l.faults(n.err)
			continue
		}
		l.remarks = append(l.remarks, Remark{Kind: RemarkNotice, Level: n.Level, Option: n.Option, Text: n.Text, Pos: n.Pos})
	}
}

// LintBroker is LintMaster for the broker file. Broker is nil when it cannot be used.
func LintBroker(o LoadOptions) (*Broker, *Report, []Remark) {
	b, report, err := LoadBroker(o)
	l := &linter{binder: binder{in: InBroker, report: report}}
	l.faults(err)
	if b != nil {
		l.tree(b.Raw)
	}
	l.notices()
	return b, report, l.remarks
}

// LintRelay is LintMaster for the relay file. Relay is nil when it cannot be used.
func LintRelay(o LoadOptions) (*Relay, *Report, []Remark) {
	r, report, err := LoadRelay(o)
	l := &linter{binder: binder{in: InRelay, report: report}}
	l.faults(err)
	if r != nil {
		l.tree(r.Raw)
	}
	l.notices()
	return r, report, l.remarks
}
