package transport

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/saltern-io/saltern/transport/zmtp"
)

// Request is one received request. The server answers it exactly once: with what Handle passes to Reply, or by
// itself when the handler panics or the server stops first.
type Request struct {
	body     []byte
	envelope [][]byte // what a proxy put before, and the first empty frame: sent back unchanged
	conn     *zmtp.Conn
	server   *RequestServer
	class    *classQueue // nil for requests the server answers itself
	answered atomic.Bool

	prev, next *Request // unanswered list
	small      [1][]byte
}

// Body returns the one body frame. It belongs to the request's handler, which may keep it.
func (r *Request) Body() []byte { return r.body }

// Peer returns the sender's IP address. Behind a proxy it is the proxy's.
func (r *Request) Peer() string { return r.conn.PeerIP() }

// Reply answers the request. body must not be changed afterwards. It never blocks, may be called from any
// goroutine, during Handle or after it returned, and takes effect once: later calls, and calls after the server
// answered by itself, are counted and do nothing.
func (r *Request) Reply(body []byte) {
	if !r.settle(body) {
		r.server.count.late.Add(1)
	}
}

// settle answers r unless that has been done.
func (r *Request) settle(body []byte) bool {
	if !r.answered.CompareAndSwap(false, true) {
		return false
	}
	r.class.release(r)
	r.server.send(r, body)
	r.server.unanswered.remove(r)
	return true
}

// send writes one reply. It does not wait: a peer whose own queue is full, or that has gone, loses the reply and
// is counted.
func (s *RequestServer) send(r *Request, body []byte) {
	var frames [4][]byte
	err := r.conn.Send(append(append(frames[:0], r.envelope...), body))
	switch {
	case err == nil:
		s.count.sent.Add(1)
	case errors.Is(err, zmtp.ErrClosed):
		s.count.peerGone.Add(1)
	case errors.Is(err, zmtp.ErrQueueFull):
		s.count.peerFull.Add(1)
	default:
		s.count.sendErrors.Add(1)
		s.rare.Warn("Reply not sent", "peer", r.Peer(), "err", err)
	}
}

// requestList holds the requests given to workers and not yet answered.
type requestList struct {
	mu    sync.Mutex
	first *Request
	n     int
	empty chan struct{} // closed when n gets 0
}

func (l *requestList) add(r *Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r.next = l.first
	if l.first != nil {
		l.first.prev = r
	}
	l.first = r
	l.n++
}

func (l *requestList) remove(r *Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.prev != nil {
		r.prev.next = r.next
	} else {
		l.first = r.next
	}
	if r.next != nil {
		r.next.prev = r.prev
	}
	r.prev, r.next = nil, nil
	if l.n--; l.n == 0 && l.empty != nil {
		close(l.empty)
		l.empty = nil
	}
}

// emptied returns a channel that is closed when the list is empty.
func (l *requestList) emptied() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.empty == nil {
		l.empty = make(chan struct{})
	}
	empty := l.empty
	if l.n == 0 {
		close(l.empty)
		l.empty = nil
	}
	return empty
}

// all returns what is in the list.
func (l *requestList) all() (list []*Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for r := l.first; r != nil; r = r.next {
		list = append(list, r)
	}
	return list
}
