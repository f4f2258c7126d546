package saltkey

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/saltern-io/saltern/internal/cliargs"
	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/logfmt"
	"github.com/saltern-io/saltern/internal/version"
	"github.com/saltern-io/saltern/pki"
)

// Bounds of --keysize (spec: key-management-cli §3).
const minKeySize, maxKeySize = 2048, 32768

// NewCommand returns salt-key. Runtime outcomes exit 0 as in stock Salt unless --strict-exit is given,
// faults of the command line 64, an unreadable configuration 1.
func NewCommand() *cobra.Command { return newCommand(OpenEvents) }

// newCommand is NewCommand with another way to tell the master.
func newCommand(events func(*config.Master) Events) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:                   "salt-key [options]",
		Short:                 "Manage the keys of minions",
		DisableFlagsInUseLine: true,
		Args:                  cobra.ArbitraryArgs, // ignored as in stock, but for -D
		RunE:                  func(cmd *cobra.Command, args []string) error { return o.run(cmd, args, events) },
	}
	o.register(cmd)
	return cmd
}

func (o *options) run(cmd *cobra.Command, args []string, events func(*config.Master) Events) error {
	switch {
	case o.showVersion:
		fmt.Fprintf(cmd.OutOrStdout(), "salt-key %s\n", version.String())
		return nil
	case o.showVersionsReport:
		fmt.Fprintf(cmd.OutOrStdout(), "Salt Version:\n          Salt: saltern %s\n\nDependency Versions:\n        Golang: %s\n\nSystem Versions:\n        system: %s\n       machine: %s\n",
			version.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		return nil
	}
	if err := cliargs.ApplySaltfile(cmd.Flags(), "salt-key"); err != nil {
		return err
	}
	if err := o.check(cmd); err != nil {
		return err
	}
	act, err := o.action(cmd)
	if err != nil {
		return err
	}
	t, err := o.tool(cmd, events)
	if err != nil {
		return err
	}
	if t.unable {
		return t.exit(nil)
	}
	defer t.close()
	if o.removeAll && len(args) > 0 {
		//lint:ignore ST1005 the text is stock's
		return t.exit(errors.New("Delete all takes no arguments. Use -d to delete specified keys"))
	}
	if o.eauth != "" {
		return t.exit(t.overWheel(act))
	}
	return t.exit(act(t, t))
}

// actions are stock's actions, on the files of this host (tool) or by a running master (remote).
type actions interface {
	makeKeys() error
	makeSignature() error
	listKeys(states []pki.State) error // nil: all
	printKeys(pattern string) error
	acceptKeys(pattern string) error
	rejectKeys(pattern string) error
	deleteKeys(pattern string) error
	fingerKeys(pattern string) error
}

// action is one run's work: stock's are done by the second argument, our own by the first.
type action func(*tool, actions) error

// check finds faults of the command line that need no configuration.
func (o *options) check(cmd *cobra.Command) error {
	f := cmd.Flags()
	if f.Changed("keysize") {
		if o.keySize < minKeySize {
			return cliargs.Usagef("The minimum value for keysize is %d", minKeySize)
		}
		if o.keySize > maxKeySize {
			return cliargs.Usagef("The maximum value for keysize is %d", maxKeySize)
		}
	}
	if err := o.checkWheel(f); err != nil {
		return err
	}
	for name, level := range map[string]string{"log-level": o.logLevel, "log-file-level": o.logFileLevel} {
		if !f.Changed(name) {
			continue
		}
		if _, err := logfmt.ParseLevel(level); err != nil {
			return cliargs.Usagef("option --%s: invalid choice: '%s' (choose from '%s')", name, level, strings.Join(logfmt.LevelNames(), "', '"))
		}
	}
	if o.compat != "" {
		if _, err := dialectOf(o.compat); err != nil {
			return cliargs.Usagef("option --compat: %v", err)
		}
	}
	if _, err := parseStates(o.states); err != nil {
		return cliargs.Usagef("option --state: %v", err)
	}
	if o.olderThan < 0 || o.newerThan < 0 {
		return cliargs.Usagef("--older-than and --newer-than take times above 0")
	}
	return nil
}

// action picks what to do: of several actions the first in stock's order wins (spec:
// key-management-cli §3). Stock's own actions given beside one of ours are a fault, because nobody can
// have meant that.
func (o *options) action(cmd *cobra.Command) (action, error) {
	stock, err := o.stockAction(cmd)
	if err != nil {
		return nil, err
	}
	var ours []func(*tool) error
	for _, own := range []struct {
		given bool
		act   func(*tool) error
	}{
		{o.verifySignature, (*tool).verifySignature},
		{o.acceptFrom != "", (*tool).acceptFromFile},
		{o.watch, (*tool).watchKeys},
	} {
		if own.given {
			ours = append(ours, own.act)
		}
	}
	listing := stock == nil || o.list != "" || o.listAll
	switch {
	case len(ours) > 1, len(ours) == 1 && stock != nil && (!o.watch || !listing):
		return nil, cliargs.Usagef("--accept-from, --watch and --verify-signature cannot be combined with other actions")
	case len(ours) == 1:
		return func(t *tool, _ actions) error { return ours[0](t) }, nil
	case stock == nil:
		return func(_ *tool, a actions) error { return a.listKeys(nil) }, nil
	}
	return stock, nil
}

// stockAction is the action of stock's options, nil without one.
func (o *options) stockAction(cmd *cobra.Command) (action, error) {
	given := func(pattern string, all bool) string {
		if pattern == "" && all {
			return "*"
		}
		return pattern
	}
	states, ok := listStates(o.list)
	if cmd.Flags().Changed("list") && !ok {
		return nil, cliargs.Usagef("'%s' is not a valid argument to '--list'", o.list)
	}
	switch {
	case o.genKeys != "":
		return func(_ *tool, a actions) error { return a.makeKeys() }, nil
	case o.genSignature:
		return func(_ *tool, a actions) error { return a.makeSignature() }, nil
	case cmd.Flags().Changed("list"):
		return func(_ *tool, a actions) error { return a.listKeys(states) }, nil
	case o.listAll:
		return func(_ *tool, a actions) error { return a.listKeys(nil) }, nil
	}
	for _, m := range []struct {
		pattern string
		act     func(actions, string) error
	}{
		{given(o.print, o.printAll), actions.printKeys},
		{given(o.accept, o.acceptAll), actions.acceptKeys},
		{given(o.reject, o.rejectAll), actions.rejectKeys},
		{given(o.remove, o.removeAll), actions.deleteKeys},
		{given(o.finger, o.fingerAll), actions.fingerKeys},
	} {
		if m.pattern != "" {
			return func(_ *tool, a actions) error { return m.act(a, m.pattern) }, nil
		}
	}
	return nil, nil
}

var stateWords = []struct {
	prefix string
	state  pki.State
}{{"acc", pki.Accepted}, {"pre", pki.Pending}, {"un", pki.Pending}, {"rej", pki.Rejected}, {"den", pki.Denied}}

// listStates reads the argument of --list: only its beginning counts. nil with true is every state.
func listStates(arg string) ([]pki.State, bool) {
	if strings.HasPrefix(arg, "all") {
		return nil, true
	}
	for _, w := range stateWords {
		if strings.HasPrefix(arg, w.prefix) {
			return []pki.State{w.state}, true
		}
	}
	return nil, false
}

// parseStates reads the argument of --state; nil means every state.
func parseStates(arg string) (map[pki.State]bool, error) {
	if arg == "" {
		return nil, nil
	}
	chosen := map[pki.State]bool{}
	for word := range strings.SplitSeq(arg, ",") {
		states, ok := listStates(strings.TrimSpace(word))
		if !ok {
			return nil, fmt.Errorf("'%.40s' is not a state: acc, pre or un, rej, den", word)
		}
		if states == nil {
			return nil, nil
		}
		chosen[states[0]] = true
	}
	return chosen, nil
}

// configDirWarning says that the directory of -c is not there, in stock's words.
func (o *options) configDirWarning() string {
	if o.configDir == "" {
		return ""
	}
	if info, err := os.Stat(o.configDir); err == nil && info.IsDir() {
		return ""
	}
	return fmt.Sprintf("WARNING: CONFIG '%s' directory does not exist.\n", o.configDir)
}
