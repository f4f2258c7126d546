package transport

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"syscall"

	zmq "github.com/pebbe/zmq4"

	"github.com/saltern-io/saltern/transport/zmtp"
)

// DefaultSubscriberQueue is the length of the Messages channel when SubscriberConfig.Queue is 0.
const DefaultSubscriberQueue = 1000

// SubscriberConfig describes a subscriber of a publisher.
type SubscriberConfig struct {
	Context  *Context
	Endpoint string // see Endpoint, EndpointFrom
	Options  SocketOptions
	Topics   [][]byte // prefixes of the first frame; none = everything
	Queue    int      // messages waiting in Messages; 0 = 1000. When full nothing more is read: see Messages
	Log      *slog.Logger
}

// Message is one publication as it came.
type Message struct {
	Frames [][]byte // at least one; with topics on the publisher the first is the topic
}

// Subscriber is a SUB socket that reconnects by itself for ever. spec: transport §4.1–4.3, §5.
type Subscriber struct {
	cfg      SubscriberConfig
	log      *slog.Logger
	rare     *zmtp.RareLog
	messages chan Message
	links    linkFeed
	wake     *waker
	monitor  *monitor
	count    struct{ received, oversize, stalls atomic.Uint64 }

	mu      sync.Mutex
	running bool
	closed  bool
	cancel  context.CancelFunc
	done    chan struct{} // Run has ended
	more    [][]byte      // topics to subscribe to

	sub    *zmq.Socket // owner goroutine only, once Run has started
	reader frameReader
}

// NewSubscriber makes the socket, subscribes and begins to connect. Nothing is read before Run.
func NewSubscriber(cfg SubscriberConfig) (*Subscriber, error) {
	switch {
	case cfg.Context == nil:
		return nil, fmt.Errorf("%w: no Context", ErrConfig)
	case cfg.Queue < 0:
		return nil, fmt.Errorf("%w: Queue %d", ErrConfig, cfg.Queue)
	}
	if cfg.Queue == 0 {
		cfg.Queue = DefaultSubscriberQueue
	}
	if len(cfg.Topics) == 0 {
		cfg.Topics = [][]byte{nil}
	}
	cfg.Options = cfg.Options.withDefaults(roleClient)
	s := &Subscriber{
		cfg: cfg, log: orDiscard(cfg.Log), messages: make(chan Message, cfg.Queue), done: make(chan struct{}),
	}
	s.rare = zmtp.NewRareLog(s.log)
	s.links.events = make(chan LinkEvent, linkQueue)
	if err := s.open(); err != nil {
		_ = s.closeSockets() // the first error says why
		return nil, fmt.Errorf("subscribe to %s: %w", cfg.Endpoint, err)
	}
	return s, nil
}

func (s *Subscriber) open() (err error) {
	zctx := s.cfg.Context
	if s.wake, err = newWaker(zctx); err != nil {
		return err
	}
	if s.sub, err = zctx.socket(zmq.SUB); err != nil {
		return err
	}
	if err = s.cfg.Options.apply(s.sub, s.cfg.Endpoint); err != nil {
		return err
	}
	if s.monitor, err = newMonitor(zctx, s.sub, clientEvents, s.links.handle); err != nil {
		return err
	}
	for _, topic := range s.cfg.Topics {
		if err = s.sub.SetSubscribe(string(topic)); err != nil {
			return err
		}
	}
	s.reader = frameReader{socket: s.sub, maxFrames: DefaultMaxFrames, maxBytes: s.cfg.Options.MaxMsgBytes}
	return s.sub.Connect(s.cfg.Endpoint)
}

// Messages returns the received publications, in order. While the channel is full the subscriber reads nothing;
// then libzmq's queue (HWM) fills, then the kernel's, and at last the publisher cuts the subscriber, or, if it is
// stock's, drops what it has for it, which only a gap in the serials shows. Stats counts the waits. Closed when Run ends.
func (s *Subscriber) Messages() <-chan Message { return s.messages }

// Links returns what happens to the connection. The last 64 events are kept; older ones give way and are counted.
// Closed when Run ends.
func (s *Subscriber) Links() <-chan LinkEvent { return s.links.events }

