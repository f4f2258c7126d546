package relay

import (
	"bytes"
	"context"
	"sync"
	"testing"

	"github.com/saltern-io/saltern/transport"
	"github.com/saltern-io/saltern/transport/zmtp"
)

// echoMaster answers requests with what they said.
type echoMaster struct {
	mu     sync.Mutex
	silent bool
	got    int
}

func (m *echoMaster) Opened(*zmtp.Conn) error                   { return nil }
func (m *echoMaster) Subscribed(*zmtp.Conn, []byte, bool) error { return nil }
func (m *echoMaster) Closed(*zmtp.Conn, error)                  {}

func (m *echoMaster) Message(c *zmtp.Conn, frames [][]byte) {
	m.mu.Lock()
	m.got++
	silent := m.silent
	m.mu.Unlock()
	if !silent {
		_ = c.Send(frames) // the test sees whether the answer came
	}
}

func (m *echoMaster) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.got
}

func (m *echoMaster) hush(on bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.silent = on
}

func listenMaster(t *testing.T, endpoint string, m *echoMaster) (addr string, stop func()) {
	t.Helper()
	l, err := zmtp.Listen(endpoint, zmtp.Config{Role: zmtp.RoleRouter, Handler: m, Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return l.Addr(), stop
}

// TestRequests: requests and answers pass as they are, beside each other; without the master they wait for it, unless the
// peer goes or they grow old.
func TestRequests(t *testing.T) {
	master := &echoMaster{}
	addr, stopMaster := listenMaster(t, "tcp://127.0.0.1:0", master)
	r := newRequests(addr, zmtp.Config{Log: quiet()}, &newcomers{present: func() bool { return false }}, quiet())
	l, err := zmtp.Listen("tcp://127.0.0.1:0", zmtp.Config{Role: zmtp.RoleRouter, Handler: r, Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { r.run(ctx) })
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	zctx, err := transport.NewContext(1, 16)
	if err != nil {
		t.Fatal(err)
	}
	client := func() *transport.RequestClient {
		c, err := transport.NewRequestClient(transport.RequestClientConfig{Context: zctx, Endpoint: l.Addr()})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	a, b := client(), client()
	t.Cleanup(func() {
		for _, c := range []interface{ Close() error }{a, b, zctx} {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	ask := func(c *transport.RequestClient, body []byte) ([]byte, error) {
		limit, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		return c.Do(limit, body)
	}
	want := func(c *transport.RequestClient, body, answer []byte) {
		t.Helper()
		if got, err := ask(c, body); err != nil || !bytes.Equal(got, answer) {
			t.Errorf("%q answered %q, %v; want %q", body, got, err, answer)
		}
	}
	up := func(on bool) func() bool {
		return func() bool { is, _, _ := r.link.get(); return is == on }
	}
	sealed, clear := []byte("sealed"), []byte("clear")

	await(t, "the link", up(true))
	want(a, sealed, sealed)
	want(b, clear, clear)
	want(a, []byte("whatever"), []byte("whatever"))

	// An answer that is lost with the link.
	master.hush(true)
	n := master.count()
	lost := make(chan []byte, 2)
	for _, one := range []struct {
		c    *transport.RequestClient
		body []byte
	}{{a, sealed}, {b, clear}} {
		wg.Go(func() {
			got, err := ask(one.c, one.body)
			if err != nil {
				t.Error(err)
			}
			lost <- got
		})
	}
	await(t, "both at the master", func() bool { return master.count() == n+2 })
	stopMaster()
	await(t, "the link lost", up(false))
	held := func(n int) func() bool {
		return func() bool { r.mu.Lock(); defer r.mu.Unlock(); return len(r.held) == n }
	}
	await(t, "both wait", held(2))
	gone := client()
	leave, left := context.WithCancel(ctx)
	wg.Go(func() {
		if _, err := gone.Do(leave, sealed); err == nil {
			t.Error("a request that nobody waited for was answered")
		}
	})
	await(t, "a third waits", held(3))
	left()
	if err := gone.Close(); err != nil {
		t.Error(err)
	}
	await(t, "the third is gone", held(2))
	r.mu.Lock()
	r.held = append(r.held, flight{from: r.held[0].from, envelope: [][]byte{{1}, {}}, body: [][]byte{{2}}}) // from long ago
	r.mu.Unlock()
	n = master.count()
	master.hush(false)
	listenMaster(t, addr, master)
	if a, b := string(<-lost), string(<-lost); a != "clear" && b != "clear" || a != "sealed" && b != "sealed" {
		t.Errorf("answered %q and %q", a, b)
	}
	await(t, "the old one is dropped", func() bool { return r.dropped.Load() == 1 })
	if got := master.count() - n; got != 2 {
		t.Errorf("%d requests sent again, want 2", got)
	}
	await(t, "the link", up(true))
	want(a, sealed, sealed)
	if got := r.passed.Load(); got < 6 {
		t.Errorf("%d passed on", got)
	}
}
