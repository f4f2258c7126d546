package relay

import "time"

// Bounds of what is held of the direct link.
const (
	holdTime = 3 * time.Second
	maxHeld  = 2000
)

// race holds what the direct link brings after a cut, until the stream has brought the same publication, hence all before
// it; or until nobody expects that any more. While the link was not cut it is ahead, and its copies go out at once. What may
// go out in the end tells order. It has no clock and no socket.
//
//	in sync ──link cut──▶ holding ──one that is held went out by the stream, or holdTime──▶ in sync
type race struct {
	synced bool
	held   [][][]byte // messages
	since  time.Time  // the oldest one held
}

// direct takes a message of the direct link; false when it goes out now, full that all held ones have to.
func (r *race) direct(frames [][]byte, now time.Time) (held, full bool) {
	if r.synced {
		return false, false
	}
	if len(r.held) == 0 {
		r.since = now
	}
	r.held = append(r.held, frames)
	return true, len(r.held) >= maxHeld
}

// stream takes that a copy has gone out by the stream. When it is held, before are those that the stream did not bring, after
// those that may go out now.
func (r *race) stream(frame []byte) (before, after [][][]byte, held bool) {
	for i, m := range r.held {
		if string(m[len(m)-1]) == string(frame) {
			before, after = r.held[:i], r.held[i+1:]
			r.release()
			return before, after, true
		}
	}
	return nil, nil, false
}

// cut takes that the direct link is down.
func (r *race) cut() { r.synced = false }

// due reports whether what is held was held for too long. A stream that cannot be read is waited for as well: one line may
// carry both, and the direct link comes back first.
func (r *race) due(now time.Time) bool { return len(r.held) > 0 && now.Sub(r.since) >= holdTime }

// release lets go of all that is held.
func (r *race) release() [][][]byte {
	out := r.held
	r.held, r.synced = nil, true
	return out
}
