package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/saltern-io/saltern/internal/cliargs"
	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/status"
)

// Exit statuses of saltern status; 0 says that all is well.
const (
	exitNoStatus = 1 // a daemon does not run, or cannot be asked
	exitDegraded = 2
)

// statusOptions are the options of saltern status.
type statusOptions struct {
	configDir string
	json      bool
	contacts  bool
	watch     float64 // seconds
}

// statusTarget is one daemon that may be asked.
type statusTarget struct {
	word, program string
	socket        string
	wanted        bool // it is an error when it does not run
	there         bool // its socket is
}

// newStatusCommand returns "saltern status": what the running daemons of this host say about themselves.
func newStatusCommand() *cobra.Command {
	var o statusOptions
	cmd := &cobra.Command{
		Use:   "status [options] [master|syndic|broker|relay]",
		Short: "show queues, links and counters of the running daemons",
		Long: "Asks the daemons of this host over their sockets in sock_dir and prints every queue, every link and\n" +
			"whether the counters balance. Exit status: 0 all well, 1 not running or not to be asked, 2 degraded.\n" +
			"Without a name every daemon is asked that runs or, as far as the configuration tells, should run.",
		DisableFlagsInUseLine: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 || len(args) == 1 && !slices.Contains([]string{"master", "syndic", "broker", "relay"}, args[0]) {
				return cliargs.Usagef("the only argument is master, syndic, broker or relay")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	fs := cmd.Flags()
	fs.StringVarP(&o.configDir, "config-dir", "c", "", "directory of the configuration (default /etc/salt)")
	fs.BoolVar(&o.json, "json", false, "print one JSON object per round, by daemon")
	fs.BoolVar(&o.contacts, "contacts", false, "print when the broker last heard of each minion, instead of everything else")
	fs.Float64Var(&o.watch, "watch", 0, "print again every so many seconds, until interrupted")
	return cmd
}

func (o *statusOptions) run(cmd *cobra.Command, args []string) error {
	every := time.Duration(o.watch * float64(time.Second))
	if cmd.Flags().Changed("watch") && (every < 100*time.Millisecond || every > 24*time.Hour) {
		return cliargs.Usagef("option --watch: between 0.1 seconds and a day")
	}
	cfg, _, err := config.LoadClient(config.LoadOptions{ConfigDir: o.configDir})
	if err != nil {
		return &cliargs.ExitError{Code: exitNoStatus, Text: err.Error()}
	}
	if o.contacts {
		return o.showContacts(cmd)
	}
	daemons, err := daemonsOf(cfg, o.configDir, args)
	if err != nil {
		return &cliargs.ExitError{Code: exitNoStatus, Text: err.Error()}
	}
	ctx := cmd.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	round := func() (int, error) { return o.round(ctx, cmd.OutOrStdout(), daemons) }
	code, err := round()
	if err != nil || every == 0 {
		return errors.Join(err, cliargs.Exit(code))
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return cliargs.Exit(code)
		case <-ticker.C:
		}
		last := code
		if code, err = round(); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return cliargs.Exit(last) // the last round was cut short
		}
	}
}

// daemonsOf tells whom to ask. A syndic is wanted where syndic_master is set, a broker where the broker file names a
// master; a master everywhere, but for a host where another daemon of ours stands: beside a stock master, which has
// no status socket, or without any.
func daemonsOf(cfg *config.Master, configDir string, args []string) ([]statusTarget, error) {
	b, err := brokerTarget(configDir)
	if err != nil {
		return nil, err
	}
	all := []statusTarget{
		{word: "master", program: "salt-master", socket: filepath.Join(cfg.SockDir, status.MasterSocket)},
		{word: "syndic", program: "salt-syndic", socket: filepath.Join(cfg.SockDir, status.SyndicSocket), wanted: cfg.Raw.Has("syndic_master")},
		b,
		relayTarget(configDir),
	}
	if len(args) == 1 {
		all = slices.DeleteFunc(all, func(d statusTarget) bool { return d.word != args[0] })
		all[0].wanted = true
		return all, nil
	}
	for i, d := range all {
		_, err := os.Lstat(d.socket)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("look for %s: %w", d.program, err)
		}
		all[i].there = err == nil
		all[i].wanted = d.wanted || err == nil
	}
	syndic, broker, relay := all[1], all[2], all[3]
	all[0].wanted = all[0].there || !syndic.there && !broker.wanted && !relay.wanted
	return slices.DeleteFunc(all, func(d statusTarget) bool { return !d.wanted }), nil
}

// answer is what one daemon said; Error says why it said nothing.
type answer struct {
	Error  string         `json:"error,omitempty"`
	Report *status.Report `json:"report,omitempty"`
}

// round asks every daemon once, prints, and returns the exit status.
func (o *statusOptions) round(ctx context.Context, w io.Writer, daemons []statusTarget) (int, error) {
	code := cliargs.ExitOK
	answers := map[string]answer{}
	for _, d := range daemons {
		r, err := status.NewClient(d.socket).Report(ctx)
		switch {
		case err != nil:
			answers[d.program] = answer{Error: err.Error()}
			code = exitNoStatus
		default:
			answers[d.program] = answer{Report: &r}
			if len(r.Problems) > 0 && code == cliargs.ExitOK {
				code = exitDegraded
			}
		}
	}
	if o.json {
		return code, json.NewEncoder(w).Encode(answers)
	}
	if o.watch > 0 && isTerminal(w) {
		if _, err := io.WriteString(w, "\x1b[H\x1b[2J"); err != nil { // home, clear
			return code, err
		}
	}
	for i, d := range daemons {
		if i > 0 {
			if _, err := io.WriteString(w, "\n"); err != nil {
				return code, err
			}
		}
		var err error
		if a := answers[d.program]; a.Report != nil {
			err = a.Report.WriteText(w)
		} else {
			_, err = fmt.Fprintf(w, "%s: %s\n", d.program, a.Error)
		}
		if err != nil {
			return code, err
		}
	}
	return code, nil
}
