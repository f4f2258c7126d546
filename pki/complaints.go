package pki

import (
	"log/slog"
	"sync"
	"time"
)

// complaintGap is the least time between two warnings of one source: every minion that signs in asks the same files.
const complaintGap = time.Minute

// complaints logs warnings of one source, at most one per complaintGap, and counts the others.
type complaints struct {
	log *slog.Logger

	mu      sync.Mutex
	next    time.Time
	dropped int
}

func newComplaints(log *slog.Logger) *complaints {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &complaints{log: log}
}

func (c *complaints) warn(msg string, args ...any) {
	now := time.Now()
	c.mu.Lock()
	if now.Before(c.next) {
		c.dropped++
		c.mu.Unlock()
		return
	}
	dropped := c.dropped
	c.next, c.dropped = now.Add(complaintGap), 0
	c.mu.Unlock()
	if dropped > 0 {
		args = append(args, "more", dropped)
	}
	c.log.Warn(msg, args...)
}

func (c *complaints) debug(msg string, args ...any) { c.log.Debug(msg, args...) }
