package main

import (
	"log/slog"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/saltern-io/saltern/internal/cliargs"
	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/logfmt"
	"github.com/saltern-io/saltern/internal/status"
	"github.com/saltern-io/saltern/syndic"
)

func newSyndicCommand() *cobra.Command {
	var f daemonFlags
	cmd := &cobra.Command{
		Use: "salt-syndic [options]", Short: "run a syndic beside a local master",
		Long: "The syndic relays jobs from one or more masters of masters to the master on this host, stock or\n" +
			"saltern, and returns and events back up. It reads Salt's own master and minion files.",
		Args: cobra.NoArgs,
	}
	f.register(cmd, "/var/run/salt-syndic.pid")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, report, err := config.LoadSyndic(f.loadOptions(cmd))
		if err != nil {
			return &cliargs.ExitError{Code: cliargs.ExitGeneric, Text: "[ERROR   ] " + err.Error()}
		}
		logs := masterLog(cfg.Local)
		logs.File, logs.Name = cfg.LogFile, "salt.syndic"
		return runService(cmd, &f, service{
			name: "salt-syndic", title: "Salt Syndic", short: "Syndic",
			user: cfg.User, pidFile: cfg.PIDFile, stateDir: cfg.CacheDir, maxOpenFiles: cfg.Local.MaxOpenFiles,
			ownDirs: []string{cfg.PKIDir},
			log:     logs,
			status:  status.Config{Socket: filepath.Join(cfg.SockDir, status.SyndicSocket), MetricsAddress: cfg.MetricsAddress},
			start: func(log *slog.Logger) (daemon, error) {
				report.Log(log)
				return syndic.New(cfg, log)
			},
			reload: func(_ daemon, log *slog.Logger, _ *logfmt.Sink) {
				log.Warn("Configuration not reloaded: the syndic reads it at start only; restart it to change upstreams")
			},
		})
	}
	return cmd
}
