package zmtp

import (
	"sync"
)

// sendQueue holds the messages on their way to one peer. Whoever finds nobody writing writes himself, everything
// that is queued; only while the kernel takes no more is there a goroutine that waits for it.
type sendQueue struct {
	mu      sync.Mutex
	list    []*Encoded // from head on
	head    int
	off     int   // bytes of list[head] already sent
	bytes   int64 // of the list
	sent    uint64
	writing bool // somebody works on the list
	waiting bool // and waits for the kernel
	closed  bool
	room    chan struct{} // closed when the queue is at most half full, or for good
	empty   chan struct{} // closed when the queue is empty, or for good
	small   [1]*Encoded

	writeFn func(fd uintptr) bool
	chunk   [][]byte // what writeFn sends
	wait    bool     // writeFn waits for the kernel
	n       int
	err     error
}

// push adds m. start says that the caller has to write now.
func (q *sendQueue) push(m *Encoded, cfg *Config) (start bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false, ErrClosed
	}
	n := len(q.list) - q.head
	if n >= cfg.SendQueue || n > 0 && q.bytes+int64(m.size) > cfg.SendQueueBytes {
		return false, ErrQueueFull
	}
	if q.list == nil {
		q.list = q.small[:0]
	}
	if q.head > 0 && len(q.list) == cap(q.list) {
		q.compact()
	}
	q.list = append(q.list, m)
	q.bytes += int64(m.size)
	if q.writing {
		return false, nil
	}
	return true, nil
}

// compact moves the list to the front of its memory.
func (q *sendQueue) compact() {
	n := copy(q.list, q.list[q.head:])
	clear(q.list[n:])
	q.list, q.head = q.list[:n], 0
}

// claim makes the caller the one who writes. False when there is nothing to do.
func (q *sendQueue) claim() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.writing || q.closed || q.head == len(q.list) {
		return false
	}
	q.writing = true
	return true
}

// Limits of one write.
const (
	chunkMessages = 64
	chunkBytes    = 256 << 10
	keepList      = 64 // longer lists give their memory back when empty
)

// gather puts the next pieces to write into buf. Nothing when all is sent: then nobody is writing any more.
func (q *sendQueue) gather(buf [][]byte) [][]byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || q.head == len(q.list) {
		q.rest()
		return buf
	}
	off, size := q.off, 0
	for i := q.head; i < len(q.list) && i < q.head+chunkMessages && size < chunkBytes; i++ {
		buf = q.list[i].appendFrom(buf, off)
		size += q.list[i].size - off
		off = 0
	}
	return buf
}

// rest ends the writing: the list is empty or closed. Under mu.
func (q *sendQueue) rest() {
	q.writing, q.waiting = false, false
	if cap(q.list) > keepList {
		q.list = q.small[:0]
	}
	q.list, q.head, q.off, q.bytes = q.list[:0], 0, 0, 0
	q.small[0] = nil
	q.signal()
}

// signal wakes those who wait for room. Under mu.
func (q *sendQueue) signal() {
	if q.room != nil {
		close(q.room)
		q.room = nil
	}
	if q.empty != nil && q.head == len(q.list) {
		close(q.empty)
		q.empty = nil
	}
}

// advance takes n written bytes off the list.
func (q *sendQueue) advance(n int, cfg *Config) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.sent += uint64(n)
	for n > 0 && q.head < len(q.list) {
		m := q.list[q.head]
		left := m.size - q.off
		if n < left {
			q.off += n
			break
		}
		n -= left
		q.bytes -= int64(m.size)
		q.list[q.head] = nil
		q.head++
		q.off = 0
	}
	if q.room != nil && len(q.list)-q.head <= cfg.SendQueue/2 && q.bytes <= cfg.SendQueueBytes/2 {
		close(q.room)
		q.room = nil
	}
}

func (q *sendQueue) setWaiting(on bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = on
}

// close drops everything. What is being written right now ends with an error by itself.
func (q *sendQueue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.list, q.head, q.bytes = nil, 0, 0
	q.small[0] = nil
	q.signal()
}

func (q *sendQueue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.list) - q.head
}

// progress returns how many bytes were ever sent and whether more wait for the kernel.
func (q *sendQueue) progress() (sent uint64, busy bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.sent, q.waiting
}

var closedChan = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// roomy returns a channel that is closed once the queue is at most half full.
func (q *sendQueue) roomy(cfg *Config) <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || len(q.list)-q.head <= cfg.SendQueue/2 && q.bytes <= cfg.SendQueueBytes/2 {
		return closedChan
	}
	if q.room == nil {
		q.room = make(chan struct{})
	}
	return q.room
}

// emptied returns a channel that is closed once everything is sent.
func (q *sendQueue) emptied() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || q.head == len(q.list) {
		return closedChan
	}
	if q.empty == nil {
		q.empty = make(chan struct{})
	}
	return q.empty
}
