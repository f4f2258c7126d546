package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/saltern-io/saltern/internal/cliargs"
	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/lifecycle"
	"github.com/saltern-io/saltern/internal/logfmt"
	"github.com/saltern-io/saltern/internal/status"
	"github.com/saltern-io/saltern/internal/version"
)

// backgroundWait is how long -d waits for the daemon to report that it serves.
const backgroundWait = 60 * time.Second

// daemonFlags are the options that salt-master and salt-syndic have in common
// (spec: config-and-daemons §5).
type daemonFlags struct {
	configDir, user, pidFile        string
	logLevel, logFile, logFileLevel string
	background                      bool
}

func (f *daemonFlags) register(cmd *cobra.Command, defaultPID string) {
	fs := cmd.Flags()
	fs.StringVarP(&f.configDir, "config-dir", "c", "", "directory of the configuration (default /etc/salt)")
	fs.StringVarP(&f.user, "user", "u", "", "run as this user")
	fs.BoolVarP(&f.background, "daemon", "d", false, "run in the background; returns when the daemon serves")
	fs.StringVar(&f.pidFile, "pid-file", "", "file with the process id (default "+defaultPID+")")
	fs.StringVarP(&f.logLevel, "log-level", "l", "", "console log level: "+strings.Join(logfmt.LevelNames(), ", "))
	fs.StringVar(&f.logFile, "log-file", "", "log file")
	fs.StringVar(&f.logFileLevel, "log-file-level", "", "log file's log level")
	cliargs.RegisterSaltfile(fs)
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error { return cliargs.ApplySaltfile(cmd.Flags(), cmd.Name()) }
	cmd.Version = version.Version
	cmd.SetVersionTemplate("{{.Name}} {{.Version}} (saltern)\n")
}

// loadOptions are the options given on the command line, as overrides of the files.
func (f *daemonFlags) loadOptions(cmd *cobra.Command) config.LoadOptions {
	o := config.LoadOptions{ConfigDir: f.configDir, Overrides: map[string]any{}}
	for flag, option := range map[string]string{
		"user": "user", "pid-file": "pidfile", "log-level": "log_level", "log-file": "log_file", "log-file-level": "log_level_logfile",
	} {
		if given := cmd.Flags().Lookup(flag); given.Changed {
			o.Overrides[option] = given.Value.String()
		}
	}
	return o
}

// service is a daemon once its configuration is loaded.
type service struct {
	name  string // instance lock and systemd: "salt-master"
	title string // in stock's lines: "salt master"
	short string // in stock's lines: "Master"

	user, pidFile, stateDir string
	ownDirs                 []string // made, and given to the user, before privileges are dropped
	maxOpenFiles            int
	log                     logfmt.Config
	status                  status.Config // Socket and MetricsAddress

	// start makes the daemon; it runs after privileges were dropped.
	start func(*slog.Logger) (daemon, error)
	// reload reads the configuration again at SIGHUP.
	reload func(daemon, *slog.Logger, *logfmt.Sink)
}

// daemon is what master and syndic have in common.
type daemon interface {
	Run(context.Context) error
	Ready() <-chan struct{}
}

// runService takes a service through its life: background, lock, pid file, account, signals, run.
func runService(cmd *cobra.Command, f *daemonFlags, s service) error {
	if f.background {
		if child := lifecycle.BackgroundChild(); child == nil {
			code, err := lifecycle.StartBackground(backgroundWait, cmd.ErrOrStderr())
			if err != nil {
				return &cliargs.ExitError{Code: code, Text: err.Error()}
			}
			return cliargs.Exit(code)
		} else {
			err := serve(cmd, s, func() error { return child.Ready() }, nil)
			if err != nil {
				return errors.Join(err, child.Fail(exitCode(err), err.Error()))
			}
			return nil
		}
	}
	return serve(cmd, s, func() error { return nil }, os.Stderr)
}

