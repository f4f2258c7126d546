package event

import "sync"

// item is one event on its way. frame, with its length before it, is set only when a socket needs it.
type item struct {
	ev    Event
	frame []byte
}

func (it *item) size() int { return len(it.ev.Tag) + len(it.ev.Data) }

// queue belongs to one subscriber: one that pushes (the bus), one that takes.
type queue struct {
	maxEvents int
	maxBytes  int

	mu     sync.Mutex
	items  []item
	bytes  int
	closed bool
	wake   chan struct{} // holds one token when there is something to see
}

func newQueue(maxEvents, maxBytes int) *queue {
	return &queue{maxEvents: maxEvents, maxBytes: maxBytes, wake: make(chan struct{}, 1)}
}

// push never waits; false when there is no room. An event larger than all of the bound is let in alone.
func (q *queue) push(it item) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return true // nobody misses it any more
	}
	if n := len(q.items); n > 0 && (n >= q.maxEvents || q.bytes+it.size() > q.maxBytes) {
		return false
	}
	q.items = append(q.items, it)
	q.bytes += it.size()
	q.signal()
	return true
}

// take moves everything that waits to dst; more is false when the queue was closed. It does not wait: wake does.
func (q *queue) take(dst []item) (items []item, more bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	dst = append(dst, q.items...)
	if cap(q.items) > 1024 {
		q.items = nil
	}
	clear(q.items)
	q.items = q.items[:0]
	q.bytes = 0
	return dst, !q.closed
}

// close ends the queue; what is in it can still be taken.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.signal()
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *queue) depth() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items)
}
