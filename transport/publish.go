package transport

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	zmq "github.com/pebbe/zmq4"
)

// Defaults of PublishServerConfig.
const (
	DefaultPublishQueue = 1000
	DefaultStallWait    = 10 * time.Second
)

// PublishServerConfig describes a publisher (stock's port 4505).
type PublishServerConfig struct {
	Context  *Context
	Endpoint string        // see BindEndpoint
	Options  SocketOptions // HWM is stock's pub_hwm: messages queued per subscriber
	Queue    int           // calls of Publish that may wait; 0 = 1000. Later ones wait for room or their context

	// StallWait is how long a burst waits for a subscriber that does not read, before that subscriber misses
	// messages. 0 = 10 s. It halves with every subscriber that turned out to be stuck, down to 50 ms, and
	// recovers one step a minute, so that nobody can slow the others down for long. With very many subscribers
	// on a slow host it must exceed the time to deliver HWM/2 messages to all of them.
	StallWait time.Duration
	Log       *slog.Logger
}

// PublishServer is a PUB socket that paces itself: a burst far above the high-water mark reaches every
// subscriber that reads. spec: transport §4.1–4.3.
type PublishServer struct {
	cfg     PublishServerConfig
	log     *slog.Logger
	rare    rateLog
	addr    string
	wake    *waker
	monitor *monitor
	queue   chan *publication
	count   publishCounters

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	done   chan struct{} // owner has ended
	err    error         // its error; read after done

	// Below: owner goroutine only.
	pub     *zmq.Socket
	poller  *zmq.Poller
	pacer   pacer
	closing time.Time // when the owner saw that Close was called
}

// publication is one call of Publish on its way.
type publication struct {
	messages [][][]byte
	state    atomic.Uint32
	done     chan error // one value, buffered
}

// States of a publication: whoever moves it away from queued decides.
const (
	publicationQueued uint32 = iota
	publicationStarted
	publicationAbandoned
)

// ListenPublish binds the socket and starts its goroutine, which lasts until Close.
func ListenPublish(cfg PublishServerConfig) (*PublishServer, error) {
	switch {
	case cfg.Context == nil:
		return nil, fmt.Errorf("%w: no Context", ErrConfig)
	case cfg.Queue < 0 || cfg.StallWait < 0:
		return nil, fmt.Errorf("%w: Queue %d, StallWait %v", ErrConfig, cfg.Queue, cfg.StallWait)
	}
	if cfg.Queue == 0 {
		cfg.Queue = DefaultPublishQueue
	}
	if cfg.StallWait == 0 {
		cfg.StallWait = DefaultStallWait
	}
	cfg.Options = cfg.Options.withDefaults(rolePublisher)
	s := &PublishServer{
		cfg: cfg, log: orDiscard(cfg.Log), queue: make(chan *publication, cfg.Queue), done: make(chan struct{}),
	}
	s.rare.log = s.log
	s.pacer = pacer{full: cfg.StallWait}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	if err := s.open(); err != nil {
		s.cancel()
		_ = s.closeSockets() // the first error says why
		return nil, fmt.Errorf("listen for subscribers on %s: %w", cfg.Endpoint, err)
	}
	go func() {
		defer close(s.done)
		s.err = s.own()
	}()
	return s, nil
}

func (s *PublishServer) open() (err error) {
	zctx := s.cfg.Context
	if s.wake, err = newWaker(zctx); err != nil {
		return err
	}
	// PUB, not XPUB: it announces itself as stock does, and it does not queue subscriptions for the owner.
	if s.pub, err = zctx.socket(zmq.PUB); err != nil {
		return err
	}
	if err = s.cfg.Options.apply(s.pub, rolePublisher, s.cfg.Endpoint); err != nil {
		return err
	}
	if err = s.pub.SetXpubNodrop(true); err != nil {
		return fmt.Errorf("set XPUB_NODROP: %w", err)
	}
	if err = s.pub.SetSndtimeo(sendSlice); err != nil {
		return fmt.Errorf("set SNDTIMEO: %w", err)
	}
	if s.monitor, err = newMonitor(zctx, s.pub, serverEvents, s.count.connections.event); err != nil {
		return err
	}
	if err = s.pub.Bind(s.cfg.Endpoint); err != nil {
		return err
	}
	if s.addr, err = s.pub.GetLastEndpoint(); err != nil {
		return err
	}
	s.poller = zmq.NewPoller()
	s.poller.Add(s.wake.pull, zmq.POLLIN)
	s.poller.Add(s.pub, zmq.POLLIN) // never readable, but polling it takes in subscriptions while idle
	return nil
}

// Addr returns the bound address with the real port, as "tcp://host:port".
func (s *PublishServer) Addr() string { return s.addr }

// Publish sends messages, each a list of frames, in this order and with nothing in between. The frames must not
// be changed afterwards. It returns when all were handed to libzmq; a subscriber that connects later, or is
// stuck, does not get them. It waits while the queue is full or a burst outruns the subscribers. When ctx ends
// first it returns that error and nothing was sent, unless sending had already begun: then it is completed.
// After Close it returns ErrClosed.
func (s *PublishServer) Publish(ctx context.Context, messages ...[][]byte) error {
	for _, frames := range messages {
		if len(frames) == 0 {
			return fmt.Errorf("%w: message without frames", ErrConfig)
		}
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	p := &publication{messages: messages, done: make(chan error, 1)}
	select {
	case s.queue <- p:
	case <-ctx.Done():
		return fmt.Errorf("publish: %w", ctx.Err())
	case <-s.done:
		return fmt.Errorf("publish: %w", ErrClosed)
	}
	s.wake.wake()
	abandon := ctx.Done()
	for {
		select {
		case err := <-p.done:
			return err
		case <-abandon:
			if p.state.CompareAndSwap(publicationQueued, publicationAbandoned) {
				return fmt.Errorf("publish: %w", ctx.Err())
			}
			abandon = nil // being sent: wait for the end
		case <-s.done:
			select {
			case err := <-p.done:
				return err
			default:
				return fmt.Errorf("publish: %w", ErrClosed)
			}
		}
	}
}

// Run waits until ctx ends or the socket fails, and closes.
func (s *PublishServer) Run(ctx context.Context) error {
	select {
	case <-ctx.Done():
	case <-s.done:
	}
	return s.Close()
}

// Close sends what is queued, waiting for stuck subscribers no longer than the linger time, closes the socket with its linger and waits
// for the goroutine. It returns the error that ended the goroutine, if any. More calls do the same.
func (s *PublishServer) Close() error {
	s.cancel()
	s.wake.wake()
	<-s.done
	return s.err
}

// Subscribers returns how many peers are connected to the publisher.
func (s *PublishServer) Subscribers() int { return int(s.count.connections.open.Load()) }

func (s *PublishServer) closeSockets() error {
	err := s.cfg.Context.release(s.pub)
	s.pub = nil
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

// publishCounters belong to PublishStats.
type publishCounters struct {
	connections connectionCounter

	messages, bytes, stalls, stallTimeouts, lossy, abandoned atomic.Uint64
}
