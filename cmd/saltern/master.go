package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/saltern-io/saltern/internal/cliargs"
	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/lifecycle"
	"github.com/saltern-io/saltern/internal/logfmt"
	"github.com/saltern-io/saltern/internal/status"
	"github.com/saltern-io/saltern/master"
)

func newMasterCommand() *cobra.Command {
	var f daemonFlags
	cmd := &cobra.Command{
		Use: "salt-master [options]", Short: "run a master",
		Long: "The master publishes jobs to minions and syndics, takes their returns and keeps the event bus.\n" +
			"It reads Salt's own master file; SIGTERM drains, SIGHUP reloads.",
		Args: cobra.NoArgs,
	}
	f.register(cmd, "/var/run/salt-master.pid")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		options := f.loadOptions(cmd)
		cfg, report, err := config.LoadMaster(options)
		if err != nil {
			return &cliargs.ExitError{Code: cliargs.ExitGeneric, Text: "[ERROR   ] " + err.Error()}
		}
		return runService(cmd, &f, service{
			name: "salt-master", title: "salt master", short: "Master",
			user: cfg.User, pidFile: cfg.PIDFile, stateDir: cfg.CacheDir, maxOpenFiles: cfg.MaxOpenFiles,
			ownDirs: []string{cfg.PKIDir, cfg.SockDir, filepath.Dir(cfg.JobCacheDir)},
			log:     masterLog(cfg),
			status:  status.Config{Socket: filepath.Join(cfg.SockDir, status.MasterSocket), MetricsAddress: cfg.MetricsAddress},
			start: func(log *slog.Logger) (daemon, error) {
				report.Log(log)
				return master.New(cfg, log, master.Options{
					Cores: spareScheduler(), Stuck: func() { os.Exit(lifecycle.ExitGeneric) },
				})
			},
			reload: func(d daemon, log *slog.Logger, sink *logfmt.Sink) {
				reloadMaster(d.(*master.Master), options, log, sink)
			},
		})
	}
	return cmd
}

func masterLog(cfg *config.Master) logfmt.Config {
	return logfmt.Config{
		Level: cfg.LogLevel, LevelFile: cfg.LogLevelLogFile, File: cfg.LogFile, Format: cfg.LogFormat,
		ConsoleFormat: cfg.LogFmtConsole, FileFormat: cfg.LogFmtLogFile,
		ConsoleDateFmt: cfg.LogDateFmt, FileDateFmt: cfg.LogDateFmtLogFile, JIDFormat: cfg.LogFmtJID, Name: "salt.master",
		Granular: cfg.GranularLevels(),
	}
}

// reloadMaster reads the files again. A faulty file changes nothing.
func reloadMaster(m *master.Master, options config.LoadOptions, log *slog.Logger, sink *logfmt.Sink) {
	cfg, report, err := config.LoadMaster(options)
	if err != nil {
		log.Error("Configuration not reloaded", "err", err)
		return
	}
	report.Log(log)
	if err := sink.SetLevels(cfg.LogLevel, cfg.LogLevelLogFile); err != nil {
		log.Error("Log levels not changed", "err", err)
	}
	if err := sink.SetGranular(cfg.GranularLevels()); err != nil {
		log.Error("Log levels not changed", "err", err)
	}
	if later := m.Reload(cfg); len(later) > 0 {
		log.Warn("Configuration reloaded; some options need a restart", "options", later)
		return
	}
	log.Info("Configuration reloaded")
}

// spareSlots is by how many the scheduler's slots exceed the processors.
const spareSlots = 4

// spareScheduler gives the scheduler slots to spare and returns the number of processors. A private
// RSA operation holds a slot for a quarter of a millisecond inside libcrypto; without spare ones the
// runtime takes the slot away and back each time, which wakes a thread twice.
func spareScheduler() (cores int) {
	cores = runtime.GOMAXPROCS(0)
	runtime.GOMAXPROCS(cores + spareSlots)
	return cores
}
