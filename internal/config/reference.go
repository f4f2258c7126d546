package config

import (
	"fmt"
	"io"
	"strings"
)

// WriteReference prints the option table as a Markdown page.
func WriteReference(w io.Writer) error {
	var b strings.Builder
	b.WriteString(`# Options

Generated from the option table by ` + "`make docs`" + `; do not edit.

| Letter | Meaning |
| --- | --- |
| H | works |
| S | known, not supported by this release; a warning when set |
| N | accepted, has no effect here by design |
| X | belongs to a part of stock Salt that is out of scope; ignored |
| R | refused: ignoring it would open a hole, so the daemon does not start when it is set |

"reload" options take effect at SIGHUP, all others at a restart.
`)
	for _, part := range []struct {
		title string
		in    Files
	}{{"Master file", InMaster}, {"Minion file, as the syndic reads it", InMinion}, {"Broker file", InBroker}, {"Relay file", InRelay}} {
		fmt.Fprintf(&b, "\n## %s\n\n| Option | Type | Default | | When | Meaning |\n| --- | --- | --- | --- | --- | --- |\n", part.title)
		for _, o := range table() {
			if o.In != part.in {
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
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n", o.Name, o.Type, escapeBars(def), o.Verdict.Letter(), when, escapeBars(o.About))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func escapeBars(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
