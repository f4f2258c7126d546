package transport

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	zmq "github.com/pebbe/zmq4"
)

// DefaultDrainTimeout is how long a stopping RequestServer waits for its handlers.
const DefaultDrainTimeout = 10 * time.Second

// RequestServerConfig describes a request server (stock's port 4506).
type RequestServerConfig struct {
	Context  *Context
	Endpoint string // see BindEndpoint
	Options  SocketOptions

	Classes  []Class               // at least one
	Classify func(body []byte) int // index into Classes; runs on the socket's goroutine: cheap, no locks. nil or out of range = 0

	// Handle answers one request by calling r.Reply, at once or later from elsewhere. It runs on a worker of the
	// request's class. ctx ends when the server gives up waiting during shutdown. A request that is never replied
	// to keeps its place in the class until then, so a handler must reply on every path.
	Handle func(ctx context.Context, r *Request)

	Malformed []byte // reply to a message without exactly one body frame, or over a cap. Required
	Exception []byte // reply when Handle or Classify panics; nil = Malformed
	Shutdown  []byte // reply to requests that cannot be handled any more while stopping; nil = Malformed

	DrainTimeout time.Duration // how long handlers may take after Run's context ended; 0 = 10 s
	MaxFrames    int           // frames of one message; 0 = DefaultMaxFrames
	PeerAddress  bool          // fill Request.Peer; costs three allocations per request
	Log          *slog.Logger
}

// RequestServer is a ROUTER socket with classes of workers behind it. spec: transport §2.1, §2.2.
type RequestServer struct {
	cfg     RequestServerConfig
	log     *slog.Logger
	rare    rateLog // peers can cause these
	addr    string
	classes []*classQueue
	out     replyQueue
	wake    *waker
	monitor *monitor
	count   requestCounters

	stopping atomic.Bool // Run's context ended
	expired  atomic.Bool // the drain time is over

	mu      sync.Mutex
	running bool
	closed  bool

	// Below: owner goroutine only, once Run has started.
	router     *zmq.Socket
	poller     *zmq.Poller
	routerID   int
	reader     frameReader
	unanswered requestList
	held       *Request // found its class full
	spare      []*Request
	draining   bool
	drainTimer *time.Timer
	idle       bool // the last receive found nothing more
}

// ListenRequests binds the socket and returns the server, which takes requests once Run is called. An error of
// the address (in use, not on this host) is returned here.
func ListenRequests(cfg RequestServerConfig) (*RequestServer, error) {
	if err := checkRequestConfig(&cfg); err != nil {
		return nil, err
	}
	s := &RequestServer{cfg: cfg, log: orDiscard(cfg.Log)}
	s.rare.log = s.log
	for _, c := range cfg.Classes {
		q, err := newClassQueue(c, cfg.Malformed)
		if err != nil {
			return nil, err
		}
		s.classes = append(s.classes, q)
	}
	if err := s.open(); err != nil {
		_ = s.closeSockets() // the first error says why
		return nil, fmt.Errorf("listen for requests on %s: %w", cfg.Endpoint, err)
	}
	s.out.wake = s.wake.wake
	return s, nil
}

func checkRequestConfig(cfg *RequestServerConfig) error {
	switch {
	case cfg.Context == nil:
		return fmt.Errorf("%w: no Context", ErrConfig)
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

// open creates, tunes and binds the ROUTER.
func (s *RequestServer) open() (err error) {
	zctx := s.cfg.Context
	if s.wake, err = newWaker(zctx); err != nil {
		return err
	}
	seedRoutingIDs()
	if s.router, err = zctx.socket(zmq.ROUTER); err != nil {
		return err
	}
	if err = s.cfg.Options.apply(s.router, roleRequestServer, s.cfg.Endpoint); err != nil {
		return err
	}
	// Without it a reply to a peer that has gone vanishes without an error and cannot be counted. HANDOVER
	// stays off: routing ids are not authenticated, so a newcomer could take over somebody's replies.
	if err = s.router.SetRouterMandatory(1); err != nil {
		return fmt.Errorf("set ROUTER_MANDATORY: %w", err)
	}
	if s.monitor, err = newMonitor(zctx, s.router, serverEvents, s.count.connections.event); err != nil {
		return err
	}
	if err = s.router.Bind(s.cfg.Endpoint); err != nil {
		return err
	}
	if s.addr, err = s.router.GetLastEndpoint(); err != nil {
		return err
	}
	s.reader = frameReader{
		socket: s.router, maxFrames: s.cfg.MaxFrames, maxBytes: s.cfg.Options.MaxMsgBytes, peer: s.cfg.PeerAddress,
	}
	s.poller = zmq.NewPoller()
	s.poller.Add(s.wake.pull, zmq.POLLIN)
	s.routerID = s.poller.Add(s.router, zmq.POLLIN)
	return nil
}

// Addr returns the bound address with the real port, as "tcp://host:port".
func (s *RequestServer) Addr() string { return s.addr }

// Run serves until ctx ends, then stops in order: requests already taken are handled for at most DrainTimeout
// while new ones get the Shutdown reply, what is left gets the Shutdown reply too, all replies are handed to
// libzmq, and the socket closes with its linger. It returns nil after an orderly stop, ErrHandlersBusy when
// handlers do not end, ErrRunning or ErrClosed when called at the wrong time, or the socket's error.
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
	stop := context.AfterFunc(ctx, func() {
		s.stopping.Store(true)
		s.wake.wake()
	})
	loopErr := s.loop()
	stop()
	s.beginDrain() // a failed loop has not
	s.finish()
	cancelHandlers()
	closeErr := s.closeSockets()
	waitErr := waitWorkers(workers, s.cfg.DrainTimeout)
	for _, err := range []error{loopErr, waitErr, closeErr} {
		if err != nil {
			return fmt.Errorf("serve requests on %s: %w", s.addr, err)
		}
	}
	return nil
}

// Close releases a server on which Run was never called. While Run works it does nothing: end Run's context.
func (s *RequestServer) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running || s.closed {
		return nil
	}
	s.closed = true
	return s.closeSockets()
}

// closeSockets also serves a half opened server.
func (s *RequestServer) closeSockets() error {
	s.out.mu.Lock()
	s.out.closed = true
	s.out.mu.Unlock()
	err := s.cfg.Context.release(s.router)
	s.router = nil
	if s.monitor != nil {
		if e := s.monitor.wait(); err == nil {
			err = e
		}
	}
	if s.wake != nil {
		if e := s.wake.close(); err == nil {
			err = e
		}
	}
	return err
}
