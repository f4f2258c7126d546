package main

import (
	"log/slog"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/saltern-io/saltern/internal/broker"
	"github.com/saltern-io/saltern/internal/cliargs"
	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/logfmt"
	"github.com/saltern-io/saltern/internal/status"
)

func newBrokerCommand() *cobra.Command {
	var f daemonFlags
	cmd := &cobra.Command{
		Use: "salt-broker [options]", Short: "forward between minions and a master elsewhere",
		Long: "The broker stands between minions and their master, in a DMZ or at the far end of a bad line: it passes\n" +
			"publications and requests on unchanged, holds no key and reads no secret. With several masters it uses one\n" +
			"at a time and changes to the next when that is lost. It reads salt-broker's file \"broker\"; SIGTERM drains,\n" +
			"SIGHUP reloads.",
		Args: cobra.NoArgs,
	}
	f.register(cmd, "/var/run/salt-broker.pid")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		options := f.loadOptions(cmd)
		cfg, report, err := config.LoadBroker(options)
		if err != nil {
			return &cliargs.ExitError{Code: cliargs.ExitGeneric, Text: "[ERROR   ] " + err.Error()}
		}
		return runService(cmd, &f, service{
			name: "salt-broker", title: "salt broker", short: "Broker",
			user: cfg.User, pidFile: cfg.PIDFile, stateDir: cfg.CacheDir, maxOpenFiles: cfg.MaxOpenFiles,
			ownDirs: []string{cfg.SockDir},
			log: logfmt.Config{
				Level: cfg.LogLevel, LevelFile: cfg.LogLevelLogFile, File: cfg.LogFile, Format: cfg.LogFormat,
				ConsoleFormat: cfg.LogFmtConsole, FileFormat: cfg.LogFmtLogFile,
				ConsoleDateFmt: cfg.LogDateFmt, FileDateFmt: cfg.LogDateFmtLogFile, Name: "salt.broker",
			},
			status: status.Config{Socket: filepath.Join(cfg.SockDir, status.BrokerSocket), MetricsAddress: cfg.MetricsAddress},
			start: func(log *slog.Logger) (daemon, error) {
				report.Log(log)
				return broker.New(cfg, log)
			},
			reload: func(d daemon, log *slog.Logger, sink *logfmt.Sink) {
				reloadBroker(d.(*broker.Broker), options, log, sink)
			},
		})
	}
	return cmd
}

// reloadBroker reads the file again. A faulty one changes nothing.
func reloadBroker(b *broker.Broker, options config.LoadOptions, log *slog.Logger, sink *logfmt.Sink) {
	cfg, report, err := config.LoadBroker(options)
	if err != nil {
		log.Error("Configuration not reloaded", "err", err)
		return
	}
	report.Log(log)
	if err := sink.SetLevels(cfg.LogLevel, cfg.LogLevelLogFile); err != nil {
		log.Error("Log levels not changed", "err", err)
	}
	if later := b.Reload(cfg); len(later) > 0 {
		log.Warn("Configuration reloaded; some options need a restart", "options", later)
		return
	}
	log.Info("Configuration reloaded")
}
