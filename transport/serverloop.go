package transport

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	zmq "github.com/pebbe/zmq4"
)

// receiveBatch is how many messages are read per poll. Reading a hundred instead of one saves a sixth of the
// CPU time; replies wait at most that long.
const receiveBatch = 100

// loop is the owner of the ROUTER. Each turn: sleep, send the replies that are ready, find room for the held
// request, read. It never waits for anything but the poll.
func (s *RequestServer) loop() error {
	for {
		readable, err := s.poll()
		if err != nil {
			return err
		}
		if s.stopping.Load() {
			s.beginDrain()
		}
		s.sendReplies(s.out.take(s.spare))
		s.retryHeld()
		if readable && s.held == nil {
			if err := s.receive(); err != nil {
				return err
			}
		}
		if s.draining && (s.expired.Load() || s.unanswered.n == 0 && s.idle) {
			return nil
		}
	}
}

// poll sleeps until the ROUTER may be read (unless a request is held: then nothing more is read) or somebody
// woke the owner.
func (s *RequestServer) poll() (readable bool, err error) {
	events := zmq.POLLIN
	if s.held != nil {
		events = 0
	}
	if _, err := s.poller.Update(s.routerID, events); err != nil {
		return false, fmt.Errorf("poll: %w", err)
	}
	timeout := time.Duration(-1)
	if s.draining && s.unanswered.n == 0 {
		timeout = 0 // only look whether something is left to refuse
	}
	polled, err := s.poller.Poll(timeout)
	if err != nil {
		if zmq.AsErrno(err) == zmq.Errno(syscall.EINTR) {
			return false, nil
		}
		return false, fmt.Errorf("poll: %w", err)
	}
	s.idle = events != 0
	for _, p := range polled {
		if p.Socket == s.router {
			readable, s.idle = true, false
			continue
		}
		if err := s.wake.clear(); err != nil {
			return false, err
		}
	}
	return readable, nil
}

// receive reads up to receiveBatch messages and stops early when one has to be held.
func (s *RequestServer) receive() error {
	for range receiveBatch {
		status, err := s.reader.read()
		switch {
		case err != nil:
			return err
		case status == readNothing:
			s.idle = true
			return nil
		case status == readMore:
			return nil
		}
		s.count.received.Add(1)
		s.take(status)
		if s.held != nil {
			return nil
		}
	}
	return nil
}

// take turns the frames just read into a request and finds it a place.
func (s *RequestServer) take(status readStatus) {
	frames := s.reader.frames
	n, ok := splitEnvelope(frames)
	if !ok {
		s.count.noDelimiter.Add(1)
		return
	}
	r := &Request{out: &s.out, peer: s.reader.address}
	r.envelope = append(r.small[:0], frames[:n]...)
	if status == readOversize || len(frames) != n+1 {
		s.count.malformed.Add(1)
		s.rare.warn("Malformed request", "peer", r.peer, "frames", len(frames), "oversize", status == readOversize)
		s.answer(r, s.cfg.Malformed)
		return
	}
	r.body = frames[n]
	if s.draining {
		s.count.refusedStopping.Add(1)
		s.answer(r, s.cfg.Shutdown)
		return
	}
	class, err := s.classify(r.body)
	if err != nil {
		s.count.panics.Add(1)
		s.rare.warn("Request could not be classified", "peer", r.peer, "err", err)
		s.answer(r, s.cfg.Exception)
		return
	}
	r.class = class
	class.received.Add(1)
	if s.place(r) {
		return
	}
	if class.Full == Answer {
		class.refused.Add(1)
		s.answer(r, class.Answer)
		return
	}
	class.stalls.Add(1)
	s.held = r
}

var errPanic = errors.New("panic")

func (s *RequestServer) classify(body []byte) (class *classQueue, err error) {
	if s.cfg.Classify == nil {
		return s.classes[0], nil
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %s", errPanic, panicText(p))
		}
	}()
	if i := s.cfg.Classify(body); i > 0 && i < len(s.classes) {
		return s.classes[i], nil
	}
	return s.classes[0], nil
}

// place gives r to its class if there is room.
func (s *RequestServer) place(r *Request) bool {
	if !r.class.admit(len(r.body)) {
		return false
	}
	s.unanswered.add(r)
	r.class.ch <- r // has room: see newClassQueue
	return true
}

func (s *RequestServer) retryHeld() {
	if s.held != nil && s.place(s.held) {
		s.held = nil
	}
}

// beginDrain ends the workers' input. Requests read from now on are refused. The socket stays bound meanwhile:
// unbinding would cut the connections that still wait for replies.
func (s *RequestServer) beginDrain() {
	if s.draining {
		return
	}
	s.draining = true
	for _, class := range s.classes {
		close(class.ch)
	}
	if s.held != nil {
		s.count.refusedStopping.Add(1)
		s.answer(s.held, s.cfg.Shutdown)
		s.held = nil
	}
	s.drainTimer = time.AfterFunc(s.cfg.DrainTimeout, func() {
		s.expired.Store(true)
		s.wake.wake()
	})
}

// finish answers what is left and sends the last replies.
func (s *RequestServer) finish() {
	s.drainTimer.Stop()
	batch, n := s.out.close(&s.unanswered, s.cfg.Shutdown)
	s.count.refusedStopping.Add(uint64(n))
	s.sendReplies(batch)
}
