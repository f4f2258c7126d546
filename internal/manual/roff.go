package manual

import (
	"fmt"
	"io"
	"strings"
)

// roff collects a page. Text is escaped where it comes in, so that nothing in it can be a request.
type roff struct{ b strings.Builder }

var escapes = strings.NewReplacer(`\`, `\e`, "-", `\-`, "`", `\(ga`, "'", `\(aq`, "→", `\(->`, "…", "...", "│", "|", "–", `\(en`)

// escape makes text safe inside a line; a line must not begin with a control character.
func escape(s string) string {
	s = escapes.Replace(s)
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	return s
}

func (r *roff) header(name, section, source, title string) {
	fmt.Fprintf(&r.b, ".\\\" Generated; do not edit.\n.TH %q %q \"\" %q %q\n.nh\n.ad l\n", strings.ToUpper(name), section, source, title)
}

func (r *roff) section(title string) { fmt.Fprintf(&r.b, ".SH %s\n", escape(title)) }

// text is a paragraph, or several; indented lines and rows of a table stay as they are.
func (r *roff) text(s string) {
	literal := false
	for line := range strings.SplitSeq(strings.TrimSpace(s), "\n") {
		indented := strings.Contains(line, "  ")
		if indented != literal {
			r.b.WriteString(map[bool]string{true: ".PP\n.nf\n", false: ".fi\n.PP\n"}[indented])
			literal = indented
		}
		if strings.TrimSpace(line) == "" {
			r.b.WriteString(".PP\n")
			continue
		}
		r.b.WriteString(escape(line) + "\n")
	}
	if literal {
		r.b.WriteString(".fi\n")
	}
}

// item is one entry of a list of definitions; head is roff already.
func (r *roff) item(head, body string) {
	fmt.Fprintf(&r.b, ".TP\n%s\n%s\n", head, escape(strings.ReplaceAll(body, "\n", " ")))
}

func bold(s string) string   { return `\fB` + escape(s) + `\fR` }
func italic(s string) string { return `\fI` + escape(s) + `\fR` }

func (r *roff) writeTo(w io.Writer) error {
	_, err := io.WriteString(w, r.b.String())
	return err
}
