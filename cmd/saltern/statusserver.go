package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/saltern-io/saltern/internal/status"
)

// statusStop is how long the status server may take to stop. It waits for a report that is being made; a
// daemon that hangs in it must not keep the process from ending.
const statusStop = 3 * time.Second

// showStatus serves the status of a daemon until the result is called. A status that cannot be served is an
// error in the log and no reason not to run: jobs matter more than numbers.
func showStatus(cfg status.Config, d daemon, log *slog.Logger) (stop func()) {
	source := statusSource(d)
	if source == nil {
		return func() {}
	}
	cfg.Ready, cfg.Log = d.Ready(), log
	server, err := status.Listen(cfg, source)
	if err != nil && cfg.MetricsAddress != "" {
		log.Error("Metrics address not served", "address", cfg.MetricsAddress, "err", err)
		cfg.MetricsAddress = ""
		server, err = status.Listen(cfg, source)
	}
	if err != nil {
		log.Error("Status not served", "err", err)
		return func() {}
	}
	if addr := server.MetricsAddr(); addr != "" {
		log.Info("Metrics page is served", "address", addr)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Run(ctx); err != nil {
			log.Error("Status server ended", "err", err)
		}
	}()
	return func() {
		cancel()
		timer := time.NewTimer(statusStop)
		defer timer.Stop()
		select {
		case <-done:
		case <-timer.C:
			log.Warn("Status server did not stop", "after", statusStop)
		}
	}
}

// statusSource is what a daemon shows of itself, nil when it shows nothing.
func statusSource(d daemon) status.Source {
	switch d := d.(type) {
	case interface{ StatusSource() status.Source }:
		return d.StatusSource()
	case status.Source:
		return d
	}
	return nil
}
