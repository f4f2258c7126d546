package outbox

import (
	"sync"
)

// op is one queued request. Exactly one of done, doneErr, ack and tick is set.
type op struct {
	unit Unit
	done func([]Outcome) // of the unit

	apply   func(*group) error
	doneErr func(error) // result of the group's commit, or of apply
	sync    bool        // with doneErr: the group must be synced, whatever is in it

	ack *ack

	tick bool // housekeeping

	entries int // counts towards the limits of a group
	bytes   int64
}

// input is bounded by entries and bytes. When it is full, put waits: that is the back-pressure which reaches the
// reader of the bus. A unit larger than all of the bound is let in alone.
type input struct {
	maxEntries int
	maxBytes   int64

	mu      sync.Mutex
	room    sync.Cond // puts wait here
	filled  sync.Cond // the committer waits here
	pending []op
	entries int
	bytes   int64
	closed  error // set once: no more puts
	ticking bool  // a tick is pending
	blocked uint64
}

func newInput(maxEntries int, maxBytes int64) *input {
	in := &input{maxEntries: maxEntries, maxBytes: maxBytes}
	in.room.L, in.filled.L = &in.mu, &in.mu
	return in
}

// put queues o, waiting for room. It fails when the input is closed.
func (in *input) put(o op) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.full(&o) && in.closed == nil {
		in.blocked++
		for in.full(&o) && in.closed == nil {
			in.room.Wait()
		}
	}
	if in.closed != nil {
		return in.closed
	}
	in.add(o)
	return nil
}

// tick queues housekeeping unless some is queued.
func (in *input) tick() {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed == nil && !in.ticking {
		in.ticking = true
		in.add(op{tick: true})
	}
}

func (in *input) add(o op) {
	in.pending = append(in.pending, o)
	in.entries += o.entries
	in.bytes += o.bytes
	in.filled.Signal()
}

func (in *input) full(o *op) bool {
	if len(in.pending) == 0 {
		return false
	}
	return in.entries+o.entries > in.maxEntries || in.bytes+o.bytes > in.maxBytes
}

// take moves the oldest requests, up to the limits of one group but at least one, to dst. It waits for the first
// one, and returns nothing only when the input is closed and empty.
func (in *input) take(dst []op) []op {
	in.mu.Lock()
	defer in.mu.Unlock()
	for len(in.pending) == 0 && in.closed == nil {
		in.filled.Wait()
	}
	var (
		n       int
		entries int
		bytes   int64
	)
	for n < len(in.pending) {
		o := &in.pending[n]
		if n > 0 && (entries+o.entries > groupEntries || bytes+o.bytes > groupBytes) {
			break
		}
		entries += o.entries
		bytes += o.bytes
		if o.tick {
			in.ticking = false
		}
		n++
	}
	dst = append(dst, in.pending[:n]...)
	left := copy(in.pending, in.pending[n:])
	clear(in.pending[left:])
	in.pending = in.pending[:left]
	if left == 0 && cap(in.pending) > groupEntries {
		in.pending = nil // a burst must not keep its memory for ever
	}
	in.entries -= entries
	in.bytes -= bytes
	in.room.Broadcast()
	return dst
}

// close refuses further puts with err; what is queued stays to be taken.
func (in *input) close(err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed == nil {
		in.closed = err
	}
	in.room.Broadcast()
	in.filled.Broadcast()
}

func (in *input) depth() (entries int, bytes int64, blocked uint64) {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.entries, in.bytes, in.blocked
}
