package transport

import (
	"fmt"
	"strconv"
	"sync"

	zmq "github.com/pebbe/zmq4"
)

// DefaultMaxSockets is the socket limit of a context made with maxSockets 0. Sockets are not connections: one
// server socket carries any number of them, up to the descriptor limit.
const DefaultMaxSockets = 4096

// Context holds the I/O threads that all sockets of one daemon share. One per daemon.
type Context struct {
	zctx *zmq.Context

	mu     sync.Mutex
	open   int    // sockets alive
	serial uint64 // makes inproc names unique
	closed bool
}

// NewContext starts a context with ioThreads background threads (0 = 1; one per two cores and at most 4 is a
// good rule, one carries tens of thousands of small requests per second) and room for maxSockets sockets
// (0 = DefaultMaxSockets).
func NewContext(ioThreads, maxSockets int) (*Context, error) {
	if ioThreads < 0 || maxSockets < 0 {
		return nil, fmt.Errorf("%w: %d I/O threads, %d sockets", ErrConfig, ioThreads, maxSockets)
	}
	if ioThreads == 0 {
		ioThreads = 1
	}
	if maxSockets == 0 {
		maxSockets = DefaultMaxSockets
	}
	zctx, err := zmq.NewContext()
	if err != nil {
		return nil, fmt.Errorf("create zmq context: %w", err)
	}
	// Both limits are read when the first socket is made and silently ignored later.
	if err := zctx.SetIoThreads(ioThreads); err != nil {
		return nil, fmt.Errorf("set %d I/O threads: %w", ioThreads, err)
	}
	if err := zctx.SetMaxSockets(maxSockets); err != nil {
		return nil, fmt.Errorf("set %d sockets: %w", maxSockets, err)
	}
	return &Context{zctx: zctx}, nil
}

// Close ends the I/O threads after the linger time of sockets that closed with unsent messages. It returns
// ErrContextBusy, and leaves everything running, while a socket is still open: close servers and clients first.
// A second Close does nothing.
func (c *Context) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	if c.open > 0 {
		defer c.mu.Unlock()
		return fmt.Errorf("%w: %d", ErrContextBusy, c.open)
	}
	c.closed = true
	c.mu.Unlock()
	if err := c.zctx.Term(); err != nil {
		return fmt.Errorf("terminate zmq context: %w", err)
	}
	return nil
}

// socket makes a socket and counts it.
func (c *Context) socket(kind zmq.Type) (*zmq.Socket, error) {
	if c == nil {
		return nil, fmt.Errorf("%w: no Context", ErrConfig)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, fmt.Errorf("create %v socket: %w", kind, ErrClosed)
	}
	s, err := c.zctx.NewSocket(kind)
	if err != nil {
		return nil, fmt.Errorf("create %v socket: %w", kind, err)
	}
	c.open++
	return s, nil
}

// release closes a socket made by socket. nil is allowed.
func (c *Context) release(s *zmq.Socket) error {
	if s == nil {
		return nil
	}
	err := s.Close()
	c.mu.Lock()
	c.open--
	c.mu.Unlock()
	if err != nil {
		return fmt.Errorf("close socket: %w", err)
	}
	return nil
}

// inprocName returns a name nothing else in this context uses.
func (c *Context) inprocName(kind string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.serial++
	return "inproc://" + kind + "-" + strconv.FormatUint(c.serial, 10)
}
