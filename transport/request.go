package transport

import (
	"sync"
	"sync/atomic"
)

// Request is one received request. The server answers it exactly once: with what Handle passes to Reply, or by
// itself when the handler panics or the server stops first.
type Request struct {
	body     []byte
	envelope [][]byte // routing ids and the first empty frame, sent back unchanged
	peer     string

	out      *replyQueue
	class    *classQueue // nil for requests the owner answers itself
	answered atomic.Bool // written under out.mu
	reply    []byte      // written once, under out.mu

	prev, next *Request // unanswered list; owner goroutine only
	small      [2][]byte
}

// Body returns the one body frame. It belongs to the request's handler, which may keep it.
func (r *Request) Body() []byte { return r.body }

// Peer returns the sender's IP address, or "" unless RequestServerConfig.PeerAddress is set. Behind a proxy it is
// the proxy's.
func (r *Request) Peer() string { return r.peer }

// Reply answers the request. body must not be changed afterwards. It never blocks, may be called from any
// goroutine, during Handle or after it returned, and takes effect once: later calls, and calls after the server
// answered by itself or closed, are counted and do nothing.
func (r *Request) Reply(body []byte) { r.out.push(r, body) }

// replyQueue carries replies to the owner goroutine. Its length is bounded by the limits of the classes, since
// only unanswered requests can enter it.
type replyQueue struct {
	mu     sync.Mutex
	ready  []*Request
	closed bool
	late   atomic.Uint64
	wake   func()
}

func (q *replyQueue) push(r *Request, body []byte) {
	if !q.claim(r, body) {
		q.late.Add(1)
		return
	}
	r.class.release(len(r.body))
	q.wake()
}

// claim marks r answered and queues it, once.
func (q *replyQueue) claim(r *Request, body []byte) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || r.answered.Load() {
		return false
	}
	r.answered.Store(true)
	r.reply = body
	q.ready = append(q.ready, r)
	return true
}

// take returns what is ready and gives the queue spare to fill next.
func (q *replyQueue) take(spare []*Request) []*Request {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.ready) == 0 {
		return nil
	}
	batch := q.ready
	q.ready = spare[:0]
	return batch
}

// close answers every request of the list that nobody has answered with body and refuses all later replies.
// It returns what still has to be sent and how many of those it answered itself.
func (q *replyQueue) close(unanswered *requestList, body []byte) (batch []*Request, answered int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	for r := unanswered.first; r != nil; r = r.next {
		if r.answered.Load() {
			continue // in ready already
		}
		r.answered.Store(true)
		r.reply = body
		r.class.release(len(r.body))
		q.ready = append(q.ready, r)
		answered++
	}
	batch, q.ready = q.ready, nil
	return batch, answered
}

// requestList holds the requests given to workers and not yet sent back. Owner goroutine only.
type requestList struct {
	first *Request
	n     int
}

func (l *requestList) add(r *Request) {
	r.next = l.first
	if l.first != nil {
		l.first.prev = r
	}
	l.first = r
	l.n++
}

func (l *requestList) remove(r *Request) {
	if r.prev != nil {
		r.prev.next = r.next
	} else {
		l.first = r.next
	}
	if r.next != nil {
		r.next.prev = r.prev
	}
	r.prev, r.next = nil, nil
	l.n--
}
