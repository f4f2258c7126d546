package event

import (
	"io"
	"net"
	"sync"
	"time"
)

// socketSub is one subscriber of the publish socket: a queue and the goroutine that empties it.
type socketSub struct {
	conn net.Conn
	q    *queue
	cut  sync.Once
	late bool // cut off because the queue was full; set before the connection is closed
	mu   sync.Mutex
}

// cutOff is called by the bus, which must not wait: closing the connection wakes both goroutines.
func (s *socketSub) cutOff() {
	s.cut.Do(func() {
		s.mu.Lock()
		s.late = true
		s.mu.Unlock()
		s.q.close()
		_ = s.conn.Close() // its error would only say that it was closed already
	})
}

func (s *socketSub) wasLate() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.late
}

// drain lets the subscriber read what is queued, for at most limit.
func (s *socketSub) drain(limit time.Duration) {
	_ = s.conn.SetWriteDeadline(time.Now().Add(limit)) // fails only on a closed connection
	s.q.close()
}

// admitSubscriber makes the connection a subscriber at once, before the next one is accepted: Settle relies on that order.
func (s *Server) admitSubscriber(c net.Conn) (serve func()) {
	if s.settled(c) {
		_ = c.Close() // its work is done
		return nil
	}
	sub := &socketSub{conn: c, q: newQueue(s.bus.cfg.QueueEvents, s.bus.cfg.QueueBytes)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = c.Close() // nothing was promised to it
		return nil
	}
	s.subs[sub] = struct{}{}
	s.bus.addSocket(sub)
	return func() { s.serveSubscriber(sub) }
}

func (s *Server) serveSubscriber(sub *socketSub) {
	c := sub.conn
	var reader sync.WaitGroup
	reader.Go(func() {
		// Subscribers send nothing that matters, but the end of their stream has to be noticed.
		_, _ = io.Copy(io.Discard, c) // however it ends, the subscriber is gone
		sub.q.close()
		_ = c.SetWriteDeadline(time.Now()) // wakes a blocked writer
	})
	s.write(sub)

	s.bus.removeSocket(sub)
	_ = c.Close() // wakes the reader; nothing is left to be written
	reader.Wait()
	s.mu.Lock()
	delete(s.subs, sub)
	s.mu.Unlock()
	if sub.wasLate() {
		s.cuts.warn("Event subscriber cut off: it does not read fast enough", "queue", s.bus.cfg.QueueEvents)
	}
}

// maxWrite bounds the frames of one system call.
const maxWrite = 256

// write sends what is queued, many frames at once, until the queue is closed and empty or the connection fails.
func (s *Server) write(sub *socketSub) {
	skip := 0
	if s.framing == FramingBare {
		skip = lengthSize // frames are kept with their length
	}
	var (
		items   []item
		backing [][]byte
	)
	for more := true; more; {
		<-sub.q.wake
		items, more = sub.q.take(items)
		for rest := items; len(rest) > 0; {
			n := min(len(rest), maxWrite)
			backing = backing[:0]
			for i := range rest[:n] {
				backing = append(backing, rest[i].frame[skip:])
			}
			rest = rest[n:]
			bufs := net.Buffers(backing) // WriteTo changes its copy of the slice header only
			if _, err := bufs.WriteTo(sub.conn); err != nil {
				return // gone, cut off or stopped: all three are seen elsewhere
			}
		}
		clear(backing)
		items = emptied(items)
	}
}
