package zmtp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Listener takes connections of peers on one address.
type Listener struct {
	hub  *hub
	ln   *net.TCPListener
	addr string
	once sync.Once
	rare *RareLog
}

// Listen binds "tcp://host:port" and starts to accept. host is an address, with brackets if it has colons, the
// name of an interface, or "*"; port 0 or "*" takes a free one.
func Listen(endpoint string, cfg Config) (*Listener, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	a, err := listenAddress(endpoint, cfg.IPv6)
	if err != nil {
		return nil, err
	}
	lc := net.ListenConfig{KeepAliveConfig: cfg.Keepalive.config()}
	lc.SetMultipathTCP(false) // its sockets are several times as large, and no peer asks for it
	if cfg.Keepalive.Off {
		lc.KeepAlive = -1
	}
	ln, err := lc.Listen(context.Background(), a.network, net.JoinHostPort(a.host, a.port))
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", endpoint, err)
	}
	l := &Listener{hub: newHub(cfg), ln: ln.(*net.TCPListener), rare: NewRareLog(cfg.Log)}
	if err := setBacklog(l.ln, cfg.Backlog); err != nil {
		_ = ln.Close()
		return nil, fmt.Errorf("listen on %s: %w", endpoint, err)
	}
	l.addr = "tcp://" + ln.Addr().String()
	if cfg.MessageTimeout > 0 || cfg.WriteTimeout > 0 || cfg.HeartbeatIvl > 0 {
		l.hub.startSweeper()
	}
	l.hub.spawn(l.accept)
	return l, nil
}

func (k Keepalive) config() net.KeepAliveConfig {
	orSystem := func(d time.Duration) time.Duration {
		if d <= 0 {
			return -1
		}
		return d
	}
	c := net.KeepAliveConfig{Enable: !k.Off, Idle: orSystem(k.Idle), Interval: orSystem(k.Interval), Count: k.Count}
	if c.Count <= 0 {
		c.Count = -1
	}
	return c
}

// setBacklog calls listen once more: package net always asks for the system's limit.
func setBacklog(ln *net.TCPListener, n int) error {
	raw, err := ln.SyscallConn()
	if err != nil {
		return err
	}
	var listenErr error
	if err := raw.Control(func(fd uintptr) { listenErr = unix.Listen(int(fd), n) }); err != nil {
		return err
	}
	return listenErr
}

// Addr returns the bound address with the real port, as "tcp://host:port".
func (l *Listener) Addr() string { return l.addr }

// Stats returns the counters as they are now.
func (l *Listener) Stats() Stats { return l.hub.snapshot() }

// Connections returns how many peers are connected, those included that have not shaken hands.
func (l *Listener) Connections() int { return int(l.hub.stats.open.Load()) }

// Each calls f for every connection that has shaken hands. Handler.Opened may still be at work on it.
func (l *Listener) Each(f func(c *Conn)) {
	l.hub.each(func(c *Conn) {
		if c.opened() {
			f(c)
		}
	})
}

// CloseListener stops accepting: the port is free. Connections go on.
func (l *Listener) CloseListener() {
	l.once.Do(func() { _ = l.ln.Close() })
	l.hub.refuse()
}

// CloseConnections cuts all peers, who may come again.
func (l *Listener) CloseConnections() { l.hub.each(func(c *Conn) { c.fail(ErrClosed) }) }

// Close cuts everything and waits until no Handler runs any more. A second Close waits too.
func (l *Listener) Close() error {
	l.CloseListener()
	l.hub.end()
	return nil
}

// Shutdown ends in order: it stops accepting, hands over what has already come, sends what is queued and what the
// Handlers add meanwhile, for at most linger, and closes.
func (l *Listener) Shutdown(linger time.Duration) error {
	l.CloseListener()
	if linger > 0 {
		l.hub.each(func(c *Conn) { c.finish() })
		timer := time.NewTimer(linger)
		defer timer.Stop()
		l.hub.waitEmpty(timer.C)
	}
	return l.Close()
}

// finish lets the reading goroutine take in what has come and end.
func (c *Conn) finish() {
	c.finishing.Store(true)
	_ = c.nc.SetReadDeadline(time.Unix(1, 0)) // fails on a closed connection, which ends anyway
}

// Pauses after a failed accept.
const (
	acceptPause    = 5 * time.Millisecond
	acceptPauseMax = time.Second
)

// accept takes connections until the listener is closed.
func (l *Listener) accept() {
	pause := acceptPause
	for {
		nc, err := l.ln.AcceptTCP()
		switch {
		case err == nil:
			pause = acceptPause
			l.welcome(nc)
			continue
		case errors.Is(err, net.ErrClosed):
			return
		}
		l.hub.stats.acceptFailed.Add(1)
		l.rare.Warn("Connection not accepted", "address", l.addr, "err", err)
		select {
		case <-time.After(pause):
		case <-l.hub.quit:
			return
		}
		pause = min(2*pause, acceptPauseMax)
	}
}

func (l *Listener) welcome(nc *net.TCPConn) {
	h := l.hub
	h.stats.accepted.Add(1)
	c, err := newConn(h, nc)
	if err != nil {
		_ = nc.Close()
		return
	}
	switch full, closed := h.add(c); {
	case full:
		h.stats.refused.Add(1)
		l.rare.Warn("Connection refused: too many", "address", l.addr, "limit", h.cfg.MaxConnections)
		fallthrough
	case closed:
		_ = nc.Close()
		return
	}
	if !h.spawn(func() { l.greet(c) }) {
		c.fail(ErrClosed)
		h.remove(c)
	}
}

// greet shakes hands, and leaves the connection to a new goroutine, whose stack is small again.
func (l *Listener) greet(c *Conn) {
	rest, err := c.open()
	if err != nil {
		if !errors.Is(err, io.EOF) && !errors.Is(err, ErrClosed) {
			l.hub.stats.handshakeFailed.Add(1)
			l.rare.Warn("Peer cut before its handshake was done", "address", l.addr, "peer", c.PeerIP(), "err", err)
		}
		c.fail(err)
		l.hub.remove(c)
		return
	}
	if !l.hub.spawn(func() { c.live(rest) }) {
		c.fail(ErrClosed)
		l.hub.remove(c)
	}
}

// newConn wraps a TCP connection.
func newConn(h *hub, nc *net.TCPConn) (*Conn, error) {
	raw, err := nc.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("raw connection: %w", err)
	}
	c := &Conn{hub: h, nc: nc, raw: raw}
	c.dec.lim = &h.lim
	c.out.writeFn = c.out.tryWrite
	return c, nil
}

// open shakes hands. It returns what came behind the handshake.
func (c *Conn) open() (rest []byte, err error) {
	c.peer, c.ver, rest, err = handshake(c.nc, &c.hub.cfg)
	if c.finishing.Load() && errors.Is(err, ErrHandshakeTime) {
		err = ErrClosed
	}
	if err != nil {
		return nil, err
	}
	c.dec.v2 = c.ver.major == majorV2Newest
	c.lastRead.Store(time.Now().UnixNano())
	if c.finishing.Load() { // its deadline was overwritten by the handshake
		_ = c.nc.SetReadDeadline(time.Unix(1, 0))
	}
	return rest, nil
}

// live is the whole of an open connection.
func (c *Conn) live(rest []byte) {
	handler := c.hub.cfg.Handler
	if err := handler.Opened(c); err != nil {
		c.fail(err)
	} else {
		c.serve(rest)
		handler.Closed(c, c.reason)
	}
	c.hub.remove(c)
}
