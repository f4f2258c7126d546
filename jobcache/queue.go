package jobcache

import (
	"context"
	"sync"
)

// write is one queued request. Exactly one of the payload groups is set.
type write struct {
	ret     Return // with doneOne
	doneOne func(Outcome)

	rets     []Return // with doneMany: one unit, never split over two groups
	doneMany func([]Outcome)

	apply func(*group) error // with doneErr: jobs, lists, expiry
	// doneErr gets the result of the group's commit, or of apply.
	doneErr func(error)

	returns int // counts towards the limits of a group
	bytes   int64
}

// writeQueue is bounded by returns and bytes. When it is full, put waits: that is the back-pressure which
// reaches the socket. A write larger than all of the bound is let in alone.
type writeQueue struct {
	maxReturns int
	maxBytes   int64

	mu      sync.Mutex
	room    sync.Cond // puts wait here
	filled  sync.Cond // the committer waits here
	pending []write
	returns int
	bytes   int64
	closed  error // set once: no more puts
	blocked uint64
}

func newWriteQueue(maxReturns int, maxBytes int64) *writeQueue {
	q := &writeQueue{maxReturns: maxReturns, maxBytes: maxBytes}
	q.room.L, q.filled.L = &q.mu, &q.mu
	return q
}

// put queues w, waiting for room. It fails when the queue is closed or ctx ends first.
func (q *writeQueue) put(ctx context.Context, w write) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.full(w) && q.closed == nil {
		q.blocked++
		stop := context.AfterFunc(ctx, func() {
			q.mu.Lock()
			defer q.mu.Unlock()
			q.room.Broadcast()
		})
		defer stop()
		for q.full(w) && q.closed == nil && ctx.Err() == nil {
			q.room.Wait()
		}
	}
	if q.closed != nil {
		return q.closed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	q.pending = append(q.pending, w)
	q.returns += w.returns
	q.bytes += w.bytes
	q.filled.Signal()
	return nil
}

func (q *writeQueue) full(w write) bool {
	if len(q.pending) == 0 {
		return false
	}
	return q.returns+w.returns > q.maxReturns || q.bytes+w.bytes > q.maxBytes
}

// take moves the oldest writes, up to the limits of one group but at least one, to dst. It waits for the
// first one, and returns nothing only when the queue is closed and empty.
func (q *writeQueue) take(dst []write) []write {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.pending) == 0 && q.closed == nil {
		q.filled.Wait()
	}
	var (
		n       int
		returns int
		bytes   int64
	)
	for n < len(q.pending) {
		w := &q.pending[n]
		if n > 0 && (returns+w.returns > groupReturns || bytes+w.bytes > groupBytes) {
			break
		}
		returns += w.returns
		bytes += w.bytes
		n++
	}
	dst = append(dst, q.pending[:n]...)
	left := copy(q.pending, q.pending[n:])
	clear(q.pending[left:])
	q.pending = q.pending[:left]
	if left == 0 && cap(q.pending) > 4*groupReturns {
		q.pending = nil // a burst must not keep its memory for ever
	}
	q.returns -= returns
	q.bytes -= bytes
	q.room.Broadcast()
	return dst
}

// close refuses further puts with err; what is queued stays to be taken.
func (q *writeQueue) close(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed == nil {
		q.closed = err
	}
	q.room.Broadcast()
	q.filled.Broadcast()
}

func (q *writeQueue) depth() (returns int, bytes int64, blocked uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.returns, q.bytes, q.blocked
}
