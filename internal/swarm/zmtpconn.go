package swarm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// inlineBytes is the read buffer a connection owns while idle. A frame that does not fit is read into
// memory of its own size, so ten thousand idle connections cost ten thousand small buffers and no more.
const inlineBytes = 128

// maxFrames bounds one message: stock sends one to three frames, and the size limit is per frame.
const maxFrames = 8

// zmtpConn is one ZMTP connection after its handshake.
//
// One goroutine reads (ReadMessage); any goroutine may write: every message goes out in a single Write,
// which net.Conn keeps whole.
type zmtpConn struct {
	nc       net.Conn
	maxFrame int64
	start    int // unread bytes are buf[start:end]
	end      int
	buf      [inlineBytes]byte
}

// linkOptions says how connections are opened.
type linkOptions struct {
	DialTimeout time.Duration // TCP connect and handshake together
	MaxFrame    int64         // bytes a single frame may have
	Keepalive   time.Duration // TCP keepalive idle time; 0 = the system's
	Idle        time.Duration // of a requestLink: see Config.RequestIdle
}

// dialZMTP connects to addr ("host:port") as socketType ("REQ" or "SUB") and shakes hands. topics are
// the subscriptions a SUB sends with its handshake.
func dialZMTP(ctx context.Context, addr, socketType string, topics []string, opt linkOptions) (*zmtpConn, error) {
	ctx, cancel := context.WithTimeout(ctx, opt.DialTimeout)
	defer cancel()
	dialer := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: opt.Keepalive, Interval: -1, Count: -1}}
	nc, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &zmtpConn{nc: nc, maxFrame: opt.MaxFrame}
	stop := context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })
	err = c.handshake(socketType, topics)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = nc.Close()
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, fmt.Errorf("handshake with %s: %w", addr, err)
	}
	return c, nil
}

// handshake sends everything we have to say at once; the peer's half is then checked.
func (c *zmtpConn) handshake(socketType string, topics []string) error {
	out := appendReady(appendGreeting(make([]byte, 0, 256)), socketType)
	if _, err := c.nc.Write(out); err != nil {
		return err
	}
	greeting := make([]byte, greetingLen)
	if err := c.readFull(greeting); err != nil {
		return err
	}
	if err := checkGreeting(greeting); err != nil {
		return err
	}
	h, body, err := c.readFrame(nil)
	if err != nil {
		return err
	}
	if !h.Command {
		return fmt.Errorf("%w: a message before READY", ErrFrame)
	}
	if err := checkReady(body, socketType); err != nil {
		return err
	}
	if len(topics) == 0 {
		return nil
	}
	out = out[:0]
	for _, topic := range topics {
		out = appendSubscribe(out, topic)
	}
	_, err = c.nc.Write(out)
	return err
}

// checkReady says whether the peer's first command lets socketType talk to it.
func checkReady(body []byte, socketType string) error {
	name, data, err := splitCommand(body)
	if err != nil {
		return err
	}
	switch name {
	case "READY":
	case "ERROR":
		return fmt.Errorf("%w: %q", ErrPeer, clip(data, 64))
	default:
		return fmt.Errorf("%w: %q before READY", ErrCommand, clip([]byte(name), 16))
	}
	peer, err := readyProperty(data, "Socket-Type")
	if err != nil {
		return err
	}
	fits := false
	switch socketType {
	case "REQ":
		fits = peer == "ROUTER" || peer == "REP"
	case "SUB":
		fits = peer == "PUB" || peer == "XPUB"
	}
	if !fits {
		return fmt.Errorf("%w: %s with %q", ErrPeerType, socketType, clip([]byte(peer), 16))
	}
	return nil
}

// ReadMessage returns the frames of the next message. It answers PING on the way and skips other
// commands. The frames are not reused by later reads.
func (c *zmtpConn) ReadMessage() ([][]byte, error) {
	var frames [][]byte
	for {
		h, body, err := c.readFrame(frames)
		if err != nil {
			return nil, err
		}
		if h.Command {
			if err := c.command(body); err != nil {
				return nil, err
			}
			continue
		}
		frames = append(frames, body)
		if !h.More {
			return frames, nil
		}
		if len(frames) == maxFrames {
			return nil, fmt.Errorf("%w: more than %d frames in a message", ErrFrame, maxFrames)
		}
	}
}

func (c *zmtpConn) command(body []byte) error {
	name, data, err := splitCommand(body)
	if err != nil {
		return err
	}
	switch name {
	case "PING":
		pong, err := appendPong(nil, data)
		if err != nil {
			return err
		}
		_, err = c.nc.Write(pong)
		return err
	case "ERROR":
		return fmt.Errorf("%w: %q", ErrPeer, clip(data, 64))
	}
	return nil // PONG, and what later minor versions add
}

// readFrame reads one frame; its body is fresh memory. earlier counts towards the message size limit.
func (c *zmtpConn) readFrame(earlier [][]byte) (frameHeader, []byte, error) {
	for {
		h, n, err := parseFrameHeader(c.buf[c.start:c.end])
		if err != nil {
			return h, nil, err
		}
		if n == 0 {
			if err := c.fill(); err != nil {
				return h, nil, err
			}
			continue
		}
		c.start += n
		limit := uint64(c.maxFrame)
		if h.Command {
			limit = maxCommandBytes
		}
		for _, f := range earlier {
			limit -= min(limit, uint64(len(f)))
		}
		if h.Size > limit {
			return h, nil, fmt.Errorf("%w: %d bytes", ErrFrameSize, h.Size)
		}
		body, err := c.readBody(int(h.Size))
		return h, body, err
	}
}

// readBody reads size bytes without trusting size before the bytes are there: memory grows with what
// has arrived.
func (c *zmtpConn) readBody(size int) ([]byte, error) {
	const step = 64 << 10
	if size <= step {
		body := make([]byte, size)
		return body, c.readFull(body)
	}
	body := make([]byte, 0, step)
	for len(body) < size {
		n := min(size-len(body), max(step, len(body)))
		old := len(body)
		body = append(body, make([]byte, n)...)
		if err := c.readFull(body[old:]); err != nil {
			return nil, err
		}
	}
	return body, nil
}

// readFull fills p, first from the inline buffer.
func (c *zmtpConn) readFull(p []byte) error {
	n := copy(p, c.buf[c.start:c.end])
	c.start += n
	if n == len(p) {
		return nil
	}
	_, err := io.ReadFull(c.nc, p[n:])
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// fill reads more bytes into the inline buffer. It is called only while a header is incomplete, so at
// most maxHeaderLen-1 bytes are moved to the front.
func (c *zmtpConn) fill() error {
	c.end = copy(c.buf[:], c.buf[c.start:c.end])
	c.start = 0
	n, err := c.nc.Read(c.buf[c.end:])
	c.end += n
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// Send writes one message, encoded by appendRequest or appendFrame, before the deadline.
func (c *zmtpConn) Send(encoded []byte, deadline time.Time) error {
	if err := c.nc.SetWriteDeadline(deadline); err != nil {
		return err
	}
	_, err := c.nc.Write(encoded)
	return err
}

// Close ends the connection; a blocked read returns.
func (c *zmtpConn) Close() error { return c.nc.Close() }

func clip(b []byte, n int) string {
	if len(b) > n {
		b = b[:n]
	}
	return string(b)
}
