package transport

import (
	"context"
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const loopback = "tcp://127.0.0.1:*"

var (
	malformed = []byte("malformed")
	exception = []byte("exception")
	shutdown  = []byte("shutdown")
)

// newTestContext gives a context that must be closable when the test ends: every socket has been closed.
func newTestContext(t testing.TB) *Context {
	t.Helper()
	zctx, err := NewContext(1, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := zctx.Close(); err != nil {
			t.Errorf("context: %v", err)
		}
	})
	return zctx
}

// eventually polls a condition.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(rawDeadline)
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("not reached: %s", what)
		}
		time.Sleep(time.Millisecond) // the poll's own pause
	}
}

func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 2*rawDeadline)
	t.Cleanup(cancel)
	return ctx
}

// running is a RequestServer whose Run has been started.
type running struct {
	*RequestServer
	cancel context.CancelFunc
	done   chan error
}

// stop ends Run and returns its error.
func (r *running) stop() error {
	r.cancel()
	select {
	case err := <-r.done:
		r.done <- err
		return err
	case <-time.After(rawDeadline):
		return fmt.Errorf("run did not return")
	}
}

func echo(_ context.Context, r *Request) { r.Reply(r.Body()) }

// startRequests fills in what a test leaves out and runs the server until the test ends.
func startRequests(t testing.TB, zctx *Context, cfg RequestServerConfig) *running {
	t.Helper()
	cfg.Context = zctx
	if cfg.Endpoint == "" {
		cfg.Endpoint = loopback
	}
	if cfg.Classes == nil {
		cfg.Classes = []Class{{Name: "all", Queue: 1000, Workers: 4}}
	}
	if cfg.Handle == nil {
		cfg.Handle = echo
	}
	cfg.Malformed, cfg.Exception, cfg.Shutdown = malformed, exception, shutdown
	s, err := ListenRequests(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{RequestServer: s, cancel: cancel, done: make(chan error, 1)}
	go func() { r.done <- s.Run(ctx) }()
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	return r
}

func newClient(t testing.TB, zctx *Context, addr string) *RequestClient {
	t.Helper()
	c, err := NewRequestClient(RequestClientConfig{
		Context: zctx, Endpoint: addr, Options: SocketOptions{ReconnectIvl: 10 * time.Millisecond, ReconnectMax: 50 * time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("client: %v", err)
		}
	})
	return c
}

// mustEcho sends one request and expects it back.
func mustEcho(t testing.TB, c *RequestClient, body string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), rawDeadline)
	defer cancel()
	got, err := c.Do(ctx, []byte(body))
	if err != nil {
		t.Fatalf("request %q: %v", body, err)
	}
	if string(got) != body {
		t.Fatalf("request %q: reply %q", body, got)
	}
}

func startPublish(t testing.TB, zctx *Context, cfg PublishServerConfig) *PublishServer {
	t.Helper()
	cfg.Context = zctx
	if cfg.Endpoint == "" {
		cfg.Endpoint = loopback
	}
	s, err := ListenPublish(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("publisher: %v", err)
		}
	})
	return s
}
