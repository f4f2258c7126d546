package manual

import (
	"io"

	"github.com/saltern-io/saltern/internal/config"
)

// WriteOptions prints saltern-options(5): every option of every file and what happens to it.
func WriteOptions(w io.Writer, source string) error {
	r := &roff{}
	r.header("saltern-options", "5", source, "saltern")
	r.section("NAME")
	r.b.WriteString("saltern\\-options \\- the options of Salt's configuration files and what saltern does with them\n")
	r.section("DESCRIPTION")
	r.text("saltern reads /etc/salt/master with /etc/salt/master.d/*.conf and what include names, and for the syndic also\n" +
		"/etc/salt/minion, in stock Salt's own dialect and order. Each option is marked:")
	for _, v := range []config.Verdict{config.Honoured, config.Planned, config.Accepted, config.Silent, config.Refused} {
		r.item(bold(v.String()), v.About())
	}
	r.text("Options marked reload take effect at SIGHUP, all others at a restart. Run saltern check to see what a host's files say.")
	for _, part := range config.Parts() {
		r.section(part.Title)
		for _, o := range config.Options() {
			if o.In != part.In {
				continue
			}
			head := bold(o.Name) + " (" + escape(o.Type.String()) + ", " + escape(o.Verdict.String())
			if o.Default != "" {
				head += ", default " + italic(o.Default)
			}
			if o.Reload == config.Live {
				head += ", reload"
			}
			r.item(head+")", o.About)
		}
	}
	return r.writeTo(w)
}
