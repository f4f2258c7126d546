package transport

import (
	"errors"
	"fmt"

	"github.com/saltern-io/saltern/transport/zmtp"
)

// requestHandler is what the connections of a RequestServer call, each from its own goroutine.
type requestHandler struct{ s *RequestServer }

// Opened lets every peer in.
func (requestHandler) Opened(*zmtp.Conn) error { return nil }

// Closed has nothing to do: replies to a peer that has gone fail by themselves.
func (requestHandler) Closed(*zmtp.Conn, error) {}

// Subscribed does not happen to a ROUTER.
func (requestHandler) Subscribed(*zmtp.Conn, []byte, bool) error { return nil }

// Message takes one request. It waits before Run, and while the request's class is full and stops reading; then
// nothing more is read from this peer.
func (h requestHandler) Message(c *zmtp.Conn, frames [][]byte) { h.s.take(c, frames, false) }

// Oversize takes the beginning of a message with too many frames or bytes.
func (h requestHandler) Oversize(c *zmtp.Conn, frames [][]byte) { h.s.take(c, frames, true) }

// take turns a message into a request and finds it a place.
func (s *RequestServer) take(c *zmtp.Conn, frames [][]byte, oversize bool) {
	<-s.started
	s.count.received.Add(1)
	n, ok := splitEnvelope(frames)
	if !ok {
		s.count.noDelimiter.Add(1)
		return
	}
	r := &Request{server: s, conn: c}
	r.envelope = append(r.small[:0], frames[:n]...)
	if oversize || len(frames) != n+1 {
		s.count.malformed.Add(1)
		s.rare.Warn("Malformed request", "peer", r.Peer(), "frames", len(frames), "oversize", oversize)
		s.send(r, s.cfg.Malformed)
		return
	}
	r.body = frames[n]
	class, err := s.classify(r.body)
	if err != nil {
		s.count.panics.Add(1)
		s.rare.Warn("Request could not be classified", "peer", r.Peer(), "err", err)
		s.send(r, s.cfg.Exception)
		return
	}
	r.class = class
	class.received.Add(1)
	switch class.place(r) {
	case placedQueued:
		return
	case placedFull:
		class.refused.Add(1)
		s.send(r, class.Answer)
	case placedStopped:
		s.count.refusedStopping.Add(1)
		s.send(r, s.cfg.Shutdown)
	}
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
