package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/saltern-io/saltern/internal/client"
	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/output"
	"github.com/saltern-io/saltern/internal/wire"
)

// showMark says whether what is shown is a failure, which the nested form colours.
type showMark bool

const (
	showGood   showMark = false
	showFailed showMark = true
)

// saltPrinter writes returns in the form asked for.
type saltPrinter struct {
	to     io.Writer
	file   *os.File // --out-file, else nil
	stderr io.Writer
	forced string // --out
	static string // function of a --static run
	opts   output.Options
}

func newSaltPrinter(o *saltOptions, fs *pflag.FlagSet, cfg *config.Master, static string, stdout, stderr io.Writer) (*saltPrinter, error) {
	p := &saltPrinter{to: stdout, stderr: stderr, forced: cmp.Or(o.out, cfg.Output), static: static}
	p.opts.State = output.StateOptions{
		Output:        cmp.Or(o.stateOutput, cfg.StateOutput),
		HideUnchanged: !cfg.StateVerbose, OnlyDiff: cfg.StateOutputDiff || o.outputDiff,
		HideProfile: !cfg.StateOutputProfile,
		Percent:     rawTrue(cfg, "state_output_pct"), Tabular: rawTrue(cfg, "state_tabular"),
	}
	if o.stateVerbose != "" {
		p.opts.State.HideUnchanged = strings.EqualFold(o.stateVerbose, "false")
	}
	if fs.Changed("out-indent") || fs.Changed("output-indent") {
		p.opts.Indent = &o.outIndent
	} else if text, ok := cfg.Raw.Get("output_indent").Text(); ok {
		p.opts.Pretty = text == "pretty"
		if n, err := strconv.Atoi(text); err == nil {
			p.opts.Indent = &n
		}
	}
	p.opts.Color = o.forceColor || !o.noColor && cfg.Color && isTerminal(stdout)
	if o.outFile != "" {
		flags := os.O_CREATE | os.O_WRONLY | os.O_TRUNC
		if o.outAppend {
			flags = os.O_CREATE | os.O_WRONLY | os.O_APPEND
		}
		f, err := os.OpenFile(o.outFile, flags, 0o644)
		if err != nil {
			return nil, fmt.Errorf("output file: %w", err)
		}
		p.file, p.to = f, f
	}
	return p, nil
}

func rawTrue(cfg *config.Master, option string) bool {
	v := cfg.Raw.Get(option)
	return v != nil && v.Data == true
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func (p *saltPrinter) close() error {
	if p.file == nil {
		return nil
	}
	return p.file.Close()
}

// result prints one minion's return.
func (p *saltPrinter) result(r client.Result) error {
	return p.show(wire.NewMap(r.ID, r.Return), r.Out, showMark(r.Failed()))
}

// show prints data in the form asked for on the command line, else in that the minion asks for.
// --out=highstate does not change what a minion asks for (spec: local-client-and-salt-cli §8).
func (p *saltPrinter) show(data any, out string, mark showMark) error {
	if p.forced != "" && p.forced != "highstate" {
		out = p.forced
	}
	if out == "" && strings.HasPrefix(p.static, "state.") {
		out = "highstate"
	}
	opts := p.opts
	opts.Failed = bool(mark)
	err := output.Format(p.to, out, data, opts)
	if errors.Is(err, output.ErrUnknown) {
		if out != "grains" { // what very old minions ask for
			fmt.Fprintf(p.stderr, "[ERROR   ] Invalid outputter %s specified, fall back to nested\n", out)
		}
		err = output.Format(p.to, "nested", data, opts)
	}
	return err
}

func dashes(n int) string { return strings.Repeat("-", n) }

// summary counts who returned and how (spec: local-client-and-salt-cli §8.4).
func (r *saltRun) summary(all []client.Result) {
	var unconnected, silent, failed []string
	for _, res := range all {
		text, _ := res.Return.(string)
		switch {
		case res.Silent && strings.HasPrefix(text, client.TextNotConnected):
			unconnected = append(unconnected, res.ID)
		case res.Silent:
			silent = append(silent, res.ID)
		case res.Failed():
			failed = append(failed, res.ID)
		}
	}
	lost := len(unconnected) + len(silent)
	line := dashes(43)
	fmt.Fprintf(r.stdout, "\n\n%s\nSummary\n%s\n", line, line)
	fmt.Fprintf(r.stdout, "# of minions targeted: %d\n# of minions returned: %d\n", len(all), len(all)-lost)
	fmt.Fprintf(r.stdout, "# of minions that did not return: %d\n# of minions with errors: %d\n", lost, len(failed))
	if r.opts.verbose {
		list := func(label string, ids []string) {
			if len(ids) > 0 {
				fmt.Fprintf(r.stdout, "%s: %s\n", label, strings.Join(ids, " "))
			}
		}
		list("Minions not connected", unconnected)
		list("Minions not responding", silent)
		list("Minions with failures", failed)
	}
	fmt.Fprintln(r.stdout, line)
}

// printDocs merges what the minions say about functions and prints each once.
func (r *saltRun) printDocs(all []client.Result) error {
	docs := map[string]string{}
	for _, res := range all {
		m, ok := res.Return.(*wire.Map)
		if !ok {
			if res.Silent {
				continue
			}
			if err := r.print.result(res); err != nil {
				return err
			}
			continue
		}
		for k, v := range m.All() {
			name, _ := k.(string)
			text, _ := v.(string)
			if docs[name] == "" {
				docs[name] = text
			}
		}
	}
	names := make([]string, 0, len(docs))
	for name, text := range docs {
		if text != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if r.opts.out != "" {
			if err := r.print.show(wire.NewMap(name, docs[name]), "", showGood); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(r.print.to, "%s:\n%s\n\n", name, docs[name])
	}
	return nil
}
