package relay

import (
	"sync"
	"time"

	"github.com/saltern-io/saltern/internal/wire"
)

const (
	// signInTime is how long after a sign-in any subscriber is taken for the one that signed in; the next one is for ever.
	signInTime = 10 * time.Second
	// signInLong is the same where several ids sign in, so that the next subscriber may be another one.
	signInLong = 10 * time.Minute
)

// newcomers tells whether a subscriber can be a process that was not there before. A stock syndic drops what it had by the
// serial, which it remembers with its key until it ends or signs in with another. Before it subscribes for the first time it
// has to sign in, and that request passes the outlet in clear. So who subscribes without one remembers what it had.
type newcomers struct {
	mu      sync.Mutex
	last    time.Time // of the last sign-in
	pending bool      // nobody has subscribed since
	id      string    // who signed in first
	several bool      // others did as well
}

// saw takes the body of a request.
func (n *newcomers) saw(body []byte, now time.Time) {
	e, refused := wire.ParseEnvelope(body)
	if refused == nil && e.Enc == wire.EncAES {
		return
	}
	id := "" // not to be told: like another one
	if refused == nil {
		if r, err := wire.ParseAuthRequest(e.Load, e.Level); err == nil {
			id = r.ID
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.last.IsZero() {
		n.id = id
	}
	n.several = n.several || n.id != id || id == ""
	n.last, n.pending = now, true
}

// joins takes that somebody subscribes, and reports whether that may be a process which was not there before.
func (n *newcomers) joins(now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	within := signInTime
	if n.several {
		within = signInLong
	}
	fresh := n.pending || !n.last.IsZero() && now.Sub(n.last) < within
	n.pending = false
	return fresh
}