func serve(cmd *cobra.Command, s service, ready func() error, console *os.File) error {
	account, err := lifecycle.LookupAccount(s.user)
	if err != nil {
		return &cliargs.ExitError{Code: lifecycle.ExitNoUser, Text: err.Error()}
	}
	dirs := make([]lifecycle.Dir, 0, len(s.ownDirs)+1)
	for _, dir := range append(s.ownDirs, s.stateDir) {
		dirs = append(dirs, lifecycle.Dir{Path: dir, Mode: 0o755})
	}
	if err := lifecycle.PrepareDirs(dirs, account); err != nil {
		return &cliargs.ExitError{Code: lifecycle.ExitCantCreate, Text: err.Error()}
	}
	if console != nil {
		s.log.Console = console
	}
	log, sink, err := logfmt.New(s.log)
	if err != nil {
		return &cliargs.ExitError{Code: lifecycle.ExitUnavailable, Text: err.Error()}
	}
	defer sink.Close()
	lock, err := lifecycle.LockInstance(s.stateDir, s.name)
	if err != nil {
		return &cliargs.ExitError{Code: lifecycle.ExitBusy, Text: err.Error()}
	}
	defer lock.Release()
	limit, err := lifecycle.RaiseFileLimit(uint64(max(s.maxOpenFiles, 0)))
	if err != nil {
		log.Warn("Open file limit not raised", "err", err, "limit", limit.String())
	}
	pid, err := lifecycle.WritePIDFile(s.pidFile)
	if err != nil {
		return &cliargs.ExitError{Code: lifecycle.ExitCantCreate, Text: err.Error()}
	}
	defer func() {
		if err := pid.Remove(); err != nil && !errors.Is(err, fs.ErrNotExist) {
			log.Warn("Process id file not removed", "err", err)
		}
	}()
	if !account.Current() {
		err := errors.Join(lock.Chown(account.UID, account.GID), pid.Chown(account.UID, account.GID), sink.Chown(account.UID, account.GID))
		if err != nil {
			return &cliargs.ExitError{Code: lifecycle.ExitNoPerm, Text: err.Error()}
		}
		if err := lifecycle.DropPrivileges(account); err != nil {
			return &cliargs.ExitError{Code: lifecycle.ExitNoPerm, Text: err.Error()}
		}
	}
	log.Info("Starting", "program", s.name, "version", version.String(), "pid", os.Getpid(), "open_files", limit.String())
	d, err := s.start(log)
	if err != nil {
		log.Error("Start failed", "err", err)
		return &cliargs.ExitError{Code: exitCode(err), Text: err.Error()}
	}
	return live(cmd, s, d, log, sink, ready)
}

// live runs the daemon between its signals and its service manager.
func live(cmd *cobra.Command, s service, d daemon, log *slog.Logger, sink *logfmt.Sink, ready func() error) error {
	signals := lifecycle.HandleSignals(cmd.Context(), lifecycle.SignalConfig{
		Name: s.short, Title: s.title, Log: log,
		Hangup: func() {
			if err := sink.Reopen(); err != nil {
				log.Error("Log file not reopened", "err", err)
			}
			s.reload(d, log, sink)
		},
	})
	defer signals.Close()
	// What accompanies the daemon ends with it, however it ends: a failure must not leave a process that
	// still feeds its watchdog.
	beside, end := context.WithCancel(signals.Context())
	var companions sync.WaitGroup
	companions.Go(func() { announce(beside, d, log, ready) })
	companions.Go(func() { watch(beside, d, log) })
	hideStatus := showStatus(s.status, d, log)
	err := d.Run(signals.Context())
	end()
	companions.Wait()
	hideStatus() // after the end, so that a drain can be watched
	if err != nil {
		log.Error("Ended by a failure", "err", err)
		return &cliargs.ExitError{Code: exitCode(err), Text: err.Error()}
	}
	if text := signals.Goodbye(); text != "" {
		fmt.Fprintln(cmd.ErrOrStderr(), text)
	}
	return nil
}

// exitCode is the status of stock's table for an error of the start.
func exitCode(err error) int {
	var exit *cliargs.ExitError
	switch {
	case errors.As(err, &exit):
		return exit.Code
	case errors.Is(err, syscall.EADDRINUSE), errors.Is(err, lifecycle.ErrInstance):
		return lifecycle.ExitBusy
	case errors.Is(err, lifecycle.ErrNoUser):
		return lifecycle.ExitNoUser
	case errors.Is(err, fs.ErrPermission):
		return lifecycle.ExitNoPerm
	}
	return lifecycle.ExitGeneric
}

// announce tells the service manager and the parent of -d when the daemon serves, and the manager when it stops.
func announce(ctx context.Context, d daemon, log *slog.Logger, ready func() error) {
	select {
	case <-ctx.Done():
		return
	case <-d.Ready():
	}
	if err := errors.Join(lifecycle.Notify("READY=1"), ready()); err != nil {
		log.Warn("Readiness not announced", "err", err)
	}
	<-ctx.Done()
	if err := lifecycle.Notify("STOPPING=1"); err != nil {
		log.Debug("Service manager not told", "err", err)
	}
}

// watch feeds the service manager's watchdog while a daemon that can prove it is alive serves.
func watch(ctx context.Context, d daemon, log *slog.Logger) {
	prover, ok := d.(interface{ Alive(context.Context) error })
	if !ok {
		return
	}
	select {
	case <-ctx.Done():
		return
	case <-d.Ready():
	}
	err := lifecycle.Watchdog(ctx, prover.Alive, func(err error) { log.Error("Watchdog not fed", "err", err) })
	if err != nil {
		log.Error("Watchdog not served", "err", err)
	}
}
