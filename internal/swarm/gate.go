package swarm

import (
	"context"
	"sync"
	"time"
)

// gate lets a bounded number through at a time.
type gate chan struct{}

func newGate(n int) gate { return make(gate, n) }

// enter waits for a place; leave gives it back.
func (g gate) enter(ctx context.Context) error {
	select {
	case g <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (g gate) leave() { <-g }

// dial is dialZMTP behind the gate: without it ten thousand minions would overrun the listen backlog of
// the master at once, and time out in the kernel's retries.
func (g gate) dial(ctx context.Context, addr, socketType string, topics []string, opt linkOptions) (*zmtpConn, error) {
	if err := g.enter(ctx); err != nil {
		return nil, err
	}
	defer g.leave()
	return dialZMTP(ctx, addr, socketType, topics, opt)
}

// pacer spaces starts evenly at a rate. The zero value does not hold anything back.
type pacer struct {
	mu       sync.Mutex
	interval time.Duration
	next     time.Time
}

func newPacer(perSecond float64) *pacer {
	if perSecond <= 0 {
		return &pacer{}
	}
	return &pacer{interval: time.Duration(float64(time.Second) / perSecond)}
}

// wait returns at the caller's slot.
func (p *pacer) wait(ctx context.Context) error {
	if p.interval == 0 {
		return ctx.Err()
	}
	p.mu.Lock()
	slot := p.next
	if now := time.Now(); slot.Before(now) {
		slot = now
	}
	p.next = slot.Add(p.interval)
	p.mu.Unlock()
	return sleepUntil(ctx, slot)
}
