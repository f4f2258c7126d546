package manual

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/saltern-io/saltern/internal/config"
)

// page is a page with everything a page can have, and text that a formatter would take for requests.
func page(t *testing.T) string {
	t.Helper()
	cmd := &cobra.Command{Use: "salt-thing [options] FILE", Short: "does a thing.", Long: "Does it.\n'and more\n.so /etc/passwd\n\n  a  table\n  of  two\n\nThe end."}
	f := cmd.Flags()
	f.StringP("out", "o", "", "where `file` goes,\non two lines")
	f.Bool("quiet", false, "no output")
	f.String("secret-switch", "", "not for users")
	if err := f.MarkHidden("secret-switch"); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	err := WriteCommand(&b, Page{
		Name: "salt-thing", Command: cmd, Source: "saltern 1.2.3", Commands: []Entry{{"go", "goes"}}, Exit: []Entry{{"0", "well"}},
		Signals: []Entry{{"SIGHUP", "reads again"}}, Files: []Entry{{"/etc/salt/thing", "its file"}}, SeeAlso: []string{"salt-master(1)", "salt(1)"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestWriteCommand(t *testing.T) {
	text := page(t)
	var sections []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, ".SH "); ok {
			sections = append(sections, name)
		}
		if strings.HasPrefix(line, ".so") || strings.HasPrefix(line, "'") {
			t.Errorf("text became a request: %s", line)
		}
	}
	want := []string{"NAME", "SYNOPSIS", "DESCRIPTION", "COMMANDS", "OPTIONS", "SIGNALS", "EXIT STATUS", "FILES", "SEE ALSO"}
	if !slices.Equal(sections, want) {
		t.Errorf("sections %q, want %q", sections, want)
	}
	for _, part := range []string{
		`salt\-thing \- does a thing` + "\n", `\fBsalt\-thing [options] FILE\fR`, `\fB\-o\fR, \fB\-\-out\fR=\fIFILE\fR` + "\nwhere file goes, on two lines\n",
		".nf\n  a  table\n  of  two\n", `\&.so /etc/passwd`, ".BR salt\\-master (1),\n.BR salt (1)\n",
	} {
		if !strings.Contains(text, part) {
			t.Errorf("the page lacks %q:\n%s", part, text)
		}
	}
	if strings.Contains(text, "secret") {
		t.Error("a hidden option is on the page")
	}
}

func TestWriteOptions_all(t *testing.T) {
	var b strings.Builder
	if err := WriteOptions(&b, "saltern 1.2.3"); err != nil {
		t.Fatal(err)
	}
	items := map[string]bool{}
	for line := range strings.Lines(b.String()) {
		if name, _, ok := strings.Cut(strings.TrimPrefix(line, `\fB`), `\fR (`); ok {
			items[strings.NewReplacer(`\-`, "-", `\&`, "").Replace(name)] = true
		}
	}
	for _, o := range config.Options() {
		if !items[o.Name] {
			t.Errorf("option %s has no entry", o.Name)
		}
	}
}

// groff, where it is installed, has nothing to warn of.
func TestPages_format(t *testing.T) {
	groff, err := exec.LookPath("groff")
	if err != nil {
		t.Skip("no groff here")
	}
	var options strings.Builder
	if err := WriteOptions(&options, "saltern 1.2.3"); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"command": page(t), "options": options.String()} {
		cmd := exec.CommandContext(t.Context(), groff, "-man", "-Tutf8", "-ww", "-z")
		cmd.Stdin = strings.NewReader(text)
		if said, err := cmd.CombinedOutput(); err != nil || len(said) > 0 {
			t.Errorf("%s: %v\n%s", name, err, said)
		}
	}
}
