package badlink

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Quality is how good a line is. The zero value is a perfect one.
type Quality struct {
	Delay     time.Duration // one way
	Loss      float64       // 0 … 0.9: share of segments that are lost and sent again
	Bandwidth int           // bytes per second and direction; 0 = no limit
}

// minRTO is the shortest time after which TCP repeats a segment that nothing behind it gave away (Linux).
const minRTO = 200 * time.Millisecond

// state is what a relay does with what it reads.
type state uint8

const (
	flowing state = iota
	silent
	resetting
)

// Relay listens on a loopback port and passes connections on to one target. Make it with Listen.
type Relay struct {
	listener net.Listener
	target   string

	mu      sync.Mutex
	state   state
	quality Quality
	changed chan struct{} // closed and replaced when state changes
	conns   map[*pair]struct{}
	wg      sync.WaitGroup
	total   int
}

// Listen starts a relay to target ("host:port") on a free port of 127.0.0.1.
func Listen(target string) (*Relay, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("bad link: %w", err)
	}
	return Serve(l, target), nil
}

// Serve starts a relay behind a listener, which it closes in the end.
func Serve(l net.Listener, target string) *Relay {
	r := &Relay{listener: l, target: target, changed: make(chan struct{}), conns: map[*pair]struct{}{}}
	r.wg.Go(r.accept)
	return r
}

// Port is where the relay listens.
func (r *Relay) Port() int { return r.listener.Addr().(*net.TCPAddr).Port }

// Connections is how many connections were passed on so far.
func (r *Relay) Connections() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.total
}

// Set changes the line's quality for what is read from now on.
func (r *Relay) Set(q Quality) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.quality = q
}

// Reset resets every connection, and every new one at once, until Heal.
func (r *Relay) Reset() {
	r.become(resetting)
	for _, p := range r.open() {
		p.reset()
	}
}

// Silence stops all bytes without a word to either side, until Heal.
func (r *Relay) Silence() { r.become(silent) }

// Heal lets everything pass again.
func (r *Relay) Heal() { r.become(flowing) }

// Forget makes the connections of now silent for good. New ones are not concerned.
func (r *Relay) Forget() {
	for _, p := range r.open() {
		p.forget()
	}
}

// Close ends the relay and its connections.
func (r *Relay) Close() error {
	err := r.listener.Close()
	r.Reset()
	r.wg.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (r *Relay) become(s state) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state = s
	close(r.changed)
	r.changed = make(chan struct{})
}

// now is what to do at this moment, and a channel that is closed when that changes.
func (r *Relay) now() (state, Quality, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state, r.quality, r.changed
}

func (r *Relay) open() []*pair {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]*pair, 0, len(r.conns))
	for p := range r.conns {
		list = append(list, p)
	}
	return list
}

func (r *Relay) accept() {
	for {
		in, err := r.listener.Accept()
		if err != nil {
			return // Close
		}
		r.wg.Go(func() { r.serve(in.(*net.TCPConn)) })
	}
}

// serve passes one connection on until either side ends it.
func (r *Relay) serve(in *net.TCPConn) {
	p := &pair{relay: r, in: in, ended: make(chan struct{}), forgotten: make(chan struct{})}
	r.mu.Lock()
	if r.state == resetting {
		r.mu.Unlock()
		hangUp(in)
		return
	}
	r.conns[p] = struct{}{}
	r.total++
	r.mu.Unlock()
	p.run()
	r.mu.Lock()
	delete(r.conns, p)
	r.mu.Unlock()
}

// hangUp ends a connection with a reset.
func hangUp(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close() // may be closed already
}
