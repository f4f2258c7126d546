package main

import (
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/saltern-io/saltern/internal/cliargs"
	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/logfmt"
	"github.com/saltern-io/saltern/internal/relay"
	"github.com/saltern-io/saltern/internal/status"
)

func newRelayCommand() *cobra.Command {
	var f daemonFlags
	cmd := &cobra.Command{
		Use: "relay [options]", Short: "carry publications over a bad line, through Redis",
		Long: "The relay taps the publications of masters of masters into Redis streams, and serves such streams to\n" +
			"syndics, stock or saltern, so that an outage delays a publication instead of losing it. It reads the file\n" +
			"\"relay\" of the configuration directory; SIGTERM drains.",
		Args: cobra.NoArgs,
	}
	f.register(cmd, "/var/run/saltern-relay.pid")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, report, err := config.LoadRelay(f.loadOptions(cmd))
		if err != nil {
			return &cliargs.ExitError{Code: cliargs.ExitGeneric, Text: "[ERROR   ] " + err.Error()}
		}
		return runService(cmd, &f, service{
			name: "saltern-relay", title: "saltern relay", short: "Relay",
			user: cfg.User, pidFile: cfg.PIDFile, stateDir: cfg.CacheDir, ownDirs: []string{cfg.SockDir},
			log:    logfmt.Config{Level: cfg.LogLevel, LevelFile: cfg.LogLevelFile, File: cfg.LogFile, Format: cfg.LogFormat, Name: "saltern.relay"},
			status: status.Config{Socket: filepath.Join(cfg.SockDir, status.RelaySocket), MetricsAddress: cfg.MetricsAddress},
			start: func(log *slog.Logger) (daemon, error) {
				report.Log(log)
				cfg.LogSummary(log)
				return relay.New(cfg, log)
			},
			reload: func(_ daemon, log *slog.Logger, _ *logfmt.Sink) {
				log.Warn("Configuration not reloaded: the relay reads it at start only; restart it")
			},
		})
	}
	return cmd
}

// relayTarget is the relay of a configuration directory; it is wanted where there is a file for it.
func relayTarget(configDir string) statusTarget {
	cfg, _, _ := config.LoadRelay(config.LoadOptions{ConfigDir: configDir}) // a faulty file has paths all the same
	d := statusTarget{word: "relay", program: "saltern-relay"}
	if cfg == nil {
		return d
	}
	d.socket = filepath.Join(cfg.SockDir, status.RelaySocket)
	_, err := os.Stat(cfg.ConfFile)
	d.wanted = err == nil
	return d
}
