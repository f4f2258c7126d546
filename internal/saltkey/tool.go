package saltkey

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/saltern-io/saltern/internal/cliargs"
	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/lifecycle"
	"github.com/saltern-io/saltern/internal/logfmt"
	"github.com/saltern-io/saltern/pki"
)

// Exit statuses of --strict-exit.
const (
	exitDone = iota
	exitFailed
	exitNothing
	exitDeclined
)

var (
	errInterrupted = errors.New("interrupted")
	errTerminated  = errors.New("terminated")
	errEOF         = errors.New("EOF when reading a line")
)

// tool is one run of salt-key. It is used by one goroutine.
type tool struct {
	*options
	ctx    context.Context // ends with the first signal; its cause is errInterrupted or errTerminated
	cfg    *config.Master
	mode   dialect
	filter filter
	store  *pki.DirStore
	view   printer

	stdin  io.Reader
	stdout *bufio.Writer
	stderr io.Writer

	log    *slog.Logger
	sink   *logfmt.Sink
	events Events
	audit  *auditLog
	actor  actor

	// How the run went, for --strict-exit.
	unable   bool // may not become the configured account
	nothing  bool // nothing matched
	declined bool // the answer was no
	refused  bool // at least one key was not treated as asked

	stopSignals func()
}

// tool reads the configuration, becomes the configured account and opens the store.
func (o *options) tool(cmd *cobra.Command, events func(*config.Master) Events) (*tool, error) {
	stderr := cmd.ErrOrStderr()
	fmt.Fprint(stderr, o.configDirWarning())
	overrides := map[string]any{}
	if o.user != "" {
		overrides["user"] = o.user
	}
	cfg, _, err := config.LoadClient(config.LoadOptions{ConfigDir: o.configDir, Overrides: overrides})
	if err != nil {
		return nil, &cliargs.ExitError{Code: cliargs.ExitGeneric, Text: err.Error()}
	}
	t := &tool{options: o, cfg: cfg, stdin: cmd.InOrStdin(), stdout: bufio.NewWriterSize(cmd.OutOrStdout(), 1<<16), stderr: stderr}
	if t.mode, err = o.dialect(cfg); err != nil {
		return nil, &cliargs.ExitError{Code: cliargs.ExitGeneric, Text: err.Error()}
	}
	if t.view, err = o.printer(cmd.OutOrStdout(), cfg); err != nil {
		return nil, err
	}
	t.actor = whoActs() // before the account changes
	if err := becomeUser(cfg.User); err != nil {
		fmt.Fprintf(stderr, "[CRITICAL] Salt configured to run as user \"%s\" but unable to switch.\n", cfg.User)
		t.unable = true
		return t, nil
	}
	if err := t.openLog(cmd); err != nil {
		return nil, &cliargs.ExitError{Code: cliargs.ExitGeneric, Text: err.Error()}
	}
	t.filter = o.newFilter()
	t.ctx, t.stopSignals = heedSignals(cmd.Context())
	t.events = events(cfg)
	return t, nil
}

// dialect is that of --compat, else of SALTERN_KEY_COMPAT, else of the option saltern_key_compat.
func (o *options) dialect(cfg *config.Master) (dialect, error) {
	for _, choice := range []struct{ from, value string }{
		{"--compat", o.compat},
		{"SALTERN_KEY_COMPAT", os.Getenv("SALTERN_KEY_COMPAT")},
		{"saltern_key_compat", cfg.KeyCompat},
	} {
		if choice.value != "" {
			d, err := dialectOf(choice.value)
			if err != nil {
				err = fmt.Errorf("%s: %w", choice.from, err)
			}
			return d, err
		}
	}
	return dialectOf("")
}

func becomeUser(name string) error {
	account, err := lifecycle.LookupAccount(name)
	if err != nil {
		return err
	}
	return lifecycle.DropPrivileges(account)
}

