package event

import (
	"errors"
	"io"
	"net"
	"os"
	"time"
)

// serveSender fires what one connection of the pull socket sends, until its end.
func (s *Server) serveSender(c net.Conn) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		_ = c.Close() // nothing was read from it
		return
	}
	s.conns[c] = struct{}{}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
		_ = c.Close() // only read from: nothing can be lost
	}()
	bad := quietLog{log: s.cfg.Log, every: 10 * time.Second}
	frames := NewFrameReader(c, s.cfg.MaxFrame)
	for {
		e, err := frames.Next()
		switch {
		case err == nil:
			s.bus.Fire(e)
		case errors.Is(err, ErrBadEvent):
			bad.warn("Event dropped: it cannot be unpacked", "err", err)
		case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed), errors.Is(err, os.ErrDeadlineExceeded):
			return
		default:
			bad.warn("Event sender cut off", "err", err)
			return
		}
	}
}
