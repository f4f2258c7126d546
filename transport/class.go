package transport

import (
	"fmt"
	"runtime"
	"sync/atomic"
)

// FullPolicy says what happens to a request whose class has no room.
type FullPolicy uint8

const (
	// StopReading keeps the request aside and reads nothing more from any peer until there is room, so that
	// the senders are slowed down by TCP. For work that must not be refused, such as returns.
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

// classQueue is a Class at work. Only the owner goroutine sends on ch and closes it; the counters are lowered by
// whoever answers.
type classQueue struct {
	Class
	ch       chan *Request
	requests atomic.Int64
	bytes    atomic.Int64

	received, refused, stalls atomic.Uint64
}

func newClassQueue(c Class, fallback []byte) (*classQueue, error) {
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
	// The channel has room for everything admit lets in, so sending on it never blocks the owner.
	return &classQueue{Class: c, ch: make(chan *Request, c.Queue+c.Workers)}, nil
}

// admit reserves room for a request of n body bytes. Only the owner adds, so check and add need no lock.
func (q *classQueue) admit(n int) bool {
	if q.requests.Load() >= int64(q.Queue+q.Workers) {
		return false
	}
	if held := q.bytes.Load(); held > 0 && held+int64(n) > q.QueueBytes {
		return false
	}
	q.requests.Add(1)
	q.bytes.Add(int64(n))
	return true
}

// release gives the room of one answered request back.
func (q *classQueue) release(n int) {
	q.bytes.Add(int64(-n))
	q.requests.Add(-1)
}
