package transport

import (
	"fmt"
	"syscall"
	"time"

	zmq "github.com/pebbe/zmq4"
)

// sendSlice is how long one send waits inside libzmq before the owner looks whether it should stop.
const sendSlice = 50 * time.Millisecond

// own is the owner of the PUB socket.
func (s *PublishServer) own() error {
	var err error
	for err == nil && s.ctx.Err() == nil {
		if _, err = s.poller.Poll(-1); err != nil {
			if zmq.AsErrno(err) == zmq.Errno(syscall.EINTR) {
				err = nil
				continue
			}
			err = fmt.Errorf("poll: %w", err)
			break
		}
		if err = s.wake.clear(); err == nil {
			err = s.sendQueued()
		}
	}
	if err == nil {
		err = s.sendQueued()
	}
	if e := s.closeSockets(); err == nil {
		err = e
	}
	if err != nil {
		return fmt.Errorf("publish on %s: %w", s.addr, err)
	}
	return nil
}

// sendQueued sends until the queue is empty.
func (s *PublishServer) sendQueued() error {
	for {
		select {
		case p := <-s.queue:
			if !p.state.CompareAndSwap(publicationQueued, publicationStarted) {
				s.count.abandoned.Add(uint64(len(p.messages)))
				continue
			}
			err := s.sendAll(p.messages)
			p.done <- err
			if err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

func (s *PublishServer) sendAll(messages [][][]byte) error {
	for _, frames := range messages {
		if err := s.sendPaced(frames); err != nil {
			return fmt.Errorf("send: %w", err)
		}
		s.count.messages.Add(1)
	}
	return nil
}

// sendPaced sends one message to all subscribers, waiting for those whose queue is full.
//
// With NODROP, PUB takes a message only if every matching subscriber has room. When the wait is over the message
// is sent with dropping allowed: the full subscribers miss it, and libzmq leaves them out of all further
// messages until they have read half of their queue. So one wait pays for all that is stuck.
func (s *PublishServer) sendPaced(frames [][]byte) error {
	err := s.sendFrames(frames, zmq.DONTWAIT)
	if !isAgain(err) {
		return err
	}
	s.count.stalls.Add(1)
	start := time.Now()
	limit := s.pacer.limit(start)
	for !s.hurry() {
		if err = s.sendFrames(frames, 0); !isAgain(err) {
			return err
		}
		if time.Since(start) >= limit {
			s.pacer.timedOut(time.Now())
			s.count.stallTimeouts.Add(1)
			s.log.Warn("Subscribers that do not read miss publications", "waited", time.Since(start))
			break
		}
	}
	return s.sendLossy(frames)
}

// hurry reports that Close has been waiting for the linger time: no more patience.
func (s *PublishServer) hurry() bool {
	if s.ctx.Err() == nil {
		return false
	}
	if s.closing.IsZero() {
		s.closing = time.Now()
	}
	return time.Since(s.closing) >= s.cfg.Options.Linger
}

// sendLossy sends one message to those who have room.
func (s *PublishServer) sendLossy(frames [][]byte) error {
	if err := s.pub.SetXpubNodrop(false); err != nil {
		return fmt.Errorf("clear XPUB_NODROP: %w", err)
	}
	err := s.sendFrames(frames, zmq.DONTWAIT)
	s.count.lossy.Add(1)
	if e := s.pub.SetXpubNodrop(true); err == nil && e != nil {
		err = fmt.Errorf("set XPUB_NODROP: %w", e)
	}
	return err
}

// sendFrames sends one message. Only its first frame can find a queue full, since queues count whole messages.
func (s *PublishServer) sendFrames(frames [][]byte, flags zmq.Flag) error {
	for i, frame := range frames {
		f := flags
		if i < len(frames)-1 {
			f |= zmq.SNDMORE
		}
		if _, err := s.pub.SendBytes(frame, f); err != nil {
			return err
		}
		s.count.bytes.Add(uint64(len(frame)))
	}
	return nil
}

// Pace of forgiving stuck subscribers.
const (
	minStallWait  = 50 * time.Millisecond
	forgiveAfter  = time.Minute
	maxStallSteps = 16
)

// pacer decides how long a burst may wait. Pure: time is given.
type pacer struct {
	full  time.Duration
	steps int       // recent time-outs
	since time.Time // when steps last changed
}

// limit returns how long to wait now.
func (p *pacer) limit(now time.Time) time.Duration {
	if p.steps > 0 {
		if n := int(now.Sub(p.since) / forgiveAfter); n > 0 {
			p.steps = max(0, p.steps-n)
			p.since = now
		}
	}
	return min(p.full, max(minStallWait, p.full>>p.steps))
}

// timedOut records that a wait was in vain.
func (p *pacer) timedOut(now time.Time) {
	p.steps = min(p.steps+1, maxStallSteps)
	p.since = now
}
