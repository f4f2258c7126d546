package lifecycle

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// SignalConfig says what a daemon does with signals (spec: config-and-daemons §6.4).
type SignalConfig struct {
	Name  string // in stock's lines: "Master", "Syndic"
	Title string // in stock's lines: "salt master", "Salt Syndic"
	Log   *slog.Logger

	Hangup  func() // SIGHUP: reopen logs, reload; nil = ignored
	Profile func() // SIGUSR2: toggle profiling; nil = ignored
	Force   func() // second SIGTERM or SIGINT while the first one drains; nil = ignored
	DumpDir string // directory of goroutine dumps; "" = the temporary directory
}

// Signals turns the process's signals into a context and calls. One exists per process.
type Signals struct {
	cfg  SignalConfig
	ctx  context.Context
	stop context.CancelFunc
	in   chan os.Signal
	quit chan struct{}
	done chan struct{}

	mu       sync.Mutex
	received os.Signal
}

// HandleSignals starts listening: SIGTERM and SIGINT end the Context and log stock's line, SIGHUP and
// SIGUSR2 make calls (one at a time, on the listener's goroutine), SIGUSR1 writes a goroutine dump,
// SIGPIPE is ignored. Close must be called.
func HandleSignals(parent context.Context, cfg SignalConfig) *Signals {
	ctx, stop := context.WithCancel(parent)
	s := &Signals{
		cfg: cfg, ctx: ctx, stop: stop,
		in: make(chan os.Signal, 16), quit: make(chan struct{}), done: make(chan struct{}),
	}
	signal.Ignore(syscall.SIGPIPE)
	signal.Notify(s.in, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
	go s.listen()
	return s
}

// Context ends at the first SIGTERM or SIGINT, and with the parent.
func (s *Signals) Context() context.Context { return s.ctx }

// Received is the signal that ended the Context, nil when none did.
func (s *Signals) Received() os.Signal {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.received
}

// Goodbye is the line stock daemons print on standard error as their last act, "" when no signal
// ended this one.
func (s *Signals) Goodbye() string {
	sig := s.Received()
	if sig == nil {
		return ""
	}
	return fmt.Sprintf("The %s is shutdown. %s received a %s. Exited.", s.cfg.Title, s.cfg.Name, signalName(sig))
}

// Close stops listening and waits for a running call; the default actions are back afterwards, except
// that SIGPIPE stays ignored.
func (s *Signals) Close() {
	signal.Stop(s.in)
	close(s.quit)
	<-s.done
	s.stop()
}

func (s *Signals) listen() {
	defer close(s.done)
	for {
		select {
		case <-s.quit:
			return
		case sig := <-s.in:
			s.handle(sig)
		}
	}
}

func (s *Signals) handle(sig os.Signal) {
	switch sig {
	case syscall.SIGTERM, syscall.SIGINT:
		s.mu.Lock()
		again := s.received != nil
		if !again {
			s.received = sig
		}
		s.mu.Unlock()
		if again {
			s.call(s.cfg.Force)
			return
		}
		s.cfg.Log.Info(fmt.Sprintf("%s received a %s. Exiting.", s.cfg.Name, signalName(sig)))
		s.stop()
	case syscall.SIGHUP:
		s.call(s.cfg.Hangup)
	case syscall.SIGUSR2:
		s.call(s.cfg.Profile)
	case syscall.SIGUSR1:
		path, err := DumpGoroutines(s.cfg.DumpDir)
		if err != nil {
			s.cfg.Log.Error("Goroutine dump failed", "err", err)
			return
		}
		s.cfg.Log.Warn("Goroutine dump written", "path", path)
	}
}

func (s *Signals) call(fn func()) {
	if fn != nil {
		fn()
	}
}

func signalName(sig os.Signal) string {
	if sig == syscall.SIGINT {
		return "SIGINT"
	}
	return "SIGTERM"
}
