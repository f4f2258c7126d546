package transport

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/saltern-io/saltern/transport/zmtp"
)

// Defaults of PublishServerConfig.
const (
	DefaultPublishQueue = 1000
	DefaultStallWait    = 10 * time.Second
)

// PublishServerConfig describes a publisher (stock's port 4505).
type PublishServerConfig struct {
	Context  *Context      // not used: a server needs no libzmq. nil is fine
	Endpoint string        // see BindEndpoint
	Options  SocketOptions // HWM is stock's pub_hwm: messages queued per subscriber
	Queue    int           // calls of Publish that may wait; 0 = 1000. Later ones wait for room or their context

	// StallWait is how long a burst waits for a subscriber that does not read, before that subscriber is cut: it
	// then knows that it missed something, and may come again. 0 = 10 s. It halves with every subscriber that turned out to be stuck, down to 50 ms, and
	// recovers one step a minute, so that nobody can slow the others down for long. With very many subscribers
	// on a slow host it must exceed the time to deliver HWM/2 messages to all of them.
	StallWait time.Duration
	Log       *slog.Logger
}

// Limits of what one subscriber may ask for. A stock minion or syndic has one or two subscriptions of at most 40 bytes.
const (
	MaxSubscriptions     = 4096
	MaxSubscriptionBytes = 256 << 10
)

// errSlowSubscriber is why a subscriber that did not read was cut.
var errSlowSubscriber = errors.New("subscriber does not read")

// PublishServer is a PUB that paces itself: a burst far above the high-water mark reaches every subscriber that
// reads. spec: transport §4.1–4.3.
type PublishServer struct {
	cfg      PublishServerConfig
	log      *slog.Logger
	listener *zmtp.Listener
	queue    chan *publication
	count    publishCounters

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	done   chan struct{} // owner has ended
	err    error         // its error; read after done

	mu    sync.Mutex
	index *zmtp.Index[*subscription]

	// Below: owner goroutine only.
	pacer   pacer
	closing time.Time // when the owner saw that Close was called
	fanout
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
	if cfg.Queue < 0 || cfg.StallWait < 0 {
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
		index: zmtp.NewIndex[*subscription](MaxSubscriptions, MaxSubscriptionBytes),
	}
	s.pacer = pacer{full: cfg.StallWait}
	zc, err := cfg.Options.server(zmtp.RolePub)
	if err != nil {
		return nil, err
	}
	zc.Handler, zc.Log = publishHandler{s}, s.log
	if s.listener, err = zmtp.Listen(cfg.Endpoint, zc); err != nil {
		return nil, fmt.Errorf("listen for subscribers: %w", err)
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	go func() {
		defer close(s.done)
		s.err = s.own()
	}()
	return s, nil
}

// Addr returns the bound address with the real port, as "tcp://host:port".
func (s *PublishServer) Addr() string { return s.listener.Addr() }

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

// Close lets no more subscribers in, sends what is queued, waiting for stuck subscribers no longer than the linger
// time, and ends connections once everything is sent or the linger time is over. It waits for all of that. More
// calls do the same.
func (s *PublishServer) Close() error {
	s.listener.CloseListener()
	s.cancel()
	<-s.done
	return s.err
}

// Subscribers returns how many peers are connected to the publisher.
func (s *PublishServer) Subscribers() int { return s.listener.Connections() }

// subscription is one subscriber: what the index finds.
type subscription struct {
	conn  *zmtp.Conn
	dirty bool // has messages that are not flushed; owner goroutine only
}

// publishHandler is what the connections of a PublishServer call, each from its own goroutine.
type publishHandler struct{ s *PublishServer }

// Opened makes the subscriber known.
func (publishHandler) Opened(c *zmtp.Conn) error {
	c.Tag = &subscription{conn: c}
	return nil
}

// Message does not happen to a PUB.
func (publishHandler) Message(*zmtp.Conn, [][]byte) {}

// Subscribed keeps the index.
func (h publishHandler) Subscribed(c *zmtp.Conn, topic []byte, on bool) error {
	s, sub := h.s, c.Tag.(*subscription)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !on {
		s.index.Remove(sub, topic)
		return nil
	}
	_, err := s.index.Add(sub, topic)
	return err
}

// Closed forgets the subscriber.
func (h publishHandler) Closed(c *zmtp.Conn, _ error) {
	h.s.mu.Lock()
	defer h.s.mu.Unlock()
	h.s.index.Drop(c.Tag.(*subscription))
}

// publishCounters belong to PublishStats.
type publishCounters struct {
	messages, bytes, stalls, stallTimeouts, cut, abandoned atomic.Uint64
}
