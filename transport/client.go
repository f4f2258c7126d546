package transport

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"syscall"
	"time"

	zmq "github.com/pebbe/zmq4"
)

// DefaultRequestTimeout is the limit of a Do whose context has none; stock's request_channel_timeout.
const DefaultRequestTimeout = 60 * time.Second

// RequestClientConfig describes a client of a request server.
type RequestClientConfig struct {
	Context  *Context
	Endpoint string // see Endpoint, EndpointFrom
	Options  SocketOptions
	Log      *slog.Logger
}

// RequestClient is a REQ socket: one request under way at a time, further callers wait their turn. A socket
// whose reply did not come is replaced, so a lost reply harms only its own request. spec: transport §2.1–2.3.
type RequestClient struct {
	cfg   RequestClientConfig
	log   *slog.Logger
	turn  chan struct{} // holds one token; whoever has it owns the fields below
	quit  chan struct{} // closed by Close
	ended atomic.Bool

	wake    *waker
	req     *zmq.Socket // nil after it was given up
	monitor *monitor
	lost    *atomic.Bool // this socket's connection has ended since the last send
	reader  frameReader
	poller  *zmq.Poller
	reqID   int

	replaced atomic.Uint64
}

// NewRequestClient makes the socket and begins to connect. It does not wait for the connection.
func NewRequestClient(cfg RequestClientConfig) (*RequestClient, error) {
	if cfg.Context == nil {
		return nil, fmt.Errorf("%w: no Context", ErrConfig)
	}
	cfg.Options = cfg.Options.withDefaults(roleClient)
	c := &RequestClient{
		cfg: cfg, log: orDiscard(cfg.Log), turn: make(chan struct{}, 1), quit: make(chan struct{}),
	}
	var err error
	if c.wake, err = newWaker(cfg.Context); err != nil {
		return nil, err
	}
	if err = c.open(); err != nil {
		c.drop()
		_ = c.wake.close() // the first error says why
		return nil, err
	}
	c.turn <- struct{}{}
	return c, nil
}

// open makes and connects the socket.
func (c *RequestClient) open() (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("connect request socket to %s: %w", c.cfg.Endpoint, err)
		}
	}()
	if c.req, err = c.cfg.Context.socket(zmq.REQ); err != nil {
		return err
	}
	if err = c.cfg.Options.apply(c.req, c.cfg.Endpoint); err != nil {
		return err
	}
	// Without a connection a request waits here, where its caller can give it up, not in the socket, from
	// where it would leave for the server whenever the link comes up.
	if err = c.req.SetImmediate(true); err != nil {
		return fmt.Errorf("set IMMEDIATE: %w", err)
	}
	lost := new(atomic.Bool) // its own, so that late events of an older socket mean nothing
	c.lost = lost
	c.monitor, err = newMonitor(c.cfg.Context, c.req, zmq.EVENT_DISCONNECTED, func(zmq.Event, string, int) {
		lost.Store(true)
		c.wake.wake()
	})
	if err != nil {
		return err
	}
	if err = c.req.Connect(c.cfg.Endpoint); err != nil {
		return err
	}
	c.reader = frameReader{socket: c.req, maxFrames: DefaultMaxFrames, maxBytes: c.cfg.Options.MaxMsgBytes}
	c.poller = zmq.NewPoller()
	c.reqID = c.poller.Add(c.req, 0)
	c.poller.Add(c.wake.pull, zmq.POLLIN)
	return nil
}

