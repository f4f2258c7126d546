package transport

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
)

// FullPolicy says what happens to a request whose class has no room.
type FullPolicy uint8

const (
	// StopReading keeps the request aside and reads nothing more from its peer until there is room, so that the
	// sender is slowed down by TCP. Peers wait in the order they came; requests of other classes go on. For work
	// that must not be refused, such as returns.
	StopReading FullPolicy = iota
	// Answer sends the class's fixed answer at once and goes on reading.
	Answer
)

// String returns the policy's name.
func (p FullPolicy) String() string {
	if p == Answer {
		return "answer"
	}
	return "stop reading"
}

// Class is one kind of work with its own queue and workers, so that cheap requests never wait behind dear ones.
//
// The limits count every request that was taken and has not been answered: waiting, being handled, or kept by a
// handler that replies later. Queue requests may wait beside the Workers being handled.
type Class struct {
	Name       string     // for statistics and logs
	Queue      int        // requests beyond the ones being handled; at least 1
	QueueBytes int64      // sum of their bodies; 0 = 256 MiB. A single larger request passes when it is alone
	Workers    int        // goroutines that call Handle; 0 = GOMAXPROCS
	Full       FullPolicy // when a limit is reached
	Answer     []byte     // the reply body for Full == Answer; nil = RequestServerConfig.Malformed
}

// DefaultQueueBytes is the limit of a class with QueueBytes 0.
const DefaultQueueBytes = 256 << 20

// classQueue is a Class at work.
type classQueue struct {
	Class
	ch         chan *Request // has room for everything that is admitted, so sending never blocks
	unanswered *requestList  // of the server

	mu       sync.Mutex
	requests int
	bytes    int64
	waiting  []*classWaiter // peers held up, in the order they came
	closed   bool           // nothing more is admitted; ch is closed

	received, refused, stalls atomic.Uint64
}

// classWaiter is a peer that found the class full. done gets whether its request was admitted.
type classWaiter struct {
	request *Request
	done    chan bool
}

func newClassQueue(c Class, fallback []byte, unanswered *requestList) (*classQueue, error) {
	if c.Queue < 1 || c.Workers < 0 || c.QueueBytes < 0 || c.Full > Answer {
		return nil, fmt.Errorf("%w: class %q: queue %d, workers %d, bytes %d, policy %d",
			ErrConfig, c.Name, c.Queue, c.Workers, c.QueueBytes, c.Full)
	}
	if c.Workers == 0 {
		c.Workers = runtime.GOMAXPROCS(0)
	}
	if c.QueueBytes == 0 {
		c.QueueBytes = DefaultQueueBytes
	}
	if c.Answer == nil {
		c.Answer = fallback
	}
	return &classQueue{Class: c, ch: make(chan *Request, c.Queue+c.Workers), unanswered: unanswered}, nil
}

// placed is what became of a request.
type placed uint8

const (
	placedQueued  placed = iota // a worker will have it
	placedFull                  // no room, and the class does not wait
	placedStopped               // the class is closed
)

// place gives r to the workers. When there is no room it waits, if the class stops reading.
func (q *classQueue) place(r *Request) placed {
	q.mu.Lock()
	switch {
	case q.closed:
		q.mu.Unlock()
		return placedStopped
	case len(q.waiting) == 0 && q.fits(r):
		q.admit(r)
		q.mu.Unlock()
		return placedQueued
	case q.Full == Answer:
		q.mu.Unlock()
		return placedFull
	}
	w := &classWaiter{request: r, done: make(chan bool, 1)}
	q.waiting = append(q.waiting, w)
	q.mu.Unlock()
	q.stalls.Add(1)
	if <-w.done {
		return placedQueued
	}
	return placedStopped
}

// fits reports whether there is room for r. Under mu.
func (q *classQueue) fits(r *Request) bool {
	return q.requests < q.Queue+q.Workers && (q.bytes == 0 || q.bytes+int64(len(r.body)) <= q.QueueBytes)
}

// admit takes r in. Under mu.
func (q *classQueue) admit(r *Request) {
	q.requests++
	q.bytes += int64(len(r.body))
	q.unanswered.add(r)
	q.ch <- r
}

// release gives the room of one answered request back, to those who wait for it first.
func (q *classQueue) release(r *Request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.requests--
	q.bytes -= int64(len(r.body))
	n := 0
	for ; n < len(q.waiting) && !q.closed && q.fits(q.waiting[n].request); n++ {
		q.admit(q.waiting[n].request)
		q.waiting[n].done <- true
		q.waiting[n] = nil
	}
	if q.waiting = q.waiting[n:]; len(q.waiting) == 0 {
		q.waiting = nil
	}
}

// close ends the workers once they have handled what is queued, and turns waiting peers away.
func (q *classQueue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	q.closed = true
	close(q.ch)
	for _, w := range q.waiting {
		w.done <- false
	}
	q.waiting = nil
}

func (q *classQueue) stats() ClassStats {
	q.mu.Lock()
	defer q.mu.Unlock()
	return ClassStats{
		Name: q.Name, Waiting: int64(q.requests), WaitingBytes: q.bytes,
		Received: q.received.Load(), Refused: q.refused.Load(), Stalls: q.stalls.Load(),
	}
}
