package transport

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/saltern-io/saltern/transport/zmtp"
)

// DefaultDrainTimeout is how long a stopping RequestServer waits for its handlers.
const DefaultDrainTimeout = 10 * time.Second

// RequestServerConfig describes a request server (stock's port 4506).
type RequestServerConfig struct {
	Context  *Context // not used: a server needs no libzmq. nil is fine
	Endpoint string   // see BindEndpoint
	Options  SocketOptions

	Classes  []Class               // at least one
	Classify func(body []byte) int // index into Classes; runs on the peer's goroutine: cheap. nil or out of range = 0

	// Handle answers one request by calling r.Reply, at once or later from elsewhere. It runs on a worker of the
	// request's class. ctx ends when the server gives up waiting during shutdown. A request that is never replied
	// to keeps its place in the class until then, so a handler must reply on every path.
	Handle func(ctx context.Context, r *Request)

	Malformed []byte // reply to a message without exactly one body frame, or over a cap. Required
	Exception []byte // reply when Handle or Classify panics; nil = Malformed
	Shutdown  []byte // reply to requests that cannot be handled any more while stopping; nil = Malformed

	DrainTimeout time.Duration // how long handlers may take after Run's context ended; 0 = 10 s
	MaxFrames    int           // frames of one message; 0 = DefaultMaxFrames
	Log          *slog.Logger
}

// RequestServer is a ROUTER with classes of workers behind it. spec: transport §2.1, §2.2.
type RequestServer struct {
	cfg        RequestServerConfig
	log        *slog.Logger
	rare       *zmtp.RareLog // peers can cause these
	listener   *zmtp.Listener
	classes    []*classQueue
	unanswered requestList
	count      requestCounters
	started    chan struct{} // closed by Run or Close: requests are taken, or refused

	mu      sync.Mutex
	running bool
	closed  bool
}

// ListenRequests binds the address and returns the server, which lets peers connect but takes requests only once
// Run is called. An error of the address (in use, not on this host) is returned here.
func ListenRequests(cfg RequestServerConfig) (*RequestServer, error) {
	if err := checkRequestConfig(&cfg); err != nil {
		return nil, err
	}
	s := &RequestServer{cfg: cfg, log: orDiscard(cfg.Log), started: make(chan struct{})}
	s.rare = zmtp.NewRareLog(s.log)
	for _, c := range cfg.Classes {
		q, err := newClassQueue(c, cfg.Malformed, &s.unanswered)
		if err != nil {
			return nil, err
		}
		s.classes = append(s.classes, q)
	}
	zc, err := cfg.Options.server(zmtp.RoleRouter)
	if err != nil {
		return nil, err
	}
	zc.Handler, zc.Log, zc.MaxFrames, zc.WriteTimeout = requestHandler{s}, s.log, cfg.MaxFrames, unreadReplies
	if s.listener, err = zmtp.Listen(cfg.Endpoint, zc); err != nil {
		return nil, fmt.Errorf("listen for requests: %w", err)
	}
	return s, nil
}

// unreadReplies is how long a peer may leave its replies unread, once the kernel holds no more of them.
const unreadReplies = 5 * time.Minute

func checkRequestConfig(cfg *RequestServerConfig) error {
	switch {
	case len(cfg.Classes) == 0:
		return fmt.Errorf("%w: no Classes", ErrConfig)
	case cfg.Handle == nil:
		return fmt.Errorf("%w: no Handle", ErrConfig)
	case len(cfg.Malformed) == 0:
		return fmt.Errorf("%w: no Malformed reply", ErrConfig)
	case cfg.MaxFrames < 0 || cfg.DrainTimeout < 0:
		return fmt.Errorf("%w: MaxFrames %d, DrainTimeout %v", ErrConfig, cfg.MaxFrames, cfg.DrainTimeout)
	}
	if cfg.Exception == nil {
		cfg.Exception = cfg.Malformed
	}
	if cfg.Shutdown == nil {
		cfg.Shutdown = cfg.Malformed
	}
	if cfg.MaxFrames == 0 {
		cfg.MaxFrames = DefaultMaxFrames
	}
	if cfg.DrainTimeout == 0 {
		cfg.DrainTimeout = DefaultDrainTimeout
	}
	cfg.Options = cfg.Options.withDefaults(roleRequestServer)
	return nil
}

// Addr returns the bound address with the real port, as "tcp://host:port".
func (s *RequestServer) Addr() string { return s.listener.Addr() }

// Run serves until ctx ends, then stops in order: no more peers are let in, requests already taken are handled for
// at most DrainTimeout while new ones get the Shutdown reply, what is left gets the Shutdown reply too, and
// connections end when their replies are sent or the linger time is over. It returns nil after an orderly stop,
// ErrHandlersBusy when handlers do not end, ErrRunning or ErrClosed when called at the wrong time.
func (s *RequestServer) Run(ctx context.Context) error {
	s.mu.Lock()
	switch {
	case s.running:
		s.mu.Unlock()
		return ErrRunning
	case s.closed:
		s.mu.Unlock()
		return ErrClosed
	}
	s.running = true
	s.mu.Unlock()

	handlerCtx, cancelHandlers := context.WithCancel(context.WithoutCancel(ctx))
	defer cancelHandlers()
	workers := s.startWorkers(handlerCtx)
	close(s.started)
	<-ctx.Done()
	s.drain()
	cancelHandlers()
	closeErr := s.listener.Shutdown(s.cfg.Options.Linger)
	waitErr := waitWorkers(workers, s.cfg.DrainTimeout)
	for _, err := range []error{waitErr, closeErr} {
		if err != nil {
			return fmt.Errorf("serve requests on %s: %w", s.Addr(), err)
		}
	}
	return nil
}

// drain lets the workers finish what they have, for a time, and answers the rest. From its beginning on new
// requests are refused.
func (s *RequestServer) drain() {
	s.listener.CloseListener()
	for _, class := range s.classes {
		class.close()
	}
	timer := time.NewTimer(s.cfg.DrainTimeout)
	defer timer.Stop()
	select {
	case <-s.unanswered.emptied():
		return
	case <-timer.C:
	}
	for _, r := range s.unanswered.all() {
		if r.settle(s.cfg.Shutdown) {
			s.count.refusedStopping.Add(1)
		}
	}
}

// Close releases a server on which Run was never called; peers that connected meanwhile are cut. While Run works
// it does nothing: end Run's context.
func (s *RequestServer) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running || s.closed {
		return nil
	}
	s.closed = true
	for _, class := range s.classes {
		class.close()
	}
	close(s.started)
	return s.listener.Close()
}
