package badlink

import (
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

const (
	segment = 1448 // bytes of a chunk
	window  = 256  // chunks under way per direction; behind them the sender waits, as TCP's does
)

// pair is one connection through the relay.
type pair struct {
	relay *Relay
	in    *net.TCPConn

	mu        sync.Mutex
	out       *net.TCPConn // nil until connected
	over      bool
	ended     chan struct{} // closed with the connection
	forgotten chan struct{} // closed by forget
	lost      bool
}

// chunk is a piece of a stream on its way.
type chunk struct {
	data []byte
	at   time.Time // when it arrives
}

func (p *pair) run() {
	defer p.reset()
	if !p.due(p.relay.arrival(time.Time{}, 0, 2)) { // the handshake
		return
	}
	c, err := net.Dial("tcp", p.relay.target)
	if err != nil {
		return
	}
	out := c.(*net.TCPConn)
	if !p.connected(out) {
		hangUp(out)
		return
	}
	var wg sync.WaitGroup
	wg.Go(func() { p.pump(out, p.in) })
	wg.Go(func() { p.pump(p.in, out) })
	wg.Wait()
}

func (p *pair) connected(out *net.TCPConn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.out = out
	return !p.over
}

// reset ends both sides at once; what is under way is lost.
func (p *pair) reset() { p.end(hangUp) }

// close ends both sides; what was written still arrives.
func (p *pair) close() { p.end(func(c *net.TCPConn) { _ = c.Close() }) } // may be broken already

func (p *pair) end(with func(*net.TCPConn)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return
	}
	p.over = true
	close(p.ended)
	with(p.in)
	if p.out != nil {
		with(p.out)
	}
}

func (p *pair) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.lost {
		p.lost = true
		close(p.forgotten)
	}
}

// pump carries one direction. An end of file passes like a byte does; an error ends the pair.
func (p *pair) pump(to, from *net.TCPConn) {
	queue := make(chan chunk, window)
	var wg sync.WaitGroup
	wg.Go(func() { p.deliver(to, queue) })
	defer wg.Wait()
	defer close(queue)
	var last time.Time
	for {
		buf := make([]byte, segment)
		n, err := from.Read(buf)
		if n > 0 {
			last = p.relay.arrival(last, n, 1)
			select {
			case queue <- chunk{buf[:n], last}:
			case <-p.ended:
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (p *pair) deliver(to *net.TCPConn, queue <-chan chunk) {
	for c := range queue {
		if !p.due(c.at) {
			continue // drain: the reader must not wait for us
		}
		if _, err := to.Write(c.data); err != nil {
			p.reset()
		}
	}
	select {
	case <-p.forgotten: // an end is not heard of either
	default:
		if p.due(time.Time{}) {
			p.close()
		}
	}
}

// due waits until a moment has come and the line lets something through; false when the pair has ended.
func (p *pair) due(at time.Time) bool {
	if wait := time.Until(at); wait > 0 {
		t := time.NewTimer(wait)
		defer t.Stop()
		select {
		case <-t.C:
		case <-p.ended:
			return false
		}
	}
	for {
		s, _, changed := p.relay.now()
		select {
		case <-p.forgotten:
			<-p.ended
			return false
		case <-p.ended:
			return false
		default:
		}
		if s == flowing {
			return true
		}
		select {
		case <-changed:
		case <-p.ended:
			return false
		}
	}
}

// arrival is when n bytes that are sent now arrive behind what arrives at last, after some trips.
func (r *Relay) arrival(last time.Time, n, trips int) time.Time {
	_, q, _ := r.now()
	at := time.Now().Add(time.Duration(trips) * q.Delay)
	for wait := 2*q.Delay + minRTO; rand.Float64() < q.Loss; wait *= 2 {
		at = at.Add(wait)
	}
	if last.After(at) {
		at = last
	}
	if q.Bandwidth > 0 {
		at = at.Add(time.Duration(n) * time.Second / time.Duration(q.Bandwidth))
	}
	return at
}
