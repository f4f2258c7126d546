package event

import (
	"log/slog"
	"sync"
	"time"
)

// quietLog lets one warning per period through and counts the others, for what any client can cause at will.
type quietLog struct {
	log   *slog.Logger
	every time.Duration

	mu     sync.Mutex
	next   time.Time
	missed int
}

func (q *quietLog) warn(msg string, args ...any) {
	q.mu.Lock()
	now := time.Now()
	if now.Before(q.next) {
		q.missed++
		q.mu.Unlock()
		return
	}
	missed := q.missed
	q.missed, q.next = 0, now.Add(q.every)
	q.mu.Unlock()
	if missed > 0 {
		args = append(args, "more", missed)
	}
	q.log.Warn(msg, args...)
}
