package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/saltern-io/saltern/internal/cliargs"
	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/lifecycle"
	"github.com/saltern-io/saltern/internal/output"
	"github.com/saltern-io/saltern/internal/version"
	"github.com/saltern-io/saltern/pki"
)

// keyOptions are the options of salt-key (spec: key-management-cli §3).
type keyOptions struct {
	events func(*keyTool) keyEvents

	list                            string
	accept, reject, remove          string
	print, finger                   string
	listAll, acceptAll, rejectAll   bool
	removeAll, printAll, fingerAll  bool
	includeAll, includeAccepted     bool
	includeRejected, includeDenied  bool
	yes, quiet, force               bool
	rotate, preserve                string
	configDir, user                 string
	out, outFile, outIndent         string
	outAppend, noColor, forceColor  bool
	logLevel, logFile, logFileLevel string
	showVersion, showVersionsReport bool
	hardCrash                       bool
}

// newKeyCommand returns "saltern key", which is salt-key: list, accept, reject, delete, print and
// fingerprint minion keys. It works on the files below pki_dir, with or without a running master; the
// master only hears an event. Runtime outcomes exit 0 as in stock Salt, faults of the command line 64, an
// unreadable configuration 1.
func newKeyCommand() *cobra.Command { return newKeyCommandWith(newKeyEvents) }

// newKeyCommandWith is newKeyCommand with another way to tell the master.
func newKeyCommandWith(events func(*keyTool) keyEvents) *cobra.Command {
	o := keyOptions{events: events}
	cmd := &cobra.Command{
		Use:                   "salt-key [options]",
		Short:                 "Manage the keys of minions",
		DisableFlagsInUseLine: true,
		Args:                  cobra.ArbitraryArgs, // ignored as in stock, but for -D
		RunE:                  func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	o.actionFlags(cmd)
	o.commonFlags(cmd)
	return cmd
}

func (o *keyOptions) actionFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVarP(&o.list, "list", "l", "", "list keys of a state: acc, pre or un, rej, den, all")
	f.BoolVarP(&o.listAll, "list-all", "L", false, "list all keys")
	f.StringVarP(&o.accept, "accept", "a", "", "accept pending keys that match")
	f.BoolVarP(&o.acceptAll, "accept-all", "A", false, "accept all pending keys")
	f.StringVarP(&o.reject, "reject", "r", "", "reject pending keys that match")
	f.BoolVarP(&o.rejectAll, "reject-all", "R", false, "reject all pending keys")
	f.BoolVar(&o.includeAll, "include-all", false, "accept rejected, or reject accepted keys as well")
	f.BoolVar(&o.includeAccepted, "include-accepted", false, "reject accepted keys as well")
	f.BoolVar(&o.includeRejected, "include-rejected", false, "accept rejected keys as well")
	f.BoolVar(&o.includeDenied, "include-denied", false, "accept or reject denied keys as well")
	f.StringVarP(&o.print, "print", "p", "", "print public keys that match")
	f.BoolVarP(&o.printAll, "print-all", "P", false, "print all public keys")
	f.StringVarP(&o.remove, "delete", "d", "", "delete keys that match, in every state")
	f.BoolVarP(&o.removeAll, "delete-all", "D", false, "delete all keys")
	f.StringVarP(&o.finger, "finger", "f", "", "print fingerprints of keys that match")
	f.BoolVarP(&o.fingerAll, "finger-all", "F", false, "print all fingerprints")
	f.BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "do not print errors")
	f.BoolVar(&o.force, "force", false, "let a denied key replace an accepted one")
	f.StringVar(&o.rotate, "rotate-aes-key", "", "whether deleting or rejecting makes the master take a new AES key (default True)")
	f.StringVar(&o.preserve, "preserve-minions", "", "whether deleting keeps the cached data of accepted minions (default False)")
}

func (o *keyOptions) commonFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVarP(&o.configDir, "config-dir", "c", "", "configuration directory")
	f.StringVarP(&o.user, "user", "u", "", "account to work as")
	f.StringVar(&o.out, "out", "", "outputter: key, json, yaml, nested, txt, raw, pprint, quiet …")
	cliargs.Alias(f, "out", "output")
	f.StringVar(&o.outIndent, "out-indent", "", "spaces per level")
	cliargs.Alias(f, "out-indent", "output-indent")
	f.StringVar(&o.outFile, "out-file", "", "write the keys to this file")
	cliargs.Alias(f, "out-file", "output-file")
	f.BoolVar(&o.outAppend, "out-file-append", false, "append to the file")
	cliargs.Alias(f, "out-file-append", "output-file-append")
	f.BoolVar(&o.noColor, "no-color", false, "no colours")
	cliargs.Alias(f, "no-color", "no-colour")
	f.BoolVar(&o.forceColor, "force-color", false, "colours even when stdout is no terminal")
	cliargs.Alias(f, "force-color", "force-colour")
	f.StringVar(&o.logLevel, "log-level", "", "quiet silences error lines")
	f.StringVar(&o.logFile, "log-file", "", "accepted; salt-key writes no log file here")
	f.StringVar(&o.logFileLevel, "log-file-level", "", "accepted; see --log-file")
	f.BoolVar(&o.hardCrash, "hard-crash", false, "exit with 1 where an error otherwise ends with 0")
	f.BoolVar(&o.showVersion, "version", false, "print the version")
	f.BoolVarP(&o.showVersionsReport, "versions-report", "V", false, "print the version")
}

