package swarm

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// ErrTimeout says that the master did not answer a request in time. The connection it was sent on is
// gone: REQ pairs replies with requests by order alone, so a late reply must have nowhere to go.
var ErrTimeout = errors.New("request timed out")

// errNotSent says that the connection was found dead while writing: libzmq would still hold the request
// and send it after reconnecting, and so do we.
var errNotSent = errors.New("request not sent")

const (
	requestReconnect    = 100 * time.Millisecond // libzmq's default for a REQ …
	requestReconnectMax = 5 * time.Second        // … and what a stock minion sets as its maximum
)

// requestLink is a minion's REQ socket: one request in flight, the rest wait their turn. It connects at
// first use and again at the next use after a loss.
type requestLink struct {
	addr     string
	opt      linkOptions
	counters *counters
	wg       *sync.WaitGroup // counts the reader goroutine
	gate     gate            // dials at a time

	turn chan struct{} // holds one token: whose turn it is owns everything below
	conn *requestConn
	wait time.Duration // before the next dial; 0 after a success
	due  time.Time
	idle *time.Timer // closes conn; nil without opt.Idle, or before the first request
}

// requestConn is one connection with its reader.
type requestConn struct {
	zmtp    *zmtpConn
	replies chan []byte   // the reader's; one slot: one request is in flight
	down    chan struct{} // closed when the reader ended
}

func newRequestLink(addr string, opt linkOptions, c *counters, wg *sync.WaitGroup, g gate) *requestLink {
	l := &requestLink{addr: addr, opt: opt, counters: c, wg: wg, gate: g, turn: make(chan struct{}, 1)}
	l.turn <- struct{}{}
	return l
}

// Do sends body and returns the reply body. timeout counts from the moment it is our turn and covers
// connecting, as a REQ socket queues a request while it is not connected.
func (l *requestLink) Do(ctx context.Context, body []byte, timeout time.Duration) ([]byte, error) {
	select {
	case <-l.turn:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() {
		l.rest()
		l.turn <- struct{}{}
	}()

	timer := time.NewTimer(timeout)
	defer timer.Stop()
	deadline := time.Now().Add(timeout)
	for {
		conn, err := l.connect(ctx, deadline)
		if err != nil {
			return nil, err
		}
		reply, err := l.exchange(ctx, conn, body, timer, deadline)
		if !errors.Is(err, errNotSent) {
			return reply, err
		}
	}
}

func (l *requestLink) exchange(ctx context.Context, conn *requestConn, body []byte, timer *time.Timer, deadline time.Time) ([]byte, error) {
	encoded := appendRequest(make([]byte, 0, len(body)+16), body)
	if err := conn.zmtp.Send(encoded, deadline); err != nil {
		l.drop()
		return nil, errNotSent
	}
	down := conn.down
	for {
		select {
		case reply := <-conn.replies:
			return reply, nil
		case <-down:
			// A reply may have come before the hang-up; else the request is lost, and as libzmq never
			// sends one again by itself, a stock minion sits out its timeout.
			select {
			case reply := <-conn.replies:
				return reply, nil
			default:
				down = nil
			}
		case <-timer.C:
			l.drop()
			return nil, fmt.Errorf("%w by %s", ErrTimeout, l.addr)
		case <-ctx.Done():
			l.drop()
			return nil, context.Cause(ctx)
		}
	}
}

// connect returns the live connection or makes one, trying until the deadline.
func (l *requestLink) connect(ctx context.Context, deadline time.Time) (*requestConn, error) {
	if l.conn != nil {
		select {
		case <-l.conn.down:
			l.drop()
		default:
			return l.conn, nil
		}
	}
	for {
		if err := sleepUntil(ctx, earlier(l.due, deadline)); err != nil {
			return nil, err
		}
		if !time.Now().Before(deadline) {
			return nil, fmt.Errorf("%w: not connected to %s", ErrTimeout, l.addr)
		}
		opt := l.opt
		opt.DialTimeout = min(opt.DialTimeout, time.Until(deadline))
		zmtp, err := l.gate.dial(ctx, l.addr, "REQ", nil, opt)
		if err == nil {
			return l.adopt(zmtp), nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		l.wait = min(max(2*l.wait, requestReconnect), requestReconnectMax)
		l.due = time.Now().Add(l.wait/2 + rand.N(l.wait))
	}
}

func (l *requestLink) adopt(zmtp *zmtpConn) *requestConn {
	l.counters.connects.Add(1)
	l.wait, l.due = 0, time.Time{}
	conn := &requestConn{zmtp: zmtp, replies: make(chan []byte, 1), down: make(chan struct{})}
	l.conn = conn
	l.wg.Go(func() { conn.read(l.counters) })
	return conn
}

// rest has the connection closed when no other request comes.
func (l *requestLink) rest() {
	switch {
	case l.opt.Idle <= 0 || l.conn == nil:
	case l.idle == nil:
		l.idle = time.AfterFunc(l.opt.Idle, l.close)
	default:
		l.idle.Reset(l.opt.Idle)
	}
}

// close drops the connection unless a request is using it, which will rest it again.
func (l *requestLink) close() {
	select {
	case <-l.turn:
		l.drop()
		l.turn <- struct{}{}
	default:
	}
}

// drop closes the connection; the reader ends by itself.
func (l *requestLink) drop() {
	if l.conn != nil {
		_ = l.conn.zmtp.Close()
		l.conn = nil
	}
}

// Close ends the connection once the request in flight is over; its context must have ended.
func (l *requestLink) Close() {
	<-l.turn
	if l.idle != nil {
		l.idle.Stop()
	}
	l.drop()
	l.turn <- struct{}{}
}

// read hands replies over until the connection ends. A message nobody asked for ends it too: the peer
// does not keep to request and reply.
func (c *requestConn) read(counters *counters) {
	defer close(c.down)
	defer counters.disconnects.Add(1)
	defer func() { _ = c.zmtp.Close() }()
	for {
		frames, err := c.zmtp.ReadMessage()
		if err != nil || len(frames) != 2 || len(frames[0]) != 0 {
			return
		}
		select {
		case c.replies <- frames[1]:
		default:
			return
		}
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// sleepUntil waits for t or the end of ctx, whose cause it returns.
func sleepUntil(ctx context.Context, t time.Time) error {
	return sleep(ctx, time.Until(t))
}

// sleep waits d or for the end of ctx, whose cause it returns.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
