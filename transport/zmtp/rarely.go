package zmtp

import (
	"log/slog"
	"sync"
	"time"
)

// rarely lets one message per second through and adds how many were left out: peers can cause these at will.
type rarely struct {
	log *slog.Logger

	mu      sync.Mutex
	next    time.Time
	skipped uint64
}

func (l *rarely) warn(msg string, args ...any) {
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
