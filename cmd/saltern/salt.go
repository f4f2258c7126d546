package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/saltern-io/saltern/internal/cliargs"
	"github.com/saltern-io/saltern/internal/client"
	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/version"
	"github.com/saltern-io/saltern/internal/wire"
)

// Exit statuses of salt (spec: local-client-and-salt-cli §7).
const (
	saltExitFailed   = 1  // a minion failed, or did not return
	saltExitNothing  = 2  // nobody matched
	saltExitArgs     = 42 // target or function is missing
	saltExitRefused  = 1  // only with --strict-exit; stock says 0
	saltTextNoMatch  = "No minions matched the target. No command was sent, no jid was assigned."
	saltTextDown     = "The salt master could not be contacted. Is master running?"
	saltTextNoReturn = "ERROR: No return received"
	saltTextFailed   = "ERROR: Minions returned with non-zero exit code"
	saltTextKey      = "Failed to authenticate! This is most likely because this user is not permitted to execute " +
		"commands, but there is a small possibility that a disk error occurred (check disk/inode usage)."
	saltTextTimeout = "Salt request timed out. The master is not responding. You may need to run your command with " +
		"`--async` in order to bypass the congested event bus. With `--async`, the CLI tool will print the job id " +
		"(jid) and exit immediately without listening for responses. You can then use `salt-run jobs.lookup_jid` to " +
		"look up the results of the job in the job cache later."
)

// newSaltCommand is the command salt: publish a job, show what comes back.
func newSaltCommand() *cobra.Command {
	o := &saltOptions{}
	cmd := &cobra.Command{
		Use:                   "salt [options] '<target>' <function> [arguments]",
		Short:                 "Run a function on minions",
		DisableFlagsInUseLine: true,
		Args:                  cobra.ArbitraryArgs,
		Version:               version.Version,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			if ctx == nil {
				ctx = context.Background()
			}
			ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
			defer stop()
			return runSalt(ctx, cmd, o, args)
		},
	}
	cmd.SetVersionTemplate("{{.Name}} {{.Version}} (saltern)\n")
	o.register(cmd.Flags())
	return cmd
}

// saltRun is one call of the command.
type saltRun struct {
	opts   *saltOptions
	cfg    *config.Master
	client *client.Client
	call   saltCall
	print  *saltPrinter
	stdout io.Writer
	stderr io.Writer
	jid    string // of the job under way, for the text at an interrupt

	tokenFile string // whose token goes into requests; "" when none does
}

func runSalt(ctx context.Context, cmd *cobra.Command, o *saltOptions, args []string) (err error) {
	if err := cliargs.ApplySaltfile(cmd.Flags(), "salt"); err != nil {
		return err
	}
	if text := o.missing(args); text != "" {
		fmt.Fprint(cmd.OutOrStdout(), cmd.UsageString())
		return &cliargs.ExitError{Code: saltExitArgs, Text: text}
	}
	r := &saltRun{opts: o, stdout: cmd.OutOrStdout(), stderr: cmd.ErrOrStderr()}
	if r.cfg, err = r.configure(cmd); err != nil {
		return err
	}
	if err := configuredEauth(cmd.Flags(), r.cfg); err != nil {
		return err
	}
	if r.call, err = o.parseCall(args, r.cfg); err != nil {
		return r.explain(err)
	}
	if r.print, err = newSaltPrinter(o, cmd.Flags(), r.cfg, r.call.static(), r.stdout, r.stderr); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.print.close()) }()
	if o.previewTarget {
		return r.explain(r.preview())
	}
	account := client.CurrentAccount()
	settings := client.FromMaster(r.cfg, client.Identify(account, r.cfg.User), slog.New(slog.DiscardHandler))
	if r.client, err = client.New(settings); err != nil {
		return &cliargs.ExitError{Code: cliargs.ExitGeneric, Text: err.Error()}
	}
	defer func() { err = errors.Join(err, r.client.Close()) }()
	return r.explain(r.dispatch(ctx))
}

// configure reads the master's configuration with the command line's times over it.
func (r *saltRun) configure(cmd *cobra.Command) (*config.Master, error) {
	over := map[string]any{}
	if cmd.Flags().Changed("timeout") {
		over["timeout"] = r.opts.timeout
	}
	if dir := r.opts.configDir; dir != "" {
		if _, err := os.Stat(dir); err != nil {
			fmt.Fprintf(r.stderr, "WARNING: CONFIG '%s' directory does not exist.\n", dir)
		}
	}
	cfg, _, err := config.LoadClient(config.LoadOptions{ConfigDir: r.opts.configDir, Overrides: over})
	if err != nil {
		return nil, &cliargs.ExitError{Code: cliargs.ExitGeneric, Text: err.Error()}
	}
	return cfg, nil
}