// openLog opens stderr and the log file. The default file is stock's; that it cannot be written is only
// a warning, as long as nobody asked for it.
func (t *tool) openLog(cmd *cobra.Command) error {
	c := logfmt.Config{
		Level: t.cfg.LogLevel, LevelFile: t.cfg.LogLevelLogFile, Console: t.stderr, File: t.cfg.KeyLogFile, Format: t.cfg.LogFormat,
		ConsoleFormat: t.cfg.LogFmtConsole, FileFormat: t.cfg.LogFmtLogFile,
		ConsoleDateFmt: t.cfg.LogDateFmt, FileDateFmt: t.cfg.LogDateFmtLogFile, JIDFormat: t.cfg.LogFmtJID, Name: "salt.key",
		Granular: t.cfg.GranularLevels(),
	}
	if t.logLevel != "" {
		c.Level = t.logLevel
	}
	if t.logFileLevel != "" {
		c.LevelFile = t.logFileLevel
	}
	asked := cmd.Flags().Changed("log-file") || t.cfg.Raw.Has("key_logfile")
	if cmd.Flags().Changed("log-file") {
		c.File = t.logFile
	}
	if !asked && !t.cfg.VerifyEnv {
		c.File = ""
	}
	var fault error
	if c.File != "" {
		fault = os.MkdirAll(filepath.Dir(c.File), 0o755)
	}
	if fault == nil {
		var err error
		if t.log, t.sink, err = logfmt.New(c); err == nil || asked {
			return err
		}
		fault = err
	}
	if asked {
		return fault
	}
	c.File = ""
	log, sink, err := logfmt.New(c)
	if err != nil {
		return err
	}
	t.log, t.sink = log, sink
	t.log.Warn(fmt.Sprintf("No log file of salt-key: %v", fault))
	return nil
}

// heedSignals ends the context at Ctrl-C and at SIGTERM.
func heedSignals(parent context.Context) (context.Context, func()) {
	if parent == nil {
		parent = context.Background()
	}
	ctx, cancel := context.WithCancelCause(parent)
	got := make(chan os.Signal, 1)
	signal.Notify(got, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() { // ends with stop, which waits for it
		defer close(done)
		select {
		case s := <-got:
			if s == os.Interrupt {
				cancel(errInterrupted)
			} else {
				cancel(errTerminated)
			}
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(got)
		cancel(context.Canceled)
		<-done
	}
}

// openStore opens the key store below pki_dir and makes what is missing.
func (t *tool) openStore() error {
	opts := pki.DirOptions{}
	if t.mode.ownerOnly {
		opts.MovedMode = 0o600
	}
	var err error
	t.store, err = pki.OpenDirStore(t.cfg.PKIDir, opts)
	return err
}

func (t *tool) close() {
	t.events.Close()
	t.stopSignals()
	if err := errors.Join(t.audit.close(), t.sink.Close()); err != nil {
		fmt.Fprintf(t.stderr, "[ERROR   ] %v\n", err)
	}
}

// exit flushes what was printed, prints the error of the run and returns the exit status as an error.
func (t *tool) exit(err error) error {
	if flushErr := t.stdout.Flush(); err == nil && flushErr != nil {
		err = fmt.Errorf("write output: %w", flushErr)
	}
	switch {
	case err == nil:
	case errors.Is(err, errInterrupted):
		fmt.Fprint(t.stderr, "\nExiting gracefully on Ctrl-c\n")
		t.declined, err = true, nil
	case errors.Is(err, errTerminated):
		t.declined, err = true, nil
	case !t.quiet:
		fmt.Fprintf(t.stderr, "Error: %v\n", err)
	}
	var status *cliargs.ExitError
	switch {
	case errors.As(err, &status):
		return status
	case err != nil && t.hardCrash:
		return cliargs.Exit(cliargs.ExitGeneric)
	case !t.strictExit:
		return nil
	case err != nil, t.refused, t.unable:
		return cliargs.Exit(exitFailed)
	case t.declined:
		return cliargs.Exit(exitDeclined)
	case t.nothing:
		return cliargs.Exit(exitNothing)
	}
	return cliargs.Exit(exitDone)
}

// stopped is the cause when the run was told to end.
func (t *tool) stopped() error {
	if t.ctx.Err() == nil {
		return nil
	}
	return context.Cause(t.ctx)
}

// say prints a sentence to stdout, or nothing where stdout is for programs.
func (t *tool) say(format string, args ...any) {
	if !t.view.lines {
		fmt.Fprintf(t.stdout, format, args...)
	}
}

// complain logs an error as stock's console log does.
func (t *tool) complain(format string, args ...any) { t.log.Error(fmt.Sprintf(format, args...)) }
