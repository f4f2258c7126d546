package transport

import (
	"log/slog"
	"sync"
	"time"
)

// rateLog lets one message per second of a kind through and adds how many were left out. For what ten thousand
// peers can cause at once.
type rateLog struct {
	log *slog.Logger

	mu      sync.Mutex
	next    time.Time
	skipped uint64
}

func (l *rateLog) warn(msg string, args ...any) {
	now := time.Now()
	l.mu.Lock()
	if now.Before(l.next) {
		l.skipped++
		l.mu.Unlock()
		return
	}
	l.next = now.Add(time.Second)
	skipped := l.skipped
	l.skipped = 0
	l.mu.Unlock()
	if skipped > 0 {
		args = append(args, "more", skipped)
	}
	l.log.Warn(msg, args...)
}

// orDiscard returns a logger that is never nil.
func orDiscard(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return log
}
