package transport

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"
)

// startSubscriber runs a subscriber until the test ends.
func startSubscriber(t *testing.T, zctx *Context, cfg SubscriberConfig) *Subscriber {
	t.Helper()
	cfg.Context = zctx
	cfg.Options.ReconnectIvl, cfg.Options.ReconnectMax = 10*time.Millisecond, 50*time.Millisecond
	s, err := NewSubscriber(cfg)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("subscriber: %v", err)
		}
	})
	return s
}

// waitLink skips events until one of the given kind.
func waitLink(t *testing.T, s *Subscriber, kind LinkKind) LinkEvent {
	t.Helper()
	timeout := time.After(rawDeadline)
	for {
		select {
		case e := <-s.Links():
			if e.Kind == kind {
				return e
			}
		case <-timeout:
			t.Fatalf("no event %v", kind)
		}
	}
}

// published sends topic until the subscriber has it, and empties its channel.
func published(t *testing.T, p *PublishServer, s *Subscriber, topic string) {
	t.Helper()
	eventually(t, "subscribed to "+topic, func() bool {
		if err := p.Publish(testContext(t), [][]byte{[]byte(topic)}); err != nil {
			t.Fatal(err)
		}
		select {
		case m := <-s.Messages():
			return string(m.Frames[0]) == topic
		case <-time.After(5 * time.Millisecond):
			return false
		}
	})
}

func TestSubscriber_topics(t *testing.T) {
	zctx := newTestContext(t)
	p := startPublish(t, zctx, PublishServerConfig{})
	s := startSubscriber(t, zctx, SubscriberConfig{
		Endpoint: p.Addr(), Topics: [][]byte{[]byte("broadcast"), []byte("syndic")},
	})
	waitLink(t, s, LinkConnected)
	published(t, p, s, "broadcast")
	published(t, p, s, "syndic")
	if err := p.Publish(testContext(t),
		[][]byte{[]byte("other"), []byte("1")}, [][]byte{[]byte("syndic"), []byte("2")}); err != nil {
		t.Fatal(err)
	}
	for m := range s.Messages() {
		if len(m.Frames) == 2 { // the rest came while waiting
			if string(m.Frames[0]) != "syndic" || string(m.Frames[1]) != "2" {
				t.Errorf("got %q", m.Frames)
			}
			break
		}
	}
}

// TestSubscriber_Subscribe: a topic that is added while it runs.
func TestSubscriber_Subscribe(t *testing.T) {
	zctx := newTestContext(t)
	p := startPublish(t, zctx, PublishServerConfig{})
	s := startSubscriber(t, zctx, SubscriberConfig{Endpoint: p.Addr(), Topics: [][]byte{[]byte("broadcast")}})
	waitLink(t, s, LinkConnected)
	published(t, p, s, "broadcast")
	s.Subscribe([]byte("syndic"))
	published(t, p, s, "syndic")
}

func TestSubscriber_linkEvents(t *testing.T) {
	zctx := newTestContext(t)
	p := startPublish(t, zctx, PublishServerConfig{})
	s := startSubscriber(t, zctx, SubscriberConfig{Endpoint: p.Addr()})
	if e := waitLink(t, s, LinkConnected); e.Endpoint != p.Addr() {
		t.Errorf("endpoint %q", e.Endpoint)
	}
	published(t, p, s, "first")
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	waitLink(t, s, LinkDisconnected)
	waitLink(t, s, LinkRetrying)
	p = startPublish(t, zctx, PublishServerConfig{Endpoint: p.Addr()})
	waitLink(t, s, LinkConnected)
	published(t, p, s, "second")
}

func TestSubscriber_handshakeFails(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n bad bad bad bad bad bad bad"))
			c.Close()
		}
	}()
	s := startSubscriber(t, newTestContext(t), SubscriberConfig{Endpoint: "tcp://" + l.Addr().String()})
	if e := waitLink(t, s, LinkHandshakeFailed); e.Err == nil {
		t.Error("no reason")
	}
	l.Close()
	<-done
}

func TestSubscriber_full(t *testing.T) {
	zctx := newTestContext(t)
	p := startPublish(t, zctx, PublishServerConfig{})
	s := startSubscriber(t, zctx, SubscriberConfig{Endpoint: p.Addr(), Queue: 2})
	published(t, p, s, "x")
	const n = 500
	if err := p.Publish(testContext(t), numbered(n, 100)...); err != nil {
		t.Fatal(err)
	}
	eventually(t, "consumer behind", func() bool { return s.Stats().Stalls > 0 })
	if st := s.Stats(); st.QueuedNow != 2 || st.QueueLimit != 2 {
		t.Errorf("stats %+v", st)
	}
	for got := 0; got < n; { // nothing is lost: it waited
		if m := <-s.Messages(); len(m.Frames[0]) == 100 {
			if m.Frames[0][3] != byte(got) {
				t.Fatalf("message %d out of order", got)
			}
			got++
		}
	}
}

func TestSubscriber_lifecycle(t *testing.T) {
	zctx := newTestContext(t)
	p := startPublish(t, zctx, PublishServerConfig{})
	s, err := NewSubscriber(SubscriberConfig{Context: zctx, Endpoint: p.Addr(), Queue: 1})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Run(context.Background()) }()
	waitLink(t, s, LinkConnected)
	eventually(t, "running", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.running
	})
	if err := s.Run(context.Background()); !errors.Is(err, ErrRunning) {
		t.Errorf("second Run: %v", err)
	}
	// Close while Run is blocked on a full channel.
	eventually(t, "blocked", func() bool {
		if err := p.Publish(testContext(t), [][]byte{[]byte("x")}); err != nil {
			t.Fatal(err)
		}
		return s.Stats().Stalls > 0
	})
	if err := errors.Join(s.Close(), s.Close(), <-done); err != nil {
		t.Error(err)
	}
	for range s.Messages() { // closed
	}
	for range s.Links() {
	}

	unused, err := NewSubscriber(SubscriberConfig{Context: zctx, Endpoint: p.Addr()})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(unused.Close(), unused.Close()); err != nil {
		t.Error(err)
	}
	if err := unused.Run(context.Background()); !errors.Is(err, ErrClosed) {
		t.Errorf("Run after Close: %v", err)
	}
	for _, cfg := range []SubscriberConfig{
		{Endpoint: p.Addr()}, {Context: zctx, Endpoint: "nonsense"}, {Context: zctx, Endpoint: p.Addr(), Queue: -1},
	} {
		if _, err := NewSubscriber(cfg); err == nil {
			t.Errorf("%+v accepted", cfg)
		}
	}
}

func TestLinkFeed_dropsOldest(t *testing.T) {
	f := linkFeed{events: make(chan LinkEvent, 2)}
	for range 5 {
		f.handle(clientRetried, "e", 100)
	}
	f.handle(clientConnected, "e", 0)
	if f.dropped.Load() != 4 {
		t.Errorf("dropped %d", f.dropped.Load())
	}
	if a, b := <-f.events, <-f.events; a.Kind != LinkRetrying || b.Kind != LinkConnected {
		t.Errorf("kept %v, %v", a.Kind, b.Kind)
	}
}