// Do sends body as one request and returns the reply's body. It may be called from several goroutines; they take
// turns. Without a deadline in ctx, DefaultRequestTimeout applies, waiting for the turn not included.
//
// Errors: ErrTimeout when the time is over (together with ErrNotConnected if the request never left), the
// context's error when ctx was cancelled (and, at a deadline, beside ErrTimeout), ErrDisconnected when the server
// went away with the request, ErrReplyFrames for a reply of the wrong shape, ErrClosed after Close. After
// ErrTimeout and ErrDisconnected the server may still have handled the request.
func (c *RequestClient) Do(ctx context.Context, body []byte) ([]byte, error) {
	select {
	case <-c.turn:
	case <-ctx.Done():
		return nil, c.failure(ctx.Err(), false)
	case <-c.quit:
		return nil, c.failure(ErrClosed, false)
	}
	defer func() { c.turn <- struct{}{} }()
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, DefaultRequestTimeout)
		defer cancel()
	}
	if c.req == nil {
		if err := c.open(); err != nil {
			c.drop()
			return nil, err
		}
	}
	stop := context.AfterFunc(ctx, c.wake.wake)
	defer stop()
	if err := c.await(ctx, zmq.POLLOUT, func() error { return c.send(body) }); err != nil {
		return nil, c.abandon(err, true)
	}
	var reply []byte
	err := c.await(ctx, zmq.POLLIN, func() (err error) {
		reply, err = c.receive()
		return err
	})
	if err != nil {
		return nil, c.abandon(err, false)
	}
	return reply, nil
}

// await repeats try, which does not wait, until it returns something other than "not now".
func (c *RequestClient) await(ctx context.Context, events zmq.State, try func() error) error {
	if _, err := c.poller.Update(c.reqID, events); err != nil {
		return err
	}
	for {
		if c.ended.Load() {
			return ErrClosed
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		lost := events == zmq.POLLIN && c.lost.Load() // read before try: a reply may have come just before the end
		if err := try(); !isAgain(err) {
			return err
		}
		if lost {
			return ErrDisconnected
		}
		if _, err := c.poller.Poll(-1); err != nil && zmq.AsErrno(err) != zmq.Errno(syscall.EINTR) {
			return err
		}
		if err := c.wake.clear(); err != nil {
			return err
		}
	}
}

func (c *RequestClient) send(body []byte) error {
	c.lost.Store(false) // what ended before does not concern this request
	_, err := c.req.SendBytes(body, zmq.DONTWAIT)
	return err
}

func (c *RequestClient) receive() ([]byte, error) {
	status, err := c.reader.read()
	switch {
	case err != nil:
		return nil, err
	case status == readNothing || status == readMore:
		return nil, syscall.EAGAIN
	case status == readOversize || len(c.reader.frames) != 1:
		return nil, fmt.Errorf("%w: %d", ErrReplyFrames, len(c.reader.frames))
	}
	return c.reader.frames[0], nil
}

// abandon gives the socket up unless it is still good for the next request.
func (c *RequestClient) abandon(err error, unsent bool) error {
	ended := errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	if !errors.Is(err, ErrReplyFrames) && (!unsent || !ended) {
		c.drop()
		if !c.ended.Load() {
			c.replaced.Add(1)
		}
	}
	return c.failure(err, unsent && ended)
}

// failure adds what the caller needs to decide.
func (c *RequestClient) failure(err error, unconnected bool) error {
	switch {
	case errors.Is(err, context.DeadlineExceeded) && unconnected:
		return fmt.Errorf("request to %s: %w (%w): %w", c.cfg.Endpoint, ErrTimeout, ErrNotConnected, err)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("request to %s: %w: %w", c.cfg.Endpoint, ErrTimeout, err)
	default:
		return fmt.Errorf("request to %s: %w", c.cfg.Endpoint, err)
	}
}

// drop closes the socket. An unsent request goes with it, since clients do not linger.
func (c *RequestClient) drop() {
	if err := c.cfg.Context.release(c.req); err != nil {
		c.log.Warn("Request socket did not close", "err", err)
	}
	c.req = nil
	if c.monitor == nil {
		return
	}
	if err := c.monitor.wait(); err != nil {
		c.log.Warn("Request monitor failed", "err", err)
	}
	c.monitor = nil
}

// Replaced returns how often the socket was given up, after time-outs mostly.
func (c *RequestClient) Replaced() uint64 { return c.replaced.Load() }

// Close ends a request under way with ErrClosed, waits for it, and closes the socket. A second Close does nothing.
func (c *RequestClient) Close() error {
	if c.ended.Swap(true) {
		return nil
	}
	close(c.quit)
	c.wake.wake()
	<-c.turn // never given back
	c.drop()
	return c.wake.close()
}
