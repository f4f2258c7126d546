package zmtp

import (
	"log/slog"
	"sync"
	"time"
)

// RareLog lets one warning per second through and adds, as the attribute "more", how many were left out since the last
// one: peers can cause these at will. Safe for concurrent use; made by NewRareLog.
type RareLog struct {
	log *slog.Logger

	mu      sync.Mutex
	next    time.Time
	skipped uint64
}

// NewRareLog makes one; a nil logger discards.
func NewRareLog(log *slog.Logger) *RareLog {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &RareLog{log: log}
}

// Warn writes a line unless one was written less than a second ago. msg must be a constant; facts go into args.
func (l *RareLog) Warn(msg string, args ...any) {
	skipped, ok := l.pass(time.Now())
	if !ok {
		return
	}
	if skipped > 0 {
		args = append(args, "more", skipped)
	}
	l.log.Warn(msg, args...)
}

func (l *RareLog) pass(now time.Time) (skipped uint64, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Before(l.next) {
		l.skipped++
		return 0, false
	}
	l.next = now.Add(time.Second)
	skipped, l.skipped = l.skipped, 0
	return skipped, true
}
