package logfmt

import (
	"context"
	"log/slog"
	"runtime"
	"sync"
	"time"
)

// Limiter lets one record of a kind through per interval and counts the rest, for lines that ten
// thousand minions can cause at once. The next record that passes carries the count as the attribute
// "more". Safe for concurrent use; the zero value is not usable.
type Limiter struct {
	log   *slog.Logger
	every time.Duration
	now   func() time.Time

	mu    sync.Mutex
	kinds map[string]*limited
}

type limited struct {
	last time.Time
	more uint64
}

// maxKinds bounds the memory when a caller builds kinds from data; beyond it all share one slot.
const maxKinds = 256

// NewLimiter makes a limiter; every must be positive.
func NewLimiter(log *slog.Logger, every time.Duration) *Limiter {
	return &Limiter{log: log, every: every, now: time.Now, kinds: make(map[string]*limited)}
}

// Log writes a record unless one of the same message passed less than the interval ago. msg must be
// a constant; facts go into args.
func (l *Limiter) Log(ctx context.Context, level slog.Level, msg string, args ...any) {
	l.LogFor(ctx, 1, level, msg, args...)
}

// LogFor is Log for helpers: the record shows the caller that many calls above it, 0 being whoever calls LogFor.
func (l *Limiter) LogFor(ctx context.Context, calls int, level slog.Level, msg string, args ...any) {
	if !l.log.Enabled(ctx, level) {
		return
	}
	more, pass := l.pass(msg)
	if !pass {
		return
	}
	if more > 0 {
		args = append(args[:len(args):len(args)], slog.Uint64("more", more))
	}
	var pcs [1]uintptr
	runtime.Callers(2+calls, pcs[:])
	r := slog.NewRecord(l.now(), level, msg, pcs[0])
	r.Add(args...)
	// A handler's error has nowhere to go: this is the logger. The sink counts lost records.
	_ = l.log.Handler().Handle(ctx, r)
}

func (l *Limiter) pass(kind string) (more uint64, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.kinds[kind]
	if k == nil {
		if len(l.kinds) >= maxKinds {
			kind = ""
			k = l.kinds[kind]
		}
		if k == nil {
			k = &limited{}
			l.kinds[kind] = k
		}
	}
	now := l.now()
	if !k.last.IsZero() && now.Sub(k.last) < l.every && !now.Before(k.last) {
		k.more++
		return 0, false
	}
	more, k.last, k.more = k.more, now, 0
	return more, true
}

// Suppressed is the number of records held back since the last one that passed, over all kinds.
func (l *Limiter) Suppressed() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	var n uint64
	for _, k := range l.kinds {
		n += k.more
	}
	return n
}

// Flush writes one record per kind that still holds records back, for a daemon that stops.
func (l *Limiter) Flush(ctx context.Context, level slog.Level) {
	l.mu.Lock()
	held := map[string]uint64{}
	for kind, k := range l.kinds {
		if k.more > 0 {
			held[kind], k.more = k.more, 0
		}
	}
	l.mu.Unlock()
	for kind, n := range held {
		l.log.Log(ctx, level, kind, slog.Uint64("more", n))
	}
}