func (r *saltRun) dispatch(ctx context.Context) error {
	if err := r.safeLimit(); err != nil {
		return err
	}
	if err := r.signIn(ctx); err != nil {
		return err
	}
	switch {
	case r.opts.async:
		return r.runAsync(ctx)
	case r.batched():
		return r.runBatch(ctx)
	case r.opts.subset > 0:
		return r.runSubset(ctx)
	}
	return r.runPlain(ctx)
}

// batched reports whether the call is a batch, which it is with --static as well.
func (r *saltRun) batched() bool {
	return !r.opts.async && (r.opts.batch != "" || r.opts.static)
}

// explain says on stdout, as stock does, why a job was not accepted. Stock then exits with 0;
// --strict-exit asks for a better answer.
func (r *saltRun) explain(err error) error {
	var refused *client.RefusedError
	var said *saltSaid
	text := ""
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled):
		return r.interrupted()
	case errors.As(err, &said):
		text = said.text
	case errors.Is(err, client.ErrMasterDown):
		text = saltTextDown
	case errors.Is(err, client.ErrNoAnswer):
		text = saltTextTimeout
	case errors.Is(err, client.ErrKey):
		text = saltTextKey
	case errors.As(err, &refused):
		text = refused.Message
		defer r.tokenHint(refused)
	default:
		return err
	}
	fmt.Fprintln(r.stdout, text)
	if r.opts.strictExit {
		return cliargs.Exit(saltExitRefused)
	}
	return nil
}

// saltSaid is a message for stdout in place of a job.
type saltSaid struct{ text string }

func (e *saltSaid) Error() string { return e.text }

func (r *saltRun) interrupted() error {
	text := "\nExiting gracefully on Ctrl-c"
	if r.jid != "" {
		text += "\nThis job's jid is: " + r.jid + "\n" + client.LookupHint(r.jid)
	}
	return &cliargs.ExitError{Code: cliargs.ExitGeneric, Text: text}
}

func (r *saltRun) runAsync(ctx context.Context) error {
	if err := r.client.CheckMaster(); err != nil {
		return err
	}
	reply, err := r.client.Publish(ctx, r.call.request(r.opts, r.cfg))
	if err != nil {
		return err
	}
	if reply.JID == "" {
		fmt.Fprintln(r.stdout, saltTextNoMatch)
		reply.JID = "0"
	}
	fmt.Fprintln(r.stdout, "Executed command with job ID:", reply.JID)
	return nil
}

// runPlain publishes the call and prints each return as it comes.
func (r *saltRun) runPlain(ctx context.Context) error {
	job, err := r.client.Start(ctx, r.call.request(r.opts, r.cfg), client.JobOptions{})
	if err != nil {
		return err
	}
	defer job.Close()
	if job.JID == "" {
		fmt.Fprintln(r.stdout, saltTextNoMatch)
		if err := r.print.show(wire.NewMap(), "", showGood); err != nil {
			return err
		}
		return &cliargs.ExitError{Code: saltExitNothing, Text: saltTextNoReturn}
	}
	r.heading(job.JID)
	var all []client.Result
	collect := func(result client.Result) error {
		all = append(all, result)
		if r.call.doc() {
			return nil
		}
		return r.print.result(result)
	}
	for result, err := range job.Results(ctx) {
		if err != nil {
			return err
		}
		if err := collect(result); err != nil {
			return err
		}
	}
	unanswered := job.Unanswered()
	if r.opts.hideTimeout {
		unanswered = job.Unknown()
	}
	for _, result := range r.client.Silent(job.JID, unanswered) {
		if err := collect(result); err != nil {
			return err
		}
	}
	return r.finish(all)
}

func (r *saltRun) heading(jid string) {
	r.jid = jid
	switch {
	case r.opts.verbose:
		line := "Executing job with jid " + jid
		fmt.Fprintf(r.stdout, "%s\n%s\n\n", line, dashes(len(line)))
	case r.opts.showJID:
		fmt.Fprintln(r.stdout, "jid:", jid)
	}
}

// finish prints what belongs after the last return and finds the exit status.
func (r *saltRun) finish(all []client.Result) error {
	if r.call.doc() {
		if err := r.printDocs(all); err != nil {
			return err
		}
	} else if (r.opts.summary || r.cfg.CLISummary) && r.opts.out == "" {
		r.summary(all)
	}
	for _, result := range all {
		if result.Failed() {
			return &cliargs.ExitError{Code: saltExitFailed, Text: saltTextFailed}
		}
	}
	return nil
}

// jobOptions are the times of a job that is part of a batch.
func (r *saltRun) jobOptions() client.JobOptions {
	return client.JobOptions{Gather: time.Duration(r.opts.gatherSeconds(r.cfg)) * time.Second}
}
