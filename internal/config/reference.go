package config

import (
	"fmt"
	"io"
	"strings"
)

// String says in two or three words what happens to an option.
func (v Verdict) String() string {
	return [...]string{"honoured", "not supported yet", "ignored with notice", "out of scope", "refused"}[v]
}

// About explains the words of String.
func (v Verdict) About() string {
	return [...]string{
		"works",
		"known, its feature is missing from this release; a warning at start when it is set to another value than its default",
		"accepted, has no effect here by design; a notice at start",
		"belongs to a part of stock Salt that is out of scope; ignored, named in one line at start",
		"ignoring it would open a hole, so the daemon does not start when it is set",
	}[v]
}

// Part is one configuration file in the reference pages.
type Part struct {
	Title string
	In    Files
}

// Parts are the files, in the order of the reference pages.
func Parts() []Part {
	return []Part{{"Master file", InMaster}, {"Minion file, as the syndic reads it", InMinion}, {"Broker file", InBroker}, {"Relay file", InRelay}}
}

// WriteReference prints the option table as a Markdown page.
func WriteReference(w io.Writer) error {
	var b strings.Builder
	b.WriteString("# Options\n\nGenerated from the option table by `make docs`; do not edit. `saltern check` says what a host's own files hold.\n\n" +
		"| saltern | Meaning |\n| --- | --- |\n")
	for _, v := range []Verdict{Honoured, Planned, Accepted, Silent, Refused} {
		fmt.Fprintf(&b, "| %s | %s |\n", v, v.About())
	}
	b.WriteString("\n\"reload\" options take effect at SIGHUP, all others at a restart. An option that is in no list is unknown: kept, without effect,\n" +
		"and named once in the log.\n")
	for _, part := range Parts() {
		fmt.Fprintf(&b, "\n## %s\n\n| Option | Type | Default | saltern | When | Meaning |\n| --- | --- | --- | --- | --- | --- |\n", part.Title)
		for _, o := range table() {
			if o.In != part.In {
				continue
			}
			def := ""
			if o.Default != "" {
				def = "`" + o.Default + "`"
			}
			when := ""
			if o.Reload == Live {
				when = "reload"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n", o.Name, o.Type, escapeBars(def), o.Verdict, when, escapeBars(o.About))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func escapeBars(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
