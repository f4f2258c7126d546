package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/saltern-io/saltern/internal/logfmt"
)

// failing is a daemon that serves, proves to be alive, and then ends by a failure.
type failing struct {
	ready chan struct{}
	fed   chan struct{} // one token per proof
}

var errFailed = errors.New("the store died")

func (f *failing) Ready() <-chan struct{} { return f.ready }

func (f *failing) Alive(context.Context) error {
	select {
	case f.fed <- struct{}{}:
	default:
	}
	return nil
}

func (f *failing) Run(ctx context.Context) error {
	select {
	case <-f.fed:
		return errFailed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// TestLive_failureEndsUnderAWatchdog: a daemon whose part failed has to end, so that the service manager starts it
// again; what feeds the watchdog must not keep the process.
func TestLive_failureEndsUnderAWatchdog(t *testing.T) {
	dir, err := os.MkdirTemp("", "n")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	address := filepath.Join(dir, "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	t.Setenv("NOTIFY_SOCKET", address)
	t.Setenv("WATCHDOG_USEC", "20000000")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))

	log, sink, err := logfmt.New(logfmt.Config{})
	if err != nil {
		t.Fatal(err)
	}
	d := &failing{ready: make(chan struct{}), fed: make(chan struct{}, 1)}
	close(d.ready)
	cmd := &cobra.Command{}
	cmd.SetContext(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- live(cmd, service{name: "test", reload: func(daemon, *slog.Logger, *logfmt.Sink) {}}, d, log, sink, func() error { return nil })
	}()
	select {
	case err := <-done:
		if err == nil || err.Error() != errFailed.Error() {
			t.Errorf("ended with %v, want %v", err, errFailed)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("a daemon that failed does not end")
	}
}
