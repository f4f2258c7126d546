package event

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"time"

	"github.com/saltern-io/saltern/internal/unixsocket"
)

// Names in sock_dir (spec: event-bus §1).
const (
	PubSocket         = "master_event_pub.ipc"
	PullSocket        = "master_event_pull.ipc"
	PublishPullSocket = "publish_pull.ipc" // looked for by stock clients, never opened
	WorkersSocket     = "workers.ipc"      // the same
)

// ServerConfig is what a Server needs to know. Readers of the bus of 3007 and later can overlook the first frame of a
// connection when it comes alone; so after a burst of returns the server sends one event TagTick, within 100 ms, when
// nothing else follows (spec: event-bus §3).
type ServerConfig struct {
	SockDir  string
	DirMode  fs.FileMode // of SockDir when it is made; 0 = 0755
	PubMode  fs.FileMode // of master_event_pub.ipc; 0 = 0600; 0660 when others than root may read the bus
	Framing  Framing     // of the publish socket; auto looks for an installed stock Salt
	MaxFrame int         // from senders, in bytes; 0 = DefaultMaxFrame
	TCP      *TCPPorts   // ipc_mode tcp: loopback ports in the place of the sockets, no files at all
	Log      *slog.Logger
}

// TCPPorts are tcp_master_pub_port and tcp_master_pull_port; 0 lets the system choose. Any local user can then read and
// forge events.
type TCPPorts struct{ Pub, Pull int }

// Server offers a Bus on the two local sockets.
type Server struct {
	cfg     ServerConfig
	bus     *Bus
	framing Framing
	pub     net.Listener
	pull    net.Listener
	files   []*unixsocket.File // placeholders
	cuts    quietLog

	mu     sync.Mutex
	conns  map[net.Conn]struct{} // of senders
	subs   map[*socketSub]struct{}
	closed bool

	settling map[string]chan struct{} // connections of Settle under way, by name
}

// Listen binds both sockets and makes the placeholders; connections wait until Run. A stale file is replaced; unixsocket.ErrInUse is
// returned when somebody listens there, unixsocket.ErrPath when a name is too long for the system or not a socket.
func Listen(cfg ServerConfig, bus *Bus) (*Server, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.DirMode == 0 {
		cfg.DirMode = 0o755
	}
	if cfg.PubMode == 0 {
		cfg.PubMode = 0o600
	}
	s := &Server{
		cfg: cfg, bus: bus, framing: cfg.Framing,
		conns: make(map[net.Conn]struct{}), subs: make(map[*socketSub]struct{}), settling: make(map[string]chan struct{}),
		cuts: quietLog{log: cfg.Log, every: 10 * time.Second},
	}
	if s.framing == FramingAuto {
		var why string
		s.framing, why = InstalledFraming()
		cfg.Log.Info("Event bus framing chosen", "framing", s.framing.String(), "because", why)
	}
	bind := s.bindUnix
	if cfg.TCP != nil {
		bind = s.bindTCP
	}
	if err := bind(); err != nil {
		return nil, errors.Join(fmt.Errorf("event bus: %w", err), s.Close())
	}
	return s, nil
}

func (s *Server) bindTCP() (err error) {
	if s.pub, err = net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", s.cfg.TCP.Pub)); err != nil {
		return err
	}
	s.pull, err = net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", s.cfg.TCP.Pull))
	return err
}

func (s *Server) bindUnix() error {
	if err := makeDir(s.cfg.SockDir, s.cfg.DirMode); err != nil {
		return err
	}
	var err error
	if s.pub, err = s.bindOne(PubSocket, s.cfg.PubMode); err != nil {
		return err
	}
	if s.pull, err = s.bindOne(PullSocket, 0o600); err != nil {
		return err
	}
	for _, name := range []string{PublishPullSocket, WorkersSocket} {
		f, err := unixsocket.Placeholder(filepath.Join(s.cfg.SockDir, name))
		if err != nil {
			return err
		}
		s.files = append(s.files, f)
	}
	return nil
}

func (s *Server) bindOne(name string, mode fs.FileMode) (net.Listener, error) {
	ln, err := unixsocket.Listen(filepath.Join(s.cfg.SockDir, name), mode)
	if err != nil {
		return nil, err // and no listener that is a nil of another type
	}
	return ln, nil
}

// PubAddr is where subscribers connect.
func (s *Server) PubAddr() net.Addr { return s.pub.Addr() }

// PullAddr is where senders connect.
func (s *Server) PullAddr() net.Addr { return s.pull.Addr() }

// Framing is what subscribers get: bare or length.
func (s *Server) Framing() Framing { return s.framing }

// drainTime is how long subscribers may take, when the server stops, to read what waits for them.
const drainTime = 500 * time.Millisecond

// Run serves until ctx ends, then closes the listeners, gives subscribers a moment to read what is queued, removes the
// files and returns nil. It joins all its goroutines.
func (s *Server) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { s.accept(ctx, s.pub, &wg, s.admitSubscriber) })
	wg.Go(func() { s.accept(ctx, s.pull, &wg, func(c net.Conn) func() { return func() { s.serveSender(c) } }) })
	wg.Go(func() { s.ticker(ctx) })
	<-ctx.Done()
	err := s.Close()
	wg.Wait()
	return err
}

// Close ends the server: after a Listen without a Run it has to be called, and Run calls it.
func (s *Server) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	for sub := range s.subs {
		sub.drain(drainTime)
	}
	for c := range s.conns {
		// A sender's frames that have arrived are still read; then its connection ends.
		_ = c.SetReadDeadline(time.Now().Add(drainTime / 5)) // fails only on a closed connection
	}
	s.mu.Unlock()
	var errs []error
	for _, ln := range []net.Listener{s.pub, s.pull} {
		if ln != nil {
			errs = append(errs, ln.Close())
		}
	}
	for _, f := range s.files {
		errs = append(errs, f.Remove())
	}
	return errors.Join(errs...)
}

// accept calls admit for every connection, in their order, and starts what it returns, nil for nothing. Running out of descriptors is waited out, not fatal.
func (s *Server) accept(ctx context.Context, ln net.Listener, wg *sync.WaitGroup, admit func(net.Conn) func()) {
	quiet := quietLog{log: s.cfg.Log, every: 10 * time.Second}
	for {
		c, err := ln.Accept()
		if err == nil {
			if serve := admit(c); serve != nil {
				wg.Go(serve)
			}
			continue
		}
		if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
			return
		}
		quiet.warn("Event bus cannot accept", "err", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// tickDelay is under the 100 ms of the specification.
const tickDelay = 80 * time.Millisecond

// ticker sends a tick some time after a return, unless something else was fired since.
func (s *Server) ticker(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.bus.returned:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(tickDelay):
		}
		s.bus.tick(time.Now())
	}
}
