package zmtp

import (
	"errors"
	"sync"

	"golang.org/x/sys/unix"
)

// Send sends one message of at least one frame. It never waits: ErrQueueFull when the peer does not read,
// ErrClosed when it has gone. nil means that it was queued or written, not that it arrived. Frames above 4 KiB
// are not copied and must not be changed afterwards.
func (c *Conn) Send(frames [][]byte) error { return c.SendEncoded(Encode(frames)) }

// SendEncoded is Send with the message already in wire form.
func (c *Conn) SendEncoded(m *Encoded) error {
	if err := c.Enqueue(m); err != nil {
		return err
	}
	c.Flush()
	return nil
}

// Enqueue is SendEncoded without the writing: Flush must follow. For bursts, which then go out in few pieces.
func (c *Conn) Enqueue(m *Encoded) error {
	_, err := c.out.push(m, &c.hub.cfg)
	return err
}

// Flush writes what is queued as far as the kernel takes it; the rest follows by itself. It never waits.
func (c *Conn) Flush() {
	if c.out.claim() {
		c.write()
	}
}

// Queued returns how many messages wait, the one being written included.
func (c *Conn) Queued() int { return c.out.len() }

// Room returns a channel that is closed when the queue is at most half full, or the connection has ended.
func (c *Conn) Room() <-chan struct{} { return c.out.roomy(&c.hub.cfg) }

// Flushed returns a channel that is closed when nothing is queued, or the connection has ended.
func (c *Conn) Flushed() <-chan struct{} { return c.out.emptied() }

// inlineChunks is how many writes a sender does for others before a goroutine takes over.
const inlineChunks = 16

var chunkPool = sync.Pool{New: func() any { s := make([][]byte, 0, chunkMessages); return &s }}

// write sends what is queued without waiting; what the kernel does not take is left to a goroutine.
func (c *Conn) write() {
	if c.pump(inlineChunks) {
		return
	}
	flush := func() {
		for !c.pump(-1) {
		}
	}
	if !c.hub.spawn(flush) {
		c.fail(ErrClosed)
	}
}

// pump writes up to most chunks, -1 = all and waiting for the kernel. It reports whether nothing is left to do.
func (c *Conn) pump(most int) (done bool) {
	buf := chunkPool.Get().(*[][]byte)
	defer func() {
		clear((*buf)[:cap(*buf)])
		*buf = (*buf)[:0]
		chunkPool.Put(buf)
	}()
	q := &c.out
	for i := 0; most < 0 || i < most; i++ {
		*buf = q.gather((*buf)[:0])
		if len(*buf) == 0 {
			return true
		}
		size := 0
		for _, p := range *buf {
			size += len(p)
		}
		q.chunk, q.wait, q.n, q.err = *buf, most < 0, 0, nil
		if q.wait {
			q.setWaiting(true)
		}
		err := c.raw.Write(q.writeFn)
		q.chunk = nil
		if err == nil {
			err = q.err
		}
		if err != nil {
			c.fail(gone(err))
			return true // gather finds it closed
		}
		q.advance(q.n, &c.hub.cfg)
		if q.n < size && most >= 0 {
			return false
		}
	}
	return false
}

// iovecs is how many pieces one system call takes at most.
const iovecs = 256

// tryWrite is the body of writeFn.
func (q *sendQueue) tryWrite(fd uintptr) bool {
	for {
		var n int
		var err error
		if len(q.chunk) == 1 {
			n, err = unix.Write(int(fd), q.chunk[0])
		} else {
			n, err = unix.Writev(int(fd), q.chunk[:min(len(q.chunk), iovecs)])
		}
		switch {
		case err == nil:
			q.n = n
			return true
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return !q.wait
		}
		q.err = err
		return true
	}
}
