package event

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
)

// Settle returns once every subscriber that had connected before the call receives events.
//
// A client connects to the bus, then asks for a job on another socket, and expects to see the job's events. The kernel
// completes its connection before the server has taken it, so without this the first events could be fired while the client
// still waits in the listen queue. That queue is first in, first out: when a connection of our own has come through, all
// earlier ones have. It costs one local connection, about 50 µs.
func (s *Server) Settle(ctx context.Context) error {
	if s.cfg.TCP != nil {
		return nil // a TCP connection has no name that is known beforehand; there the window stays open
	}
	// A name in the abstract space, so that the other end can tell whose connection it is.
	var name [12]byte
	_, _ = rand.Read(name[:]) // never fails
	local := &net.UnixAddr{Name: "@saltern-settle-" + hex.EncodeToString(name[:]), Net: "unix"}
	passed := s.expect(local.Name)
	defer s.forget(local.Name)
	dialer := net.Dialer{LocalAddr: local}
	c, err := dialer.DialContext(ctx, "unix", s.pub.Addr().String())
	if err != nil {
		return fmt.Errorf("settle the event bus: %w", err)
	}
	defer c.Close()
	select {
	case <-passed:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("settle the event bus: %w", context.Cause(ctx))
	}
}

func (s *Server) expect(key string) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	passed := make(chan struct{})
	s.settling[key] = passed
	return passed
}

func (s *Server) forget(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.settling, key)
}

// settled reports whether c is a connection of Settle, and tells it.
func (s *Server) settled(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	passed, ok := s.settling[c.RemoteAddr().String()]
	if ok {
		close(passed)
		delete(s.settling, c.RemoteAddr().String())
	}
	return ok
}
