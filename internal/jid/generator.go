package jid

import (
	"sync"
	"time"
)

// Generator gives out job ids that are unique and strictly increasing, also when the clock stands still or steps back: it then goes
// on from the last one by microseconds. The zero value is ready and uses the system clock. Safe for concurrent use.
type Generator struct {
	now func() time.Time

	mu   sync.Mutex
	last time.Time
}

// NewGenerator returns a Generator with its own clock.
func NewGenerator(now func() time.Time) *Generator { return &Generator{now: now} }

// Next returns the next job id.
func (g *Generator) Next() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return New(g.advance())
}

// After makes every later id greater than s, so that a restarted master does not give out an id again. An id that is not valid
// or lies more than a minute ahead of the clock changes nothing: it would drag all later ids into the future.
func (g *Generator) After(s string) {
	t, ok := Time(s)
	if !ok {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if t.After(g.last) && t.Before(g.clock().Add(time.Minute)) {
		g.last = t
	}
}

func (g *Generator) clock() time.Time {
	if g.now == nil {
		return time.Now().UTC().Truncate(time.Microsecond)
	}
	return g.now().UTC().Truncate(time.Microsecond)
}

func (g *Generator) advance() time.Time {
	t := g.clock()
	if !t.After(g.last) {
		t = g.last.Add(time.Microsecond)
	}
	g.last = t
	return t
}
