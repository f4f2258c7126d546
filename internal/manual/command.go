package manual

import (
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Entry is one line of a list: a file, an exit status, a signal, a variable.
type Entry struct{ Name, About string }

// Page is a manual page of section 1 of one command.
type Page struct {
	Name    string // as it is called: "salt-key"
	Command *cobra.Command
	Source  string // "saltern 1.2.3"

	Synopsis []string // more ways to call it than Command.Use
	Commands []Entry  // words it takes
	Exit     []Entry
	Signals  []Entry
	Files    []Entry
	SeeAlso  []string // "salt-master(1)"
}

// WriteCommand prints the page. Hidden options are left out.
func WriteCommand(w io.Writer, p Page) error {
	r := &roff{}
	name := strings.ReplaceAll(p.Name, " ", "-")
	r.header(name, "1", p.Source, "saltern")
	r.section("NAME")
	r.b.WriteString(escape(name) + ` \- ` + escape(strings.TrimSuffix(p.Command.Short, ".")) + "\n")
	r.section("SYNOPSIS")
	synopsis := p.Synopsis
	if synopsis == nil {
		_, rest, _ := strings.Cut(p.Command.Use, " ")
		rest = strings.TrimPrefix(rest, strings.TrimPrefix(p.Name, "saltern ")+" ")
		synopsis = []string{p.Name + " " + rest}
	}
	for i, s := range synopsis {
		if i > 0 {
			r.b.WriteString(".br\n")
		}
		r.b.WriteString(bold(s) + "\n")
	}
	r.section("DESCRIPTION")
	long := p.Command.Long
	if long == "" {
		long = strings.ToUpper(p.Command.Short[:1]) + p.Command.Short[1:] + "."
	}
	r.text(long)
	r.entries("COMMANDS", p.Commands)
	r.options(p.Command.Flags())
	r.entries("SIGNALS", p.Signals)
	r.entries("EXIT STATUS", p.Exit)
	r.entries("FILES", p.Files)
	if len(p.SeeAlso) > 0 {
		r.section("SEE ALSO")
		for i, s := range p.SeeAlso {
			page, section, _ := strings.Cut(strings.TrimSuffix(s, ")"), "(")
			end := ","
			if i == len(p.SeeAlso)-1 {
				end = ""
			}
			r.b.WriteString(".BR " + escape(page) + " (" + section + ")" + end + "\n")
		}
	}
	return r.writeTo(w)
}

func (r *roff) entries(title string, list []Entry) {
	if len(list) == 0 {
		return
	}
	r.section(title)
	for _, e := range list {
		r.item(bold(e.Name), e.About)
	}
}

func (r *roff) options(fs *pflag.FlagSet) {
	first := true
	fs.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		if first {
			r.section("OPTIONS")
			first = false
		}
		kind, usage := pflag.UnquoteUsage(f)
		head := bold("--" + f.Name)
		if f.Shorthand != "" {
			head = bold("-"+f.Shorthand) + ", " + head
		}
		if f.NoOptDefVal == "" && kind != "" {
			head += "=" + italic(strings.ToUpper(kind))
		}
		if usage == "" {
			usage = f.Name
		}
		r.item(head, usage)
	})
}
