package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestRequestServer_echo(t *testing.T) {
	zctx := newTestContext(t)
	s := startRequests(t, zctx, RequestServerConfig{Handle: func(_ context.Context, r *Request) {
		r.Reply([]byte(r.Peer() + " " + string(r.Body())))
	}})
	c := newClient(t, zctx, s.Addr())
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for j := range 20 {
				body := fmt.Sprintf("%d-%d", i, j)
				got, err := c.Do(testContext(t), []byte(body))
				if err != nil || string(got) != "127.0.0.1 "+body {
					t.Errorf("got %q, %v", got, err)
				}
			}
		})
	}
	group.Wait()
	eventually(t, "replies counted", func() bool { return s.Stats().Sent == 160 })
	if st := s.Stats(); st.Received != 160 || st.Classes[0].Waiting != 0 || st.Classes[0].WaitingBytes != 0 {
		t.Errorf("stats %+v", st)
	}
}

func TestRequestServer_envelope(t *testing.T) {
	s := startRequests(t, newTestContext(t), RequestServerConfig{MaxFrames: 8})
	e, many := []byte{}, make([][]byte, 20)
	for i := range many {
		many[i] = []byte("x")
	}
	late := append(append([][]byte{}, many...), e, []byte("body"))
	for _, tc := range []struct {
		name string
		send [][]byte
		want [][]byte // nil: dropped
	}{
		{"plain", [][]byte{e, []byte("b")}, [][]byte{e, []byte("b")}},
		{"proxies", [][]byte{[]byte("p2"), []byte("p1"), e, []byte("b")}, [][]byte{[]byte("p2"), []byte("p1"), e, []byte("b")}},
		{"empty body", [][]byte{e, e}, [][]byte{e, e}},
		{"big", [][]byte{e, bytes.Repeat([]byte("b"), 1<<20)}, [][]byte{e, bytes.Repeat([]byte("b"), 1<<20)}},
		{"no body", [][]byte{e}, [][]byte{e, malformed}},
		{"two bodies", [][]byte{e, []byte("a"), []byte("b")}, [][]byte{e, malformed}},
		{"second delimiter", [][]byte{e, e, []byte("b")}, [][]byte{e, malformed}},
		{"too many frames", append([][]byte{[]byte("p"), e}, many...), [][]byte{[]byte("p"), e, malformed}},
		{"no delimiter", [][]byte{[]byte("a"), []byte("b")}, nil},
		{"delimiter after cap", late, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dropped := s.Stats().NoDelimiter
			p := mustDialRaw(t, s.Addr(), "DEALER")
			if err := p.send(tc.send...); err != nil {
				t.Fatal(err)
			}
			if tc.want == nil {
				eventually(t, "message dropped", func() bool { return s.Stats().NoDelimiter == dropped+1 })
				tc.want = [][]byte{e, []byte("after")} // the connection still works
				if err := p.send(tc.want...); err != nil {
					t.Fatal(err)
				}
			}
			got := p.mustRecv(t)
			if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", tc.want) {
				t.Errorf("got %.200q", got)
			}
		})
	}
}

func TestRequestServer_panic(t *testing.T) {
	zctx := newTestContext(t)
	s := startRequests(t, zctx, RequestServerConfig{
		Classify: func(body []byte) int {
			if string(body) == "classify" {
				panic("secret")
			}
			return 99 // out of range: class 0
		},
		Handle: func(_ context.Context, r *Request) {
			switch string(r.Body()) {
			case "panic":
				panic("secret")
			case "reply first":
				r.Reply([]byte("mine"))
				r.Reply([]byte("again"))
				panic("later")
			default:
				go r.Reply(r.Body()) // after Handle returned
			}
		},
	})
	c := newClient(t, zctx, s.Addr())
	for body, want := range map[string]string{
		"panic": "exception", "classify": "exception", "reply first": "mine", "later": "later",
	} {
		got, err := c.Do(testContext(t), []byte(body))
		if err != nil || string(got) != want {
			t.Errorf("%s: got %q, %v", body, got, err)
		}
	}
	eventually(t, "panics counted", func() bool { return s.Stats().Panics == 3 })
	if st := s.Stats(); st.LateReplies != 1 || st.Classes[0].Waiting != 0 {
		t.Errorf("stats %+v", st)
	}
}

// gate is a handler that waits until it is opened.
type gate struct {
	open    chan struct{}
	entered atomic.Int64
}

func newGate() *gate { return &gate{open: make(chan struct{})} }

func (g *gate) handle(ctx context.Context, r *Request) {
	if bytes.HasPrefix(r.Body(), []byte("slow")) {
		g.entered.Add(1)
		select {
		case <-g.open:
		case <-ctx.Done():
		}
	}
	r.Reply(r.Body())
}

