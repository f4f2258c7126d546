package stock

import (
	"math/rand/v2"
	"net"
	"time"
)

const (
	linkChunk   = 32 << 10
	linkQueue   = 64                     // chunks on their way in one direction
	retransmit  = 200 * time.Millisecond // the least a lost packet costs under Linux
	linkConnect = 5 * time.Second
)

// chunk is data on its way; it may be written from due on.
type chunk struct {
	data []byte
	due  time.Time
}

func (l *Link) accept() {
	for {
		conn, err := l.listener.Accept()
		if err != nil {
			return
		}
		in := conn.(*net.TCPConn)
		if l.hold(in) {
			l.workers.Go(func() { l.carry(in) })
		}
	}
}

// carry connects on, as soon as the link passes, and forwards until one side ends.
func (l *Link) carry(in *net.TCPConn) {
	defer l.release(in)
	if !l.passing(in) {
		return
	}
	conn, err := net.DialTimeout("tcp", l.target, linkConnect)
	if err != nil {
		return
	}
	out := conn.(*net.TCPConn)
	if !l.hold(out) {
		return
	}
	ended := make(chan struct{}, 2)
	for _, way := range []struct {
		from, to *net.TCPConn
		count    *Counter
	}{{in, out, &l.up}, {out, in, &l.down}} {
		queue := make(chan chunk, linkQueue)
		l.workers.Go(func() { l.read(way.from, queue, way.count) })
		l.workers.Go(func() {
			l.write(way.to, queue)
			ended <- struct{}{}
		})
	}
	<-ended
	l.release(out)
	l.release(in)
	<-ended
}

// read queues what comes; the queue is closed at the end.
func (l *Link) read(from *net.TCPConn, queue chan<- chunk, count *Counter) {
	defer close(queue)
	stream := count.stream()
	for {
		buf := make([]byte, linkChunk)
		n, err := from.Read(buf)
		if n > 0 {
			stream.write(buf[:n])
			queue <- chunk{data: buf[:n], due: time.Now().Add(l.lag())}
		}
		if err != nil {
			return
		}
	}
}

// lag is how long a piece of data read now is under way.
func (l *Link) lag() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	lag := l.delay
	if l.loss > 0 && rand.Float64() < l.loss {
		lag += max(retransmit, 2*l.delay)
	}
	return lag
}

// write empties the queue to its end, so that the reader never blocks on it for good.
func (l *Link) write(to *net.TCPConn, queue <-chan chunk) {
	good := true
	for c := range queue {
		if !good {
			continue
		}
		if wait := time.Until(c.due); wait > 0 {
			time.Sleep(wait)
		}
		if good = l.passing(to); !good {
			continue
		}
		_, err := to.Write(c.data)
		good = err == nil
		if !good {
			l.release(to)
		}
	}
}

// passing waits until the link passes; false when the connection has been reset meanwhile.
func (l *Link) passing(conn *net.TCPConn) bool {
	for {
		mode, moved := l.state()
		switch {
		case mode == Cut || !l.held(conn):
			return false
		case mode == Passing:
			return true
		}
		<-moved
	}
}
