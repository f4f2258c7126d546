package lifecycle

import (
	"context"
	"fmt"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// States of the systemd protocol.
const (
	NotifyReady     = daemon.SdNotifyReady
	NotifyStopping  = daemon.SdNotifyStopping
	NotifyReloading = daemon.SdNotifyReloading
	NotifyWatchdog  = daemon.SdNotifyWatchdog
)

// NotifyStatus is a STATUS= line.
func NotifyStatus(text string) string { return "STATUS=" + text }

// Notify tells the service manager about a change. Without one (no NOTIFY_SOCKET) it does nothing.
// Readiness belongs after the sockets are bound and the event bus answers (spec:
// config-and-daemons §6.1).
func Notify(state string) error {
	if _, err := daemon.SdNotify(false, state); err != nil {
		return fmt.Errorf("notify the service manager: %w", err)
	}
	return nil
}

// Watchdog pings the service manager at half the interval it asks for, each time only after alive
// returned nil; a daemon that is stuck is thus restarted. It returns nil at once when no watchdog is
// configured. alive must return before its context ends, at a quarter of the interval.
func Watchdog(ctx context.Context, alive func(ctx context.Context) error, failed func(error)) error {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return fmt.Errorf("read the watchdog interval: %w", err)
	}
	if interval <= 0 {
		return nil
	}
	return watch(ctx, interval, alive, failed)
}

func watch(ctx context.Context, interval time.Duration, alive func(ctx context.Context) error, failed func(error)) error {
	tick := time.NewTicker(interval / 2)
	defer tick.Stop()
	for {
		check, cancel := context.WithTimeout(ctx, interval/4)
		err := alive(check)
		cancel()
		if err == nil {
			err = Notify(NotifyWatchdog)
		}
		if err != nil && ctx.Err() == nil {
			failed(err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