func classifySlow(body []byte) int {
	if bytes.HasPrefix(body, []byte("slow")) {
		return 1
	}
	return 0
}

func TestRequestServer_fullAnswers(t *testing.T) {
	zctx, g := newTestContext(t), newGate()
	s := startRequests(t, zctx, RequestServerConfig{
		Classes: []Class{
			{Name: "quick", Queue: 10, Workers: 1},
			{Name: "slow", Queue: 2, Workers: 1, Full: Answer, Answer: []byte("busy")},
		},
		Classify: classifySlow, Handle: g.handle,
	})
	p := mustDialRaw(t, s.Addr(), "DEALER")
	for i := range 5 {
		if err := p.send(nil, fmt.Appendf(nil, "slow%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // one is handled, two wait, two are refused
		if got := p.mustRecv(t); string(got[1]) != "busy" {
			t.Fatalf("got %q", got)
		}
	}
	mustEcho(t, newClient(t, zctx, s.Addr()), "quick")
	close(g.open)
	for i := range 3 {
		if got := p.mustRecv(t); string(got[1]) != fmt.Sprintf("slow%d", i) {
			t.Fatalf("got %q", got)
		}
	}
	if c := s.Stats().Classes[1]; c.Refused != 2 || c.Received != 5 || c.Waiting != 0 {
		t.Errorf("class %+v", c)
	}
}

func TestRequestServer_fullStopsReading(t *testing.T) {
	for _, limit := range []Class{
		{Name: "count", Queue: 2, Workers: 1},
		{Name: "bytes", Queue: 1000, QueueBytes: 12, Workers: 1},
	} {
		t.Run(limit.Name, func(t *testing.T) {
			g := newGate()
			s := startRequests(t, newTestContext(t), RequestServerConfig{
				Classes: []Class{{Name: "quick", Queue: 10, Workers: 1}, limit}, Classify: classifySlow, Handle: g.handle,
			})
			p := mustDialRaw(t, s.Addr(), "DEALER")
			for i := range 100 {
				if err := p.send(nil, fmt.Appendf(nil, "slow%02d", i)); err != nil {
					t.Fatal(err)
				}
			}
			eventually(t, "reading stopped", func() bool { return s.Stats().Classes[1].Stalls == 1 && g.entered.Load() == 1 })
			if st := s.Stats(); st.Received > 4 {
				t.Errorf("read on: %+v", st)
			}
			close(g.open)
			for i := range 100 {
				if got := p.mustRecv(t); string(got[1]) != fmt.Sprintf("slow%02d", i) {
					t.Fatalf("reply %d: %q", i, got)
				}
			}
		})
	}
}

func TestRequestServer_shutdownAnswersAll(t *testing.T) {
	zctx, g := newTestContext(t), newGate()
	s := startRequests(t, zctx, RequestServerConfig{
		Classes: []Class{{Name: "all", Queue: 3, Workers: 1}}, Handle: g.handle, DrainTimeout: 300 * time.Millisecond,
	})
	p := mustDialRaw(t, s.Addr(), "DEALER")
	const n = 50 // one handled, three queued, one held, the others unread
	for i := range n {
		if err := p.send(nil, fmt.Appendf(nil, "slow%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "class full", func() bool { return s.Stats().Classes[0].Stalls == 1 })
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	for range n {
		if got := p.mustRecv(t); string(got[1]) != "shutdown" {
			t.Fatalf("got %q", got)
		}
	}
	if _, err := p.recv(); err == nil {
		t.Error("more than one answer for a request")
	}
	if st := s.Stats(); st.RefusedStopping != n || st.Sent != n {
		t.Errorf("stats %+v", st)
	}
}

func TestRequestServer_shutdownFinishesWork(t *testing.T) {
	zctx, g := newTestContext(t), newGate()
	s := startRequests(t, zctx, RequestServerConfig{Handle: g.handle})
	p, q := mustDialRaw(t, s.Addr(), "REQ"), mustDialRaw(t, s.Addr(), "REQ")
	if err := p.send(nil, []byte("slow")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "request handled", func() bool { return g.entered.Load() == 1 })
	s.cancel()
	eventually(t, "draining", func() bool {
		_, err := dialRaw(s.Addr(), "REQ")
		return err != nil
	})
	for { // a request that comes now is refused at once, while the first is still being handled
		if err := q.send(nil, []byte("x")); err != nil {
			t.Fatal(err)
		}
		if got := q.mustRecv(t); string(got[1]) == "shutdown" {
			break
		}
	}
	close(g.open)
	if got := p.mustRecv(t); string(got[1]) != "slow" {
		t.Fatalf("got %q", got)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
}

func TestRequestServer_stuckHandler(t *testing.T) {
	zctx := newTestContext(t)
	release := make(chan struct{})
	s, err := ListenRequests(RequestServerConfig{
		Context: zctx, Endpoint: loopback, Classes: []Class{{Queue: 1, Workers: 1}}, Malformed: malformed,
		DrainTimeout: 20 * time.Millisecond, Handle: func(_ context.Context, r *Request) {
			<-release
			r.Reply(nil)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	p := mustDialRaw(t, s.Addr(), "REQ")
	if err := p.send(nil, []byte("x")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "request taken", func() bool { return s.Stats().Classes[0].Waiting == 1 })
	if err := s.Run(ctx); !errors.Is(err, ErrRunning) {
		t.Errorf("second Run: %v", err)
	}
	cancel()
	if err := <-done; !errors.Is(err, ErrHandlersBusy) {
		t.Errorf("Run: %v", err)
	}
	if got := p.mustRecv(t); string(got[1]) != "malformed" {
		t.Errorf("got %q", got)
	}
	close(release)
	eventually(t, "late reply counted", func() bool { return s.Stats().LateReplies == 1 })
}

func TestRequestServer_goneAndFullPeers(t *testing.T) {
	zctx, g := newTestContext(t), newGate()
	s := startRequests(t, zctx, RequestServerConfig{Handle: g.handle, Options: SocketOptions{HWM: 2}})
	p := mustDialRaw(t, s.Addr(), "REQ")
	if err := p.send(nil, []byte("slow")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "request handled", func() bool { return g.entered.Load() == 1 })
	p.Close()
	eventually(t, "peer gone", func() bool { return s.Stats().Connections == 0 })
	c := newClient(t, zctx, s.Addr())
	mustEcho(t, c, "beside") // by then the owner, too, knows that the peer has gone
	close(g.open)
	eventually(t, "lost reply counted", func() bool { return s.Stats().PeerGone == 1 })

	deaf := mustDialRaw(t, s.Addr(), "DEALER")
	go func() { // sends and never reads, until the test ends
		body := bytes.Repeat([]byte("x"), 1<<20)
		for deaf.send(nil, body) == nil {
		}
	}()
	eventually(t, "lost replies counted", func() bool { return s.Stats().PeerFull > 0 })
	mustEcho(t, c, "beside")
	deaf.Close()
}

func TestRequestServer_ipv6(t *testing.T) {
	if l, err := net.Listen("tcp", "[::1]:0"); err != nil {
		t.Skip("no IPv6 on this host")
	} else {
		l.Close()
	}
	zctx := newTestContext(t)
	s := startRequests(t, zctx, RequestServerConfig{Endpoint: BindEndpoint("::1", 0)})
	if !strings.HasPrefix(s.Addr(), "tcp://[::1]:") {
		t.Errorf("address %s", s.Addr())
	}
	mustEcho(t, newClient(t, zctx, s.Addr()), "six")
	// one socket for both families
	s = startRequests(t, zctx, RequestServerConfig{Endpoint: BindEndpoint("::", 0)})
	port := s.Addr()[strings.LastIndex(s.Addr(), ":"):]
	mustEcho(t, newClient(t, zctx, "tcp://127.0.0.1"+port), "four")
	mustEcho(t, newClient(t, zctx, "tcp://[::1]"+port), "six")
}

func TestListenRequests_refuses(t *testing.T) {
	good := RequestServerConfig{
		Endpoint: loopback, Classes: []Class{{Queue: 1}}, Malformed: malformed, Handle: echo,
	}
	for name, change := range map[string]func(*RequestServerConfig){
		"classes":   func(c *RequestServerConfig) { c.Classes = nil },
		"queue":     func(c *RequestServerConfig) { c.Classes = []Class{{}} },
		"policy":    func(c *RequestServerConfig) { c.Classes = []Class{{Queue: 1, Full: 7}} },
		"handle":    func(c *RequestServerConfig) { c.Handle = nil },
		"malformed": func(c *RequestServerConfig) { c.Malformed = nil },
		"frames":    func(c *RequestServerConfig) { c.MaxFrames = -1 },
		"hwm":       func(c *RequestServerConfig) { c.Options.HWM = -1 },
	} {
		cfg := good
		change(&cfg)
		if _, err := ListenRequests(cfg); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s, err := ListenRequests(good)
	if err != nil {
		t.Fatal(err)
	}
	taken := good
	taken.Endpoint = s.Addr()
	if _, err := ListenRequests(taken); err == nil || !strings.Contains(err.Error(), s.Addr()) {
		t.Errorf("address in use: %v", err)
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Error(err)
	}
	if err := s.Run(context.Background()); !errors.Is(err, ErrClosed) {
		t.Errorf("Run after Close: %v", err)
	}
}
