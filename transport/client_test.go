package transport

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"
)

func TestRequestClient_wire(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := newClient(t, newTestContext(t), "tcp://"+l.Addr().String())
	served := make(chan [][]byte, 1)
	go func() {
		defer close(served)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		p := newRawPeer(conn)
		defer p.Close()
		if p.handshake("ROUTER", "") != nil {
			return
		}
		frames, err := p.recv()
		if err != nil {
			return
		}
		served <- frames
		if p.send(nil, []byte("reply")) != nil {
			return
		}
		if _, err := p.recv(); err != nil {
			return
		}
		_ = p.send(nil, []byte("a"), []byte("b"))
		_, _ = p.recv() // until the client closes
	}()
	got, err := c.Do(testContext(t), []byte("request"))
	if err != nil || string(got) != "reply" {
		t.Fatalf("got %q, %v", got, err)
	}
	if f := <-served; len(f) != 2 || len(f[0]) != 0 || string(f[1]) != "request" {
		t.Errorf("on the wire: %q", f)
	}
	if _, err := c.Do(testContext(t), []byte("request")); !errors.Is(err, ErrReplyFrames) {
		t.Errorf("two frames: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	<-served
}

func TestRequestClient_timeoutReplacesSocket(t *testing.T) {
	zctx, g := newTestContext(t), newGate()
	s := startRequests(t, zctx, RequestServerConfig{Handle: g.handle})
	c := newClient(t, zctx, s.Addr())
	mustEcho(t, c, "before")
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	_, err := c.Do(ctx, []byte("slow"))
	if !errors.Is(err, ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrNotConnected) {
		t.Errorf("timeout: %v", err)
	}
	ctx2, cancel2 := context.WithCancel(context.Background())
	go func() {
		eventually(t, "second slow one handled", func() bool { return g.entered.Load() == 2 })
		cancel2()
	}()
	if _, err := c.Do(ctx2, []byte("slow2")); !errors.Is(err, context.Canceled) || errors.Is(err, ErrTimeout) {
		t.Errorf("cancelled: %v", err)
	}
	if c.Replaced() != 2 {
		t.Errorf("replaced %d times", c.Replaced())
	}
	close(g.open) // the late replies have nowhere to go
	mustEcho(t, c, "after")
}

func TestRequestClient_unconnected(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := "tcp://" + l.Addr().String()
	l.Close()
	zctx := newTestContext(t)
	c := newClient(t, zctx, addr)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	if _, err := c.Do(ctx, []byte("x")); !errors.Is(err, ErrTimeout) || !errors.Is(err, ErrNotConnected) {
		t.Errorf("nobody there: %v", err)
	}
	if c.Replaced() != 0 {
		t.Error("a request that never left cost the socket")
	}
	seen := make(chan string, 10)
	startRequests(t, zctx, RequestServerConfig{Endpoint: addr, Handle: func(_ context.Context, r *Request) {
		seen <- string(r.Body())
		r.Reply(r.Body())
	}})
	mustEcho(t, c, "y") // reconnects; and x was not sent behind its caller's back
	if len(seen) != 1 {
		t.Errorf("server saw %d requests, first %q", len(seen), <-seen)
	}
}

func TestRequestClient_serverRestart(t *testing.T) {
	zctx := newTestContext(t)
	s := startRequests(t, zctx, RequestServerConfig{})
	c := newClient(t, zctx, s.Addr())
	mustEcho(t, c, "one")
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	startRequests(t, zctx, RequestServerConfig{Endpoint: s.Addr()})
	// The first request may still go to the dying connection; a caller tries again.
	eventually(t, "served by the new server", func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		got, err := c.Do(ctx, []byte("two"))
		return err == nil && string(got) == "two"
	})
}

func TestRequestClient_disconnected(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := newClient(t, newTestContext(t), "tcp://"+l.Addr().String())
	done := make(chan struct{})
	go func() {
		defer close(done)
		// The first connection ends with the request unanswered. Its socket may connect once more before the client
		// gives it up.
		for answers := false; ; {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			p := newRawPeer(conn)
			if p.handshake("ROUTER", "") == nil {
				if frames, err := p.recv(); err == nil && answers && p.send(frames...) == nil {
					_, _ = p.recv() // until the client closes
				} else if err == nil {
					answers = true
				}
			}
			p.Close()
		}
	}()
	if _, err := c.Do(context.Background(), []byte("lost")); !errors.Is(err, ErrDisconnected) {
		t.Errorf("got %v", err)
	}
	mustEcho(t, c, "next")
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	l.Close()
	<-done
}

func TestRequestClient_close(t *testing.T) {
	zctx, g := newTestContext(t), newGate()
	s := startRequests(t, zctx, RequestServerConfig{Handle: g.handle})
	c := newClient(t, zctx, s.Addr())
	done := make(chan error, 2)
	for range 2 { // one under way, one waiting for its turn
		go func() {
			_, err := c.Do(context.Background(), []byte("slow"))
			done <- err
		}()
	}
	eventually(t, "request under way", func() bool { return g.entered.Load() == 1 })
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := <-done; !errors.Is(err, ErrClosed) {
			t.Errorf("Do: %v", err)
		}
	}
	if _, err := c.Do(context.Background(), nil); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	close(g.open)
}

func TestRequestClient_sourceAddress(t *testing.T) {
	zctx := newTestContext(t)
	s := startRequests(t, zctx, RequestServerConfig{Handle: func(_ context.Context, r *Request) {
		r.Reply([]byte(r.Peer()))
	}})
	c := newClient(t, zctx, "tcp://127.0.0.9:0;"+strings.TrimPrefix(s.Addr(), "tcp://"))
	got, err := c.Do(testContext(t), nil)
	if err != nil || string(got) != "127.0.0.9" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestNewRequestClient_refuses(t *testing.T) {
	zctx := newTestContext(t)
	for _, cfg := range []RequestClientConfig{
		{Endpoint: "tcp://127.0.0.1:1"},
		{Context: zctx, Endpoint: "nonsense"},
	} {
		if c, err := NewRequestClient(cfg); err == nil {
			t.Errorf("%q accepted", cfg.Endpoint)
			c.Close()
		}
	}
}