func (o *keyOptions) run(cmd *cobra.Command, args []string) error {
	if o.showVersion || o.showVersionsReport {
		fmt.Fprintf(cmd.OutOrStdout(), "salt-key %s\n", version.String())
		return nil
	}
	action, err := o.action(cmd)
	if err != nil {
		return err
	}
	tool, err := o.tool(cmd)
	if err != nil || tool == nil {
		return err
	}
	defer tool.events.close()
	if o.removeAll && len(args) > 0 {
		//lint:ignore ST1005 the text is stock's
		err = errors.New("Delete all takes no arguments. Use -d to delete specified keys")
	} else {
		err = action(tool)
	}
	return o.outcome(cmd, err)
}

// outcome prints an error of the action; the exit status stays 0, on which provisioning scripts rely.
func (o *keyOptions) outcome(cmd *cobra.Command, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errKeyInterrupted):
		fmt.Fprint(cmd.ErrOrStderr(), "\nExiting gracefully on Ctrl-c\n")
		return nil
	case !o.quiet:
		fmt.Fprintf(cmd.ErrOrStderr(), "Error: %v\n", err)
	}
	if o.hardCrash {
		return cliargs.Exit(cliargs.ExitGeneric)
	}
	return nil
}

// action picks what to do: of several actions the first in stock's order wins.
func (o *keyOptions) action(cmd *cobra.Command) (func(*keyTool) error, error) {
	if cmd.Flags().Changed("list") {
		states, ok := keyListStates(o.list)
		if !ok {
			return nil, cliargs.Usagef("'%s' is not a valid argument to '--list'", o.list)
		}
		return func(t *keyTool) error { return t.listKeys(states) }, nil
	}
	given := func(name string, all bool, pattern string) (string, bool) {
		if all && !cmd.Flags().Changed(name) {
			return "*", true
		}
		return pattern, cmd.Flags().Changed(name)
	}
	if !o.listAll {
		if p, ok := given("print", o.printAll, o.print); ok {
			return func(t *keyTool) error { return t.printKeys(p) }, nil
		}
		if p, ok := given("accept", o.acceptAll, o.accept); ok {
			return func(t *keyTool) error { return t.acceptKeys(p, o) }, nil
		}
		if p, ok := given("reject", o.rejectAll, o.reject); ok {
			return func(t *keyTool) error { return t.rejectKeys(p, o) }, nil
		}
		if p, ok := given("delete", o.removeAll, o.remove); ok {
			return func(t *keyTool) error { return t.deleteKeys(p, o) }, nil
		}
		if p, ok := given("finger", o.fingerAll, o.finger); ok {
			return func(t *keyTool) error { return t.fingerKeys(p) }, nil
		}
	}
	return func(t *keyTool) error { return t.listKeys(keyStates) }, nil
}

// keyListStates reads the argument of --list: only its beginning counts.
func keyListStates(arg string) ([]pki.State, bool) {
	for _, s := range []struct {
		prefix string
		states []pki.State
	}{
		{"acc", []pki.State{pki.Accepted}},
		{"pre", []pki.State{pki.Pending}},
		{"un", []pki.State{pki.Pending}},
		{"rej", []pki.State{pki.Rejected}},
		{"den", []pki.State{pki.Denied}},
		{"all", keyStates},
	} {
		if strings.HasPrefix(arg, s.prefix) {
			return s.states, true
		}
	}
	return nil, false
}

// tool reads the configuration, becomes the configured account and opens the store. A nil tool without an
// error means that there is nothing to do but exit 0.
func (o *keyOptions) tool(cmd *cobra.Command) (*keyTool, error) {
	stderr := cmd.ErrOrStderr()
	overrides := map[string]any{}
	if o.user != "" {
		overrides["user"] = o.user
	}
	if o.configDir != "" {
		if info, err := os.Stat(o.configDir); err != nil || !info.IsDir() {
			fmt.Fprintf(stderr, "WARNING: CONFIG '%s' directory does not exist.\n", o.configDir)
		}
	}
	cfg, _, err := config.LoadClient(config.LoadOptions{ConfigDir: o.configDir, Overrides: overrides})
	if err != nil {
		return nil, &cliargs.ExitError{Code: cliargs.ExitGeneric, Text: err.Error()}
	}
	account, err := lifecycle.LookupAccount(cfg.User)
	if err == nil {
		err = lifecycle.DropPrivileges(account)
	}
	if err != nil {
		fmt.Fprintf(stderr, "[CRITICAL] Salt configured to run as user \"%s\" but unable to switch.\n", cfg.User)
		return nil, nil
	}
	store, err := pki.OpenDirStore(cfg.PKIDir, pki.DirOptions{})
	if err != nil {
		return nil, o.outcome(cmd, err)
	}
	t := &keyTool{
		ctx: cmd.Context(), cfg: cfg, store: store,
		stdin: cmd.InOrStdin(), stdout: cmd.OutOrStdout(), stderr: stderr,
		out: o.out, outFile: o.outFile, outAppend: o.outAppend, yes: o.yes, silent: o.logLevel == "quiet",
		sessions: filepath.Join(cfg.CacheDir, "sessions"),
	}
	if t.ctx == nil {
		t.ctx = context.Background()
	}
	t.events = o.events(t)
	t.outOptions, err = o.outputOptions(cmd)
	return t, err
}

func (o *keyOptions) outputOptions(cmd *cobra.Command) (output.Options, error) {
	var opts output.Options
	if f, ok := cmd.OutOrStdout().(*os.File); ok {
		opts.Color = term.IsTerminal(int(f.Fd()))
	}
	opts.Color = opts.Color && !o.noColor || o.forceColor
	switch o.outIndent {
	case "":
	case "pretty":
		opts.Pretty = true
	default:
		var n int
		if _, err := fmt.Sscanf(o.outIndent, "%d", &n); err != nil {
			return opts, cliargs.Usagef("option --out-indent: invalid integer value: '%s'", o.outIndent)
		}
		opts.Indent = &n
	}
	return opts, nil
}
