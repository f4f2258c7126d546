package relay

import (
	"slices"
	"time"

	"github.com/saltern-io/saltern/transport/zmtp"
)

// Bounds of what an outlet remembers of publications that went out.
const (
	// handedTime is how long a subscriber may leave a publication unread before it is taken for read: a stock syndic waits up
	// to half a minute for a request, and a minute for some, and reads nothing meanwhile.
	handedTime = time.Minute
	// maxHanded is as many as wait unread in a SUB socket of libzmq, by default. maxHandedBytes are those of all.
	maxHanded      = 1000
	maxHandedBytes = 16 << 20
	// maxHandedOut bounds those that can no longer be sent again, and are known by their number alone.
	maxHandedOut = 50_000
	// maxLeft bounds the subscribers that left and nobody followed.
	maxLeft = 16
)

// handout is one publication that went out.
type handout struct {
	number  uint64
	at      time.Time // when it went out
	heard   time.Time // when it was published, as far as that is known
	epoch   string    // name of the key, "" = not known
	topic   []byte    // what subscriptions are compared with
	message *zmtp.Encoded
	size    int
	again   uint64 // the last round in which it was sent again, 0 = none
	told    bool   // it was reported
}

// handed keeps what went out lately. A publication has no acknowledgement: what a subscriber had not read when its
// subscription ended is lost with it. When somebody subscribes after that, what is young is sent again, in order; what cannot
// be is counted, so that it can be reported.
//
//	went out   1 2 3 4 5 6           a leaves: 3 to 6 may be unread, as they went out in the last minute
//	a          ├─────────┤
//	b                      ├── 3 4 5 6 again, then 7
//
// It has no clock and no socket. The zero value is ready.
type handed struct {
	list  []handout // oldest first
	next  uint64    // number of the next one
	bytes int       // of the messages
	kept  int       // messages
	bare  int       // as many at the beginning of the list have none any more
	left  []departure
	lost  uint64 // of those that left, what found no room here
	round uint64 // of sending again
}

// departure is a subscriber that left.
type departure struct{ first, last uint64 }

// add takes one that goes out now, and returns its number.
func (h *handed) add(now, heard time.Time, epoch string, frames [][]byte, m *zmtp.Encoded) uint64 {
	h.prune(now)
	n := h.next
	h.next++
	topic := frames[0]
	if len(frames) == 1 { // a map: its first bytes are enough, and do not keep the frame
		topic = append([]byte(nil), topic[:min(len(topic), 64)]...)
	}
	size := 0
	for _, f := range frames {
		size += len(f)
	}
	h.list = append(h.list, handout{number: n, at: now, heard: heard, epoch: epoch, topic: topic, message: m, size: size})
	h.bytes += size
	h.kept++
	for ; (h.kept > maxHanded || h.bytes > maxHandedBytes) && h.bare < len(h.list); h.bare++ {
		h.forget(&h.list[h.bare])
	}
	return n
}

// forget lets a message go; that it was there is still known.
func (h *handed) forget(o *handout) {
	if o.message != nil {
		h.kept--
		h.bytes -= o.size
		o.message, o.topic = nil, nil
	}
}

// prune drops what everybody has read, if nobody left.
func (h *handed) prune(now time.Time) {
	drop := 0
	for drop < len(h.list) {
		o := &h.list[drop]
		full := len(h.list)-drop >= maxHandedOut
		if !full && (len(h.left) > 0 || now.Sub(o.at) <= handedTime) {
			break
		}
		if h.risky(o) {
			h.lost++
		}
		h.forget(o)
		drop++
	}
	h.list, h.bare = h.list[drop:], max(h.bare-drop, 0)
}

// retract takes back one that reached nobody; false when it was sent again meanwhile, to somebody who came.
func (h *handed) retract(n uint64) bool {
	for i := len(h.list) - 1; i >= 0; i-- {
		if o := &h.list[i]; o.number == n {
			if o.again > 0 {
				return false
			}
			h.forget(o)
			h.list = slices.Delete(h.list, i, i+1)
			h.bare = min(h.bare, i)
			return true
		}
	}
	return true
}

// leave takes that a subscriber which got everything since a number has left.
func (h *handed) leave(first uint64, now time.Time) {
	h.prune(now)
	if first >= h.next || len(h.list) == 0 {
		return // it got nothing that is not read for certain
	}
	d := departure{first: max(first, h.list[0].number), last: h.next - 1}
	if len(h.left) >= maxLeft {
		h.left[0].first, h.left[0].last = min(h.left[0].first, d.first), max(h.left[0].last, d.last)
		return
	}
	h.left = append(h.left, d)
}

// risky reports whether one may be unread by somebody who left.
func (h *handed) risky(o *handout) bool {
	if o.told {
		return false
	}
	for _, d := range h.left {
		if d.first <= o.number && o.number <= d.last {
			return true
		}
	}
	return false
}

// again returns what is to be sent again to a subscriber, in order: all that is younger than maxAge and sealed with the newest
// key that is known. first is the number of the first one, that of the next publication when there is none. Nobody who left
// has to be thought of any more for these: it is the subscriber's to read them now.
func (h *handed) again(now time.Time, maxAge time.Duration, wants func(topic []byte) bool) (messages []*zmtp.Encoded, first uint64) {
	epoch := ""
	for i := range h.list {
		if h.list[i].epoch != "" {
			epoch = h.list[i].epoch
		}
	}
	first = h.next
	h.round++
	for i := range h.list {
		o := &h.list[i]
		if o.message == nil || now.Sub(o.heard) >= maxAge || o.epoch != "" && o.epoch != epoch || !wants(o.topic) {
			continue
		}
		o.again, o.at = h.round, now
		messages = append(messages, o.message)
		first = min(first, o.number)
	}
	return messages, first
}

// settle ends the matter of all who left; somebody who came may have got again what the last round sent. It returns how many
// publications nobody knows to be read.
func (h *handed) settle(again bool) (unread uint64) {
	unread, h.lost = h.lost, 0
	for i := range h.list {
		if o := &h.list[i]; h.risky(o) && (!again || o.again != h.round) {
			o.told = true
			unread++
		}
	}
	h.left = nil
	return unread
}

// replaced takes that a subscriber which got everything since first has left when another one had taken its place already,
// and had got again what was young. It returns how many publications before that nobody knows to be read.
func (h *handed) replaced(first, by uint64, now time.Time) (unread uint64) {
	h.prune(now)
	for i := range h.list {
		if o := &h.list[i]; o.number >= first && o.number < by && o.again == 0 && !o.told {
			o.told = true
			unread++
		}
	}
	return unread
}
