package transport

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/saltern-io/saltern/transport/zmtp"
)

// own is the goroutine that sends: one, so that the order of publications is the same for all.
func (s *PublishServer) own() error {
	for s.ctx.Err() == nil {
		select {
		case p := <-s.queue:
			s.send(p)
		case <-s.ctx.Done():
		}
	}
	for rest := true; rest; {
		select {
		case p := <-s.queue:
			s.send(p)
		default:
			rest = false
		}
	}
	if err := s.listener.Shutdown(s.cfg.Options.Linger); err != nil {
		return fmt.Errorf("publish on %s: %w", s.Addr(), err)
	}
	return nil
}

// send sends one call's messages unless the caller has given up.
func (s *PublishServer) send(p *publication) {
	if !p.state.CompareAndSwap(publicationQueued, publicationStarted) {
		s.count.abandoned.Add(uint64(len(p.messages)))
		return
	}
	for i, frames := range p.messages {
		s.enqueue(frames)
		if i%flushEvery == flushEvery-1 {
			s.flush()
		}
	}
	s.flush()
	p.done <- nil
}

// flushEvery is how many messages of a burst are put into the queues before they are written, a few at a time and
// connection.
const flushEvery = 32

// fanout is the memory that the sending goroutine uses again and again.
type fanout struct {
	matched []*subscription
	full    []*subscription
	dirty   []*subscription
}

// enqueue puts one message into the queue of everybody who asked for it, waiting for those that have no room.
func (s *PublishServer) enqueue(frames [][]byte) {
	m := zmtp.Encode(frames)
	s.mu.Lock()
	s.matched = s.index.Match(s.matched[:0], frames[0])
	s.mu.Unlock()
	full := s.full[:0]
	for _, sub := range s.matched {
		if !s.offer(sub, m) {
			full = append(full, sub)
		}
	}
	if len(full) > 0 {
		s.flush()
		full = s.retry(full, m)
	}
	if len(full) > 0 {
		s.wait(full)
		for _, sub := range s.retry(full, m) {
			s.cut(sub)
		}
	}
	s.count.messages.Add(1)
	for _, f := range frames {
		s.count.bytes.Add(uint64(len(f)))
	}
	clear(s.matched) // no hold on those that go
	s.full = full[:0]
	clear(s.full[:cap(s.full)])
}

// offer queues m for sub; false when there is no room.
func (s *PublishServer) offer(sub *subscription, m *zmtp.Encoded) bool {
	err := sub.conn.Enqueue(m)
	if err == nil && !sub.dirty {
		sub.dirty = true
		s.dirty = append(s.dirty, sub)
	}
	return !errors.Is(err, zmtp.ErrQueueFull)
}

// retry offers m again and returns those that still have no room.
func (s *PublishServer) retry(full []*subscription, m *zmtp.Encoded) []*subscription {
	left := full[:0]
	for _, sub := range full {
		if !s.offer(sub, m) {
			left = append(left, sub)
		}
	}
	return left
}

// wait waits until all of full have read half of their queue, for as long as the pacer allows. One wait pays for
// all that are stuck.
func (s *PublishServer) wait(full []*subscription) {
	s.count.stalls.Add(1)
	start := time.Now()
	timer := time.NewTimer(s.pacer.limit(start))
	defer timer.Stop()
	closing := s.ctx.Done()
	for _, sub := range full {
		for roomy := false; !roomy; {
			select {
			case <-sub.conn.Room():
				roomy = true
			case <-closing:
				closing = nil
				timer.Reset(s.patience())
			case <-timer.C:
				s.pacer.timedOut(time.Now())
				s.count.stallTimeouts.Add(1)
				return
			}
		}
	}
}

// patience is what is left of the linger time since Close was first seen.
func (s *PublishServer) patience() time.Duration {
	if s.closing.IsZero() {
		s.closing = time.Now()
	}
	return time.Until(s.closing.Add(s.cfg.Options.Linger))
}

// cut ends the connection of a subscriber that has not read for too long. It would miss messages anyway; so it
// learns that it did, and signs on again.
func (s *PublishServer) cut(sub *subscription) {
	s.count.cut.Add(1)
	s.log.Warn("Subscriber cut because it does not read", "peer", sub.conn.PeerIP(), "queued", sub.conn.Queued())
	sub.conn.CloseWith(errSlowSubscriber)
}

// flushAlone is the number of connections from which several goroutines write.
const flushAlone = 256

// flush writes what enqueue has queued.
func (s *PublishServer) flush() {
	part := len(s.dirty)
	if n := runtime.GOMAXPROCS(0); part > flushAlone {
		part = (part + n - 1) / n
	}
	var group sync.WaitGroup
	for rest := s.dirty; len(rest) > 0; {
		mine := rest[:min(part, len(rest))]
		rest = rest[len(mine):]
		if len(rest) == 0 {
			flushAll(mine)
			break
		}
		group.Go(func() { flushAll(mine) })
	}
	group.Wait()
	for i, sub := range s.dirty {
		sub.dirty = false
		s.dirty[i] = nil
	}
	s.dirty = s.dirty[:0]
}

func flushAll(subs []*subscription) {
	for _, sub := range subs {
		sub.conn.Flush()
	}
}
