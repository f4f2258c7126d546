package relay

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/transport/zmtp"
)

// Bounds of subscriptions at an outlet: a syndic has one or two.
const (
	maxSubscriptions     = 64
	maxSubscriptionBytes = 4096
	subscriberQueue      = 10_000
	// subscriberHeartbeat is how often a silent one is asked for a sign of life: one whose host is gone has to be known to
	// have left while what it got is remembered.
	subscriberHeartbeat = 10 * time.Second
)

// publisher is the PUB side of an outlet: it knows who listens, which a plain PUB socket does not tell, and what went out
// lately, which who subscribes anew gets again.
type publisher struct {
	log    *slog.Logger
	maxAge time.Duration // of what is sent again
	report func(Missed)  // does not wait
	came   *newcomers

	mu      sync.Mutex
	index   *zmtp.Index[*zmtp.Conn]
	changed chan struct{} // closed and replaced when somebody subscribes
	joining map[*zmtp.Conn]*newcomer
	since   map[*zmtp.Conn]uint64 // the first that went out to a subscriber
	knows   map[*zmtp.Conn]bool   // saltern syndics that know what they had
	spare   spare
	handed  handed
	overdue *time.Timer // runs while somebody left and nobody followed
	stopped bool
	resent  atomic.Int64
}

func newPublisher(maxAge time.Duration, came *newcomers, report func(Missed), log *slog.Logger) *publisher {
	return &publisher{
		log: log, maxAge: maxAge, came: came, report: report, index: zmtp.NewIndex[*zmtp.Conn](maxSubscriptions, maxSubscriptionBytes),
		changed: make(chan struct{}), joining: map[*zmtp.Conn]*newcomer{}, since: map[*zmtp.Conn]uint64{}, knows: map[*zmtp.Conn]bool{},
	}
}

// Opened implements zmtp.Handler.
func (p *publisher) Opened(*zmtp.Conn) error { return nil }

// Message implements zmtp.Handler; subscribers send none.
func (p *publisher) Message(*zmtp.Conn, [][]byte) {}

// Subscribed implements zmtp.Handler.
func (p *publisher) Subscribed(c *zmtp.Conn, topic []byte, on bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.joining[c]
	_, joined := p.since[c]
	if string(topic) == wire.TopicRepeats {
		p.knows[c] = on
	}
	switch {
	case !on && n != nil:
		n.topics = slices.DeleteFunc(n.topics, func(t string) bool { return t == string(topic) })
		return nil
	case !on:
		p.index.Remove(c, topic)
		return nil
	case joined:
		return p.add(c, topic)
	case n == nil:
		n = &newcomer{fresh: p.came.joins(time.Now())}
		p.joining[c] = n
		if len(p.handed.list) > 0 {
			time.AfterFunc(settleTime, func() { p.join(c) }) // ends by itself, and finds nothing to do when c has gone
		}
	}
	if len(n.topics) >= maxSubscriptions {
		return zmtp.ErrSubscriptions
	}
	n.topics = append(n.topics, string(topic))
	if len(p.handed.list) == 0 {
		delete(p.joining, c)
		p.since[c] = p.handed.next
		return p.add(c, topic)
	}
	return nil
}

// add subscribes one that is there. It is called with the lock held.
func (p *publisher) add(c *zmtp.Conn, topic []byte) error {
	if _, err := p.index.Add(c, topic); err != nil {
		return err
	}
	close(p.changed)
	p.changed = make(chan struct{})
	return nil
}

// Closed implements zmtp.Handler.
func (p *publisher) Closed(c *zmtp.Conn, _ error) {
	unread, now := uint64(0), time.Now()
	p.mu.Lock()
	p.index.Drop(c)
	delete(p.joining, c)
	delete(p.knows, c)
	first, joined := p.since[c]
	delete(p.since, c)
	switch s := p.spare; {
	case !joined, p.stopped:
	case !s.at.IsZero() && now.Sub(s.at) < handedTime && first < s.number:
		p.spare = spare{}
		unread = p.handed.replaced(first, s.number, now)
	default:
		p.handed.leave(first, now)
		if len(p.handed.left) > 0 && p.overdue == nil {
			p.overdue = time.AfterFunc(handedTime, p.unfollowed)
		}
	}
	p.mu.Unlock()
	p.unread(unread)
}

func (p *publisher) members() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.index.Members()
}

// allKnow reports whether somebody is there, and everybody is a saltern syndic that knows what it had: it finds what it missed
// by the serials.
func (p *publisher) allKnow() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.since {
		if !p.knows[c] {
			return false
		}
	}
	return len(p.since) > 0
}

// present reports whether somebody subscribes.
func (p *publisher) present() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.since)+len(p.joining) > 0
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
// comes again, rather than left with a hole. heard is when it was published, epoch the name of its key, "" when that is not
// known. errNobody when nobody got it.
func (p *publisher) publish(frames [][]byte, heard time.Time, epoch string) error {
	m := zmtp.Encode(frames)
	p.mu.Lock()
	to := p.index.Match(nil, frames[0])
	if len(to) == 0 {
		p.mu.Unlock()
		return errNobody
	}
	number := p.handed.add(time.Now(), heard, epoch, frames, m)
	p.mu.Unlock()
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
	if sent > 0 {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.handed.retract(number) {
		return errNobody
	}
	return nil // somebody came meanwhile, and got it
}
