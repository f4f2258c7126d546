package stock

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"
)

// LinkMode is what a Link does with the bytes given to it.
type LinkMode uint8

// The modes of a link.
const (
	Passing LinkMode = iota // everything is carried
	Cut                     // connections are reset, new ones at once
	Silent                  // nothing is carried and nothing closed; what waits goes on when the link passes again
)

// Link is a TCP forwarder standing in for the network between two daemons, to be disturbed at will. It listens on
// one loopback address and connects to another, usually with the same port, so that an announced port leads through
// it as well. It counts the ZeroMQ messages carried each way.
//
// All methods may be called from any goroutine. Close ends what is left and waits for it.
type Link struct {
	listener net.Listener
	target   string
	up, down Counter // towards the target, and back

	mu     sync.Mutex
	mode   LinkMode
	moved  chan struct{} // closed and replaced when the mode changes
	delay  time.Duration
	loss   float64
	conns  map[*net.TCPConn]bool
	closed bool

	workers sync.WaitGroup
}

// OpenLink starts to forward connections made to listen ("127.0.1.1:14506") to target.
func OpenLink(listen, target string) (*Link, error) {
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("open link: %w", err)
	}
	l := &Link{listener: listener, target: target, moved: make(chan struct{}), conns: make(map[*net.TCPConn]bool)}
	l.workers.Go(l.accept)
	return l, nil
}

// Addr is where the link listens.
func (l *Link) Addr() string { return l.listener.Addr().String() }

// Set changes the mode. Cut takes what is under way with it.
func (l *Link) Set(mode LinkMode) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.set(mode)
}

func (l *Link) set(mode LinkMode) {
	l.mode = mode
	close(l.moved)
	l.moved = make(chan struct{})
	if mode == Cut {
		l.resetAll()
	}
}

// Impair delays every piece of data by delay; a share of them, 0 to 1, by a retransmission more, as packet loss
// does to those behind it in a TCP stream. Zeroes end it.
func (l *Link) Impair(delay time.Duration, loss float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.delay, l.loss = delay, loss
}

// Flap cuts and heals the link in turn, every period, until ctx ends; the link passes then.
func (l *Link) Flap(ctx context.Context, period time.Duration) {
	tick := time.NewTicker(period)
	defer tick.Stop()
	defer l.Set(Passing)
	for mode := Cut; ; mode = Cut - mode {
		l.Set(mode)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Messages are the ZeroMQ messages carried so far towards the target and back.
func (l *Link) Messages() (up, down int64) { return l.up.Messages(), l.down.Messages() }

// Close resets what is connected and waits for the forwarding to end.
func (l *Link) Close() error {
	l.mu.Lock()
	l.closed = true
	l.set(Cut)
	l.mu.Unlock()
	err := l.listener.Close()
	l.workers.Wait()
	return err
}

// resetAll is called with the lock held.
func (l *Link) resetAll() {
	for conn := range l.conns {
		reset(conn)
	}
	clear(l.conns)
}

// reset closes with RST instead of FIN. Errors mean that the connection is gone already.
func reset(conn *net.TCPConn) {
	_ = conn.SetLinger(0)
	_ = conn.Close()
}

// hold takes a connection into the books; false when the link is cut.
func (l *Link) hold(conn *net.TCPConn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mode == Cut || l.closed {
		reset(conn)
		return false
	}
	l.conns[conn] = true
	return true
}

func (l *Link) release(conn *net.TCPConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conns[conn] {
		delete(l.conns, conn)
		_ = conn.Close() // what was written still goes out
	}
}

// held tells whether the connection is still in the books.
func (l *Link) held(conn *net.TCPConn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.conns[conn]
}

// state is the mode and what ends with it.
func (l *Link) state() (LinkMode, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mode, l.moved
}
