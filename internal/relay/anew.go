package relay

import (
	"slices"
	"strings"
	"time"

	"github.com/saltern-io/saltern/transport/zmtp"
)

// spare is a subscriber that subscribed anew while its former subscription seemed to go on.
type spare struct {
	at     time.Time // zero = there is none
	number uint64    // the next one that went out then
}

// newcomer is a subscriber whose subscriptions may not be complete: it gets nothing yet.
type newcomer struct {
	fresh  bool // it may be a process that was not there before
	topics []string
}

// settleTime is how long after its first subscription the others of a subscriber are waited for, when something may have to be
// sent again: what is sent by one subscription after the other would not be in order.
const settleTime = 250 * time.Millisecond

// join lets a newcomer in: with what went out lately, if it is sure to know what it had, and then with what comes. What those
// had who left, and it does not get, is reported.
func (p *publisher) join(c *zmtp.Conn) {
	p.mu.Lock()
	n := p.joining[c]
	delete(p.joining, c)
	if n == nil {
		p.mu.Unlock()
		return
	}
	p.since[c] = p.handed.next
	var messages []*zmtp.Encoded
	knows := !n.fresh || p.knows[c]
	if knows {
		now := time.Now()
		messages, p.since[c] = p.handed.again(now, p.maxAge, func(topic []byte) bool {
			return slices.ContainsFunc(n.topics, func(t string) bool { return strings.HasPrefix(string(topic), t) })
		})
		if !n.fresh && len(p.handed.left) == 0 {
			p.spare = spare{now, p.handed.next}
		}
	}
	for _, m := range messages {
		if err := c.SendEncoded(m); err != nil {
			p.log.Warn("Syndic does not take what is sent again, disconnected", "peer", c.PeerIP(), "err", err)
			c.CloseWith(err)
			break
		}
	}
	for _, topic := range n.topics {
		if err := p.add(c, []byte(topic)); err != nil {
			c.CloseWith(err)
			break
		}
	}
	p.resent.Add(int64(len(messages)))
	unread := p.settle(knows)
	p.mu.Unlock()
	if len(messages) > 0 {
		p.log.Info("Syndic subscribed anew, what went out lately is sent again", "peer", c.PeerIP(), "publications", len(messages))
	}
	p.unread(unread)
}

// settle ends the matter of those who left. It is called with the lock held.
func (p *publisher) settle(again bool) uint64 {
	if p.overdue != nil {
		p.overdue.Stop()
		p.overdue = nil
	}
	return p.handed.settle(again)
}

func (p *publisher) unread(n uint64) {
	if n > 0 {
		p.report(Missed{
			Count: n, Reason: ReasonUnread, Time: time.Now(),
			Text: "handed to a subscription that ended, and cannot be sent again: so many were not read, at most",
		})
	}
}

// unfollowed reports what those had who left a while ago, when nobody came after them.
func (p *publisher) unfollowed() {
	p.mu.Lock()
	n := uint64(0)
	if p.overdue != nil {
		n = p.settle(false)
	}
	p.mu.Unlock()
	p.unread(n)
}

// stop takes that the outlet ends: what is in the kernel's buffers still reaches those who are there. It reports what those had
// who left before.
func (p *publisher) stop() {
	p.mu.Lock()
	p.stopped = true
	n := p.settle(false)
	p.mu.Unlock()
	p.unread(n)
}