// Run receives until ctx ends or Close is called, closes the socket and both channels, and returns nil; or it
// returns the socket's error. It can be called once.
func (s *Subscriber) Run(ctx context.Context) error {
	s.mu.Lock()
	if s.running || s.closed {
		defer s.mu.Unlock()
		if s.running {
			return ErrRunning
		}
		return ErrClosed
	}
	s.running = true
	ctx, s.cancel = context.WithCancel(ctx)
	s.mu.Unlock()
	defer close(s.done)
	defer s.cancel()

	stop := context.AfterFunc(ctx, s.wake.wake)
	err := s.loop(ctx)
	stop()
	if e := s.closeSockets(); err == nil {
		err = e
	}
	close(s.messages)
	close(s.links.events) // the monitor has ended
	if err != nil {
		return fmt.Errorf("subscription to %s: %w", s.cfg.Endpoint, err)
	}
	return nil
}

// loop is the owner of the SUB socket.
func (s *Subscriber) loop(ctx context.Context) error {
	poller := zmq.NewPoller()
	poller.Add(s.wake.pull, zmq.POLLIN)
	poller.Add(s.sub, zmq.POLLIN)
	for ctx.Err() == nil {
		if _, err := poller.Poll(-1); err != nil {
			if zmq.AsErrno(err) == zmq.Errno(syscall.EINTR) {
				continue
			}
			return fmt.Errorf("poll: %w", err)
		}
		if err := s.wake.clear(); err != nil {
			return err
		}
		if err := s.subscribe(); err != nil {
			return err
		}
		if err := s.receive(ctx); err != nil {
			return err
		}
	}
	return nil
}

// receive reads what has come. It blocks while the consumer is behind: nothing else needs this goroutine.
func (s *Subscriber) receive(ctx context.Context) error {
	for ctx.Err() == nil {
		status, err := s.reader.read()
		switch {
		case err != nil:
			return err
		case status == readNothing:
			return nil
		case status == readMore:
			continue
		case status == readOversize:
			s.count.oversize.Add(1)
			s.rare.Warn("Publication has too many frames", "endpoint", s.cfg.Endpoint)
			continue
		}
		s.count.received.Add(1)
		m := Message{Frames: append([][]byte(nil), s.reader.frames...)}
		select {
		case s.messages <- m:
			continue
		default:
		}
		s.count.stalls.Add(1)
		select {
		case s.messages <- m:
		case <-ctx.Done():
		}
	}
	return nil
}

// Subscribe adds a topic, on this connection and later ones. It does not wait: nothing tells when the publisher has heard of it.
// It may be called from any goroutine; without Run nothing happens.
func (s *Subscriber) Subscribe(topic []byte) {
	s.mu.Lock()
	s.more = append(s.more, topic)
	s.mu.Unlock()
	s.wake.wake()
}

// subscribe does what Subscribe asked for. Owner only.
func (s *Subscriber) subscribe() error {
	s.mu.Lock()
	more := s.more
	s.more = nil
	s.mu.Unlock()
	for _, topic := range more {
		if err := s.sub.SetSubscribe(string(topic)); err != nil {
			return fmt.Errorf("subscribe: %w", err)
		}
	}
	return nil
}

// Close ends Run and waits for it, or releases a subscriber that never ran. A second Close does nothing.
func (s *Subscriber) Close() error {
	s.mu.Lock()
	if s.running {
		s.cancel()
		s.mu.Unlock()
		<-s.done
		return nil
	}
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	err := s.closeSockets()
	close(s.messages)
	close(s.links.events)
	return err
}

func (s *Subscriber) closeSockets() error {
	err := s.cfg.Context.release(s.sub)
	s.sub = nil
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

// SubscriberStats is a snapshot of a Subscriber.
type SubscriberStats struct {
	Received   uint64 // messages read
	Oversize   uint64 // messages over a cap, thrown away
	Stalls     uint64 // times the consumer of Messages was behind
	LinksLost  uint64 // link events that gave way to newer ones
	QueuedNow  int    // messages waiting in Messages
	QueueLimit int
}

// Stats returns the counters as they are now.
func (s *Subscriber) Stats() SubscriberStats {
	return SubscriberStats{
		Received: s.count.received.Load(), Oversize: s.count.oversize.Load(), Stalls: s.count.stalls.Load(),
		LinksLost: s.links.dropped.Load(), QueuedNow: len(s.messages), QueueLimit: cap(s.messages),
	}
}
