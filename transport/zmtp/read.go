package zmtp

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// inBuffer is what a connection borrows while it has bytes to work on.
type inBuffer struct{ data [16 << 10]byte }

var inPool = sync.Pool{New: func() any { return new(inBuffer) }}

// serve is a connection's life after its handshake: rest are the bytes that came behind it.
func (c *Conn) serve(rest []byte) {
	c.readFn = c.tryRead
	err := c.take(rest)
	for err == nil {
		err = c.readOnce()
	}
	c.forget()
	c.fail(err)
}

// readOnce waits for bytes and works on them.
func (c *Conn) readOnce() error {
	c.readN, c.readErr = 0, nil
	err := c.raw.Read(c.readFn)
	switch {
	case err != nil && c.finishing.Load() && errors.Is(err, os.ErrDeadlineExceeded):
		return c.readRest()
	case err != nil:
		return gone(err)
	}
	return c.work()
}

// work takes in what tryRead has read.
func (c *Conn) work() error {
	switch {
	case c.readErr != nil:
		return gone(c.readErr)
	case c.readN == 0:
		return io.EOF
	}
	c.lastRead.Store(time.Now().UnixNano())
	if c.readInto {
		c.dec.took(c.readN)
		return c.take(nil)
	}
	in := c.in
	err := c.take(in.data[:c.readN])
	c.release()
	return err
}

// readRest takes in what has already come, without waiting, and ends the connection once everything is sent.
func (c *Conn) readRest() error {
	for {
		c.readN, c.readErr = 0, nil
		again := false
		if err := c.raw.Control(func(fd uintptr) { again = !c.tryRead(fd) }); err != nil {
			return gone(err)
		}
		if again {
			<-c.Flushed() // Shutdown closes the connection when its time is over
			return ErrClosed
		}
		if err := c.work(); err != nil {
			return err
		}
	}
}

// tryRead reads once without waiting; false means that there is nothing. Large frames are read in place.
func (c *Conn) tryRead(fd uintptr) bool {
	dst := c.dec.space()
	c.readInto = dst != nil
	if dst == nil {
		c.in = inPool.Get().(*inBuffer)
		dst = c.in.data[:]
	}
	for {
		n, err := unix.Read(int(fd), dst)
		switch {
		case err == nil:
			c.readN = n
			return true
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			c.release()
			return false
		}
		c.readErr = err
		return true
	}
}

// release gives the borrowed buffer back.
func (c *Conn) release() {
	if c.in != nil {
		inPool.Put(c.in)
		c.in = nil
	}
}

// take cuts b into messages and commands and hands them over.
func (c *Conn) take(b []byte) error {
	for {
		used, it, err := c.dec.feed(b)
		if err != nil {
			return c.blame(err)
		}
		b = b[used:]
		if it.kind == itemNone {
			c.note()
			return nil
		}
		if it.kind == itemCommand {
			if err := c.command(it.command); err != nil {
				return c.blame(err)
			}
		} else if err := c.message(it, len(b)); err != nil {
			return c.blame(err)
		}
		if len(b) == 0 {
			c.note()
			return nil
		}
	}
}

// message hands one message over. rest is how many bytes are left to work on: with none the buffer goes back
// before the Handler, which may wait.
func (c *Conn) message(it item, rest int) error {
	if rest == 0 {
		c.release()
	}
	size := int64(0)
	for _, f := range it.frames {
		size += int64(len(f))
	}
	c.hold(size, 0)
	h := c.hub
	var err error
	switch {
	case h.cfg.Role.publishes():
		err = c.subscription(it)
	case it.kind == itemMessage:
		h.cfg.Handler.Message(c, it.frames)
	case h.oversize != nil:
		h.oversize.Oversize(c, it.frames)
	default:
		err = ErrMessageSize
	}
	return err
}

// subscription takes a message to a publisher: 1 and a topic, 0 and a topic, or with XPUB anything else too.
func (c *Conn) subscription(it item) error {
	first := it.frames[0]
	if it.kind == itemMessage && len(it.frames) == 1 && len(first) > 0 && first[0] <= 1 {
		return c.hub.cfg.Handler.Subscribed(c, first[1:], first[0] == 1)
	}
	if c.hub.cfg.Role == RoleXPub && it.kind == itemMessage {
		c.hub.cfg.Handler.Message(c, it.frames)
	}
	return nil
}

// command follows a command from the peer. Unknown ones are what later minor versions add.
func (c *Conn) command(body []byte) error {
	name, data, err := splitCommand(body)
	if err != nil {
		return err
	}
	subscribe := string(name) == commandSubscribe
	switch {
	case string(name) == commandPing:
		ttl, context, err := parsePing(data)
		if err != nil {
			return err
		}
		c.ttl.Store(int64(ttl))
		if ttl > 0 {
			c.hub.startSweeper()
		}
		if err := c.SendEncoded(encodedBytes(appendCommand(nil, commandPong, context))); errors.Is(err, ErrClosed) {
			return err
		}
		return nil // a peer that does not read gets no PONG
	case string(name) == commandError:
		return parseError(data)
	case c.hub.cfg.Role.publishes() && (subscribe || string(name) == commandCancel):
		if limit := c.hub.lim.frameBytes; limit >= 0 && int64(len(data)) > limit {
			return fmt.Errorf("%w: subscription of %d bytes", ErrFrameSize, len(data))
		}
		return c.hub.cfg.Handler.Subscribed(c, append([]byte{}, data...), subscribe)
	}
	return nil
}

// blame counts the end of a connection that is its peer's fault.
func (c *Conn) blame(err error) error {
	if !errors.Is(err, ErrClosed) {
		c.hub.stats.protocol.Add(1)
	}
	return err
}

// note tells the sweeper and the hub what is unfinished.
func (c *Conn) note() {
	n := c.dec.pending()
	began := int64(0)
	if n > 0 {
		if began = c.partSince.Load(); began == 0 {
			began = time.Now().UnixNano()
		}
	}
	c.hold(n, began)
}

// hold accounts n bytes to this connection. began is when the message began that is unfinished, 0 for none.
func (c *Conn) hold(n, began int64) {
	if n == c.held && began == c.partSince.Load() {
		return
	}
	c.partSince.Store(began)
	c.partBytes.Store(n)
	delta := n - c.held
	c.held = n
	c.hub.account(delta)
}

// forget gives everything back that the hub counts.
func (c *Conn) forget() {
	c.release()
	c.hold(0, 0)
	c.dec.part = nil
}
