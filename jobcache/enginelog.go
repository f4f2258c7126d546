package jobcache

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
)

// engineLog is the engine's logger. Without it the engine prints to stderr and ends the process when a
// write fails; with it a failure marks the store dead, and the daemon decides how to stop.
type engineLog struct {
	log  *slog.Logger
	dead atomic.Pointer[deadCause]
	ch   chan error // receives the cause once, then is closed
}

type deadCause struct{ err error }

func newEngineLog(log *slog.Logger) *engineLog {
	return &engineLog{log: log, ch: make(chan error, 1)}
}

// Infof takes the engine's notes on flushes and logs.
func (l *engineLog) Infof(format string, args ...any) {
	if l.log.Enabled(context.Background(), slog.LevelDebug) {
		l.log.Debug("Job cache engine", "note", fmt.Sprintf(format, args...))
	}
}

// Errorf takes background errors, which the engine retries by itself.
func (l *engineLog) Errorf(format string, args ...any) {
	l.log.Error("Job cache engine error", "err", fmt.Sprintf(format, args...))
}

// Fatalf marks the store dead. It returns: the engine then believes that the write went through, which is
// why the committer looks at dead after every commit.
func (l *engineLog) Fatalf(format string, args ...any) {
	l.fail(fmt.Errorf("%w: %s", ErrDead, fmt.Sprintf(format, args...)))
}

func (l *engineLog) fail(err error) {
	if !l.dead.CompareAndSwap(nil, &deadCause{err}) {
		return
	}
	l.log.Error("Job cache failed and takes no more writes", "err", err)
	l.ch <- err
	close(l.ch)
}

// err is nil while the store lives.
func (l *engineLog) err() error {
	if c := l.dead.Load(); c != nil {
		return c.err
	}
	return nil
}
