package relay

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/saltern-io/saltern/internal/wire"
)

const (
	// signInTime is how long after a sign-in any subscriber is taken for the one that signed in; the next one is for ever.
	signInTime = 10 * time.Second
	// signInLong is the same where several ids sign in, so that the next subscriber may be another one.
	signInLong = 10 * time.Minute
	// maxSyndicKeys bounds the keys that are remembered.
	maxSyndicKeys = 64
)

// newcomers tells whether a subscriber is sure to know what it had. A stock syndic drops that by the serial, which it remembers
// with the shared key until it ends or signs in. Before it subscribes for the first time it has to sign in, and that request
// passes the outlet in clear: who subscribes without one was there before.
//
// But for a process that found no key pair and made one. It keeps what belongs to a sign-in under the time of the key's file,
// which was not there at first: its second subscription begins with no serial, without a sign-in. So a key has to be seen
// with another process than the first.
//
// Safe for concurrent use.
type newcomers struct {
	present func() bool            // whether anybody subscribes now
	save    func(keys []syndicKey) // does not wait

	mu      sync.Mutex
	last    time.Time // of the last sign-in
	pending bool      // nobody has subscribed since
	id      string    // who signed in first
	several bool      // others did as well
	keys    []syndicKey
}

// syndicKey is a key that a syndic signed in with.
type syndicKey struct {
	ID  string `json:"id"`
	Key string `json:"key"` // a hash of it
	Had bool   `json:"had"` // who signed in with it has subscribed
	Old bool   `json:"old"` // it was there before the process that uses it

	waits bool // nobody has subscribed since
}

// saw takes the body of a request.
func (n *newcomers) saw(body []byte, now time.Time) {
	e, refused := wire.ParseEnvelope(body)
	if refused == nil && e.Enc == wire.EncAES {
		return
	}
	var r wire.AuthRequest // without an id: it cannot be told, like another one
	if refused == nil {
		if a, err := wire.ParseAuthRequest(e.Load, e.Level); err == nil {
			r = a
		}
	}
	present := n.present()
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.last.IsZero() {
		n.id = r.ID
	}
	n.several = n.several || n.id != r.ID || r.ID == ""
	n.last, n.pending = now, true
	if r.ID != "" {
		n.note(&r, present)
	}
}

// note remembers the key of a sign-in. Who has the master's key already, and had no other key before, did not make it now; nor
// did who comes with a key that somebody has subscribed with while nobody subscribes, as the process that made it has gone.
func (n *newcomers) note(r *wire.AuthRequest, present bool) {
	sum := sha256.Sum256([]byte(r.Pub))
	k := syndicKey{ID: r.ID, Key: hex.EncodeToString(sum[:16]), Old: len(r.Token) > 0, waits: true}
	for i, other := range n.keys {
		if other.ID != r.ID {
			continue
		}
		same := other.Key == k.Key
		k.Had = same && other.Had
		k.Old = same && (other.Old || other.Had && !present)
		n.keys = slices.Delete(n.keys, i, i+1)
		break
	}
	if len(n.keys) >= maxSyndicKeys {
		n.keys = n.keys[1:]
	}
	n.keys = append(n.keys, k)
}

// joins takes that somebody subscribes, and reports whether it may not know what it had.
func (n *newcomers) joins(now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	within := signInTime
	if n.several {
		within = signInLong
	}
	fresh := n.pending || !n.last.IsZero() && now.Sub(n.last) < within || len(n.keys) == 0
	for _, k := range n.keys {
		fresh = fresh || !k.Old
	}
	if n.pending {
		n.pending = false
		for i := range n.keys {
			k := &n.keys[i]
			k.Had, k.waits = k.Had || k.waits, false
		}
		n.save(slices.Clone(n.keys))
	}
	return fresh
}

func syndicKeysFact(outlet string) string { return "syndic keys\x00" + outlet }

func decodeSyndicKeys(value []byte) (keys []syndicKey, err error) {
	if err := json.Unmarshal(value, &keys); err != nil {
		return nil, fmt.Errorf("keys of syndics: %w", err)
	}
	return keys[:min(len(keys), maxSyndicKeys)], nil
}
