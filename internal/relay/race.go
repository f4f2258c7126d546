package relay

import "time"

// Bounds of what is held of the direct link.
const (
	holdTime = 3 * time.Second
	maxHeld  = 2000
)

// race keeps the order of two ways: a stock syndic drops what is older than the last it got. While the direct link was never
// cut it is ahead, and its copies go out at once. After a cut what it brings is held until the stream has brought the same
// publication, hence all before it; or until nobody expects that any more. It has no clock and no socket.
//
//	in sync ──link cut──▶ holding ──the stream brings one that is held, or holdTime──▶ in sync
type race struct {
	synced bool
	held   [][][]byte // messages
	since  time.Time  // the oldest one held
}

// direct takes a message of the direct link and returns what goes out now.
func (r *race) direct(frames [][]byte, now time.Time) [][][]byte {
	if r.synced {
		return [][][]byte{frames}
	}
	if len(r.held) == 0 {
		r.since = now
	}
	r.held = append(r.held, frames)
	if len(r.held) >= maxHeld {
		return r.release()
	}
	return nil
}

// stream takes that a copy has come by the stream; what is held goes out when that copy is among it: before it nothing is
// missing any more.
func (r *race) stream(frame []byte) [][][]byte {
	for _, m := range r.held {
		if string(m[len(m)-1]) == string(frame) {
			return r.release()
		}
	}
	return nil
}

// cut takes that the direct link is down.
func (r *race) cut() { r.synced = false }

// tick lets go what was held for too long; alone tells that the stream cannot be read, so that nothing is worth waiting for.
func (r *race) tick(now time.Time, alone bool) [][][]byte {
	if len(r.held) > 0 && (alone || now.Sub(r.since) >= holdTime) {
		return r.release()
	}
	return nil
}

func (r *race) release() [][][]byte {
	out := r.held
	r.held, r.synced = nil, true
	return out
}
