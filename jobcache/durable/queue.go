package durable

import (
	"context"
	"sync"
)

// Weight is what an item costs: things in it, and bytes.
type Weight struct {
	Count int
	Bytes int64
}

func (w Weight) plus(o Weight) Weight { return Weight{w.Count + o.Count, w.Bytes + o.Bytes} }

func (w Weight) minus(o Weight) Weight { return Weight{w.Count - o.Count, w.Bytes - o.Bytes} }

func (w Weight) over(limit Weight) bool { return w.Count > limit.Count || w.Bytes > limit.Bytes }

// Queue hands items to one committer, in groups. When it is full, Put waits: that is the back-pressure which reaches
// the socket or the bus that items come from. An item larger than all of the bound is let in alone.
type Queue[T any] struct {
	bound, group Weight
	weigh        func(*T) Weight

	mu      sync.Mutex
	room    sync.Cond // puts wait here
	filled  sync.Cond // the committer waits here
	pending []T
	load    Weight
	closed  error // set once: no more puts
	blocked uint64
}

// NewQueue makes a queue that holds up to bound and gives groups of up to group. weigh is called often: it must be cheap,
// and always the same for an item.
func NewQueue[T any](bound, group Weight, weigh func(*T) Weight) *Queue[T] {
	q := &Queue[T]{bound: bound, group: group, weigh: weigh}
	q.room.L, q.filled.L = &q.mu, &q.mu
	return q
}

// Put queues item, waiting for room. It fails when the queue is closed, with the error given to Close, or when ctx ends
// first.
func (q *Queue[T]) Put(ctx context.Context, item T) error {
	w := q.weigh(&item)
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
	q.add(item, w)
	return nil
}

// Add queues item above the bound, without waiting: for what a process gives itself, one at a time. False when the queue
// is closed.
func (q *Queue[T]) Add(item T) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed != nil {
		return false
	}
	q.add(item, q.weigh(&item))
	return true
}

func (q *Queue[T]) add(item T, w Weight) {
	q.pending = append(q.pending, item)
	q.load = q.load.plus(w)
	q.filled.Signal()
}

func (q *Queue[T]) full(w Weight) bool {
	return len(q.pending) > 0 && q.load.plus(w).over(q.bound)
}

// Take appends the oldest items to dst, up to a group but at least one. It waits for the first one, and returns dst as it
// was only when the queue is closed and empty.
func (q *Queue[T]) Take(dst []T) []T {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.pending) == 0 && q.closed == nil {
		q.filled.Wait()
	}
	var (
		n     int
		taken Weight
	)
	for n < len(q.pending) {
		next := taken.plus(q.weigh(&q.pending[n]))
		if n > 0 && next.over(q.group) {
			break
		}
		taken = next
		n++
	}
	dst = append(dst, q.pending[:n]...)
	left := copy(q.pending, q.pending[n:])
	clear(q.pending[left:])
	q.pending = q.pending[:left]
	if left == 0 && cap(q.pending) > 4*q.group.Count {
		q.pending = nil // a burst must not keep its memory for ever
	}
	q.load = q.load.minus(taken)
	q.room.Broadcast()
	return dst
}

// Close refuses further items with err; what is queued stays to be taken. Later calls change nothing.
func (q *Queue[T]) Close(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed == nil {
		q.closed = err
	}
	q.room.Broadcast()
	q.filled.Broadcast()
}

// Closed is the error of the first Close, nil before.
func (q *Queue[T]) Closed() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}

// Depth is what waits now, and how often a Put had to wait since the start.
func (q *Queue[T]) Depth() (load Weight, blocked uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.load, q.blocked
}
