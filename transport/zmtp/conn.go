package zmtp

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Conn is one connection after its handshake. See the package comment for its threading.
type Conn struct {
	// Tag is for the Handler, to be set in Opened.
	Tag any

	hub  *hub
	nc   *net.TCPConn
	raw  syscall.RawConn
	peer ready
	ver  version

	prev, next *Conn // hub's list

	ended     atomic.Bool
	finishing atomic.Bool // take in what has come, then end: see Listener.Shutdown
	reason    error       // why it ended; written once, before ended
	endOnce   sync.Once
	done      chan struct{} // dialled connections: closed after Handler.Closed

	// Reading goroutine only.
	dec      decoder
	readFn   func(fd uintptr) bool
	in       *inBuffer // while bytes are being worked on
	readInto bool      // the last read went into the decoder's own memory
	readN    int
	readErr  error
	held     int64 // bytes accounted in hub.partial

	// For the sweeper.
	partBytes atomic.Int64 // bytes of an unfinished message
	partSince atomic.Int64 // when it began, in Unix nanoseconds; 0 = nothing unfinished
	lastRead  atomic.Int64 // when something came
	ttl       atomic.Int64 // of silence the peer allows itself, in nanoseconds; 0 = any
	watch     watch

	out sendQueue
}

// PeerAddr returns the peer's address with its port.
func (c *Conn) PeerAddr() net.Addr { return c.nc.RemoteAddr() }

// PeerIP returns the peer's IP address. Behind a proxy it is the proxy's.
func (c *Conn) PeerIP() string {
	a, ok := c.nc.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return ""
	}
	return a.AddrPort().Addr().Unmap().String()
}

// PeerIdentity returns what the peer calls itself. Nothing vouches for it.
func (c *Conn) PeerIdentity() []byte { return c.peer.identity }

// PeerType returns the peer's socket type, such as "REQ".
func (c *Conn) PeerType() string { return c.peer.role.String() }

// PeerVersion returns 2 for a peer of ZMTP 2.0, else 3.
func (c *Conn) PeerVersion() int { return int(c.ver.major) }

// Close ends the connection at once; what is queued is lost. It does not wait: Handler.Closed follows.
func (c *Conn) Close() { c.fail(ErrClosed) }

// CloseWith is Close with a reason, which Handler.Closed gets to see.
func (c *Conn) CloseWith(reason error) { c.fail(reason) }

// Done is closed when a dialled connection has ended and its Handler.Closed has returned; nil for accepted ones.
func (c *Conn) Done() <-chan struct{} { return c.done }

// fail ends the connection. The first reason counts. It never waits.
func (c *Conn) fail(reason error) {
	c.endOnce.Do(func() {
		if reason == nil {
			reason = io.EOF
		}
		c.reason = reason
		c.ended.Store(true)
		c.out.close()
		_ = c.nc.Close() // wakes the reading goroutine and a flusher; nothing to be told at the end
	})
}

// opened reports that the handshake is done: only then may others look at the peer's properties.
func (c *Conn) opened() bool { return c.lastRead.Load() != 0 }

// watch is what the sweeper remembers of a connection.
type watch struct {
	began, bytes int64 // of the unfinished message
	since        time.Time
	sent         uint64
	sendingSince time.Time
	pinged       time.Time
}

// messageProgress is how much of an unfinished message must come within MessageTimeout.
const messageProgress = 64 << 10

// checkTimes ends a connection that has been silent at the wrong place. Sweeper only.
func (c *Conn) checkTimes(now time.Time) {
	if c.ended.Load() || !c.opened() {
		return
	}
	cfg, w := &c.hub.cfg, &c.watch
	began, bytes := c.partSince.Load(), c.partBytes.Load()
	if began == 0 || began != w.began || bytes-w.bytes >= messageProgress {
		w.began, w.bytes, w.since = began, bytes, now
	} else if cfg.MessageTimeout > 0 && now.Sub(w.since) > cfg.MessageTimeout {
		c.hub.stats.stalled.Add(1)
		c.fail(ErrStalled)
		return
	}
	sent, busy := c.out.progress()
	if busy && sent != w.sent && !w.pinged.IsZero() {
		w.pinged = now // it takes in what is queued before the PING, on a slow line
	}
	if !busy || sent != w.sent || w.sendingSince.IsZero() {
		w.sent, w.sendingSince = sent, now
	} else if cfg.WriteTimeout > 0 && now.Sub(w.sendingSince) > cfg.WriteTimeout {
		c.hub.stats.stalled.Add(1)
		c.fail(ErrStalled)
		return
	}
	c.heartbeat(now)
}

// heartbeat sends the PING that is due and judges the silence after earlier ones.
func (c *Conn) heartbeat(now time.Time) {
	cfg, w := &c.hub.cfg, &c.watch
	last := time.Unix(0, c.lastRead.Load())
	mute := false
	if ttl := time.Duration(c.ttl.Load()); ttl > 0 && now.Sub(last) > ttl {
		mute = true
	}
	if cfg.HeartbeatIvl > 0 && c.knowsPing() {
		since := w.pinged
		if cfg.HeartbeatTTL == 0 && last.After(since) {
			since = last // it is there, and does not wait for us: nothing to be said
		}
		switch {
		case !w.pinged.IsZero() && last.Before(w.pinged) && now.Sub(w.pinged) > cfg.HeartbeatTimeout:
			mute = true
		case (w.pinged.IsZero() || !last.Before(w.pinged)) && now.Sub(since) >= cfg.HeartbeatIvl:
			w.pinged = now
			_ = c.SendEncoded(encodedBytes(appendPing(nil, cfg.HeartbeatTTL))) // a full queue is no reason to cut: see WriteTimeout
		}
	}
	if mute {
		c.hub.stats.mute.Add(1)
		c.fail(ErrHeartbeat)
	}
}

// knowsPing reports whether the peer may be sent PING: it came with ZMTP 3.1, which libzmq greets with from 4.3.3 on.
// Those that greet as 3.0 look alike and do three things: 4.3.0 to 4.3.2 answer; 4.2 answers too, but its REQ socket goes
// dead for good; 4.0 and 4.1 hand it to the program as a message. HeartbeatAny is for peers that are neither REQ nor SUB.
func (c *Conn) knowsPing() bool {
	v := c.ver
	return v.major > majorOurs || v.major == majorOurs && (v.minor >= minorPing || c.hub.cfg.HeartbeatAny)
}

// gone turns the error of a read or write into the reason of the end.
func gone(err error) error {
	switch {
	case err == nil, errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return io.EOF
	case errors.Is(err, net.ErrClosed):
		return ErrClosed
	}
	return err
}
