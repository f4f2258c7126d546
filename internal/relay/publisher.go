package relay

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/saltern-io/saltern/transport/zmtp"
)

// Bounds of subscriptions at an outlet: a syndic has one or two.
const (
	maxSubscriptions     = 64
	maxSubscriptionBytes = 4096
	subscriberQueue      = 10_000
)

// publisher is the PUB side of an outlet: it knows who listens, which a plain PUB socket does not tell.
type publisher struct {
	log *slog.Logger

	mu      sync.Mutex
	index   *zmtp.Index[*zmtp.Conn]
	changed chan struct{} // closed and replaced when somebody subscribes
}

func newPublisher(log *slog.Logger) *publisher {
	return &publisher{log: log, index: zmtp.NewIndex[*zmtp.Conn](maxSubscriptions, maxSubscriptionBytes), changed: make(chan struct{})}
}

// Opened implements zmtp.Handler.
func (p *publisher) Opened(*zmtp.Conn) error { return nil }

// Message implements zmtp.Handler; subscribers send none.
func (p *publisher) Message(*zmtp.Conn, [][]byte) {}

// Subscribed implements zmtp.Handler.
func (p *publisher) Subscribed(c *zmtp.Conn, topic []byte, on bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !on {
		p.index.Remove(c, topic)
		return nil
	}
	if _, err := p.index.Add(c, topic); err != nil {
		return err
	}
	close(p.changed)
	p.changed = make(chan struct{})
	return nil
}

// Closed implements zmtp.Handler.
func (p *publisher) Closed(c *zmtp.Conn, _ error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.index.Drop(c)
}

func (p *publisher) members() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.index.Members()
}

// ready waits for a subscriber.
func (p *publisher) ready(ctx context.Context) error {
	for {
		p.mu.Lock()
		members, changed := p.index.Members(), p.changed
		p.mu.Unlock()
		if members > 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// errNobody says that no subscriber wants a publication.
var errNobody = errors.New("no subscriber")

// flushTimeout is how long a publication may take on its way into a subscriber's kernel buffer.
const flushTimeout = 10 * time.Second

// publish sends to all who subscribed, and waits until the kernel has it: a subscriber that does not read is cut, so that it
// comes again, rather than left with a hole. errNobody when nobody got it.
func (p *publisher) publish(frames [][]byte) error {
	p.mu.Lock()
	to := p.index.Match(nil, frames[0])
	p.mu.Unlock()
	m := zmtp.Encode(frames)
	sent := 0
	for _, c := range to {
		if err := c.SendEncoded(m); err != nil {
			c.CloseWith(err)
			continue
		}
		flushed := time.NewTimer(flushTimeout)
		select {
		case <-c.Flushed():
			sent++
		case <-flushed.C:
			p.log.Warn("Syndic does not read its publications, disconnected", "peer", c.PeerIP())
			c.CloseWith(zmtp.ErrQueueFull)
		}
		flushed.Stop()
	}
	if sent == 0 {
		return errNobody
	}
	return nil
}
