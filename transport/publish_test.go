package transport

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// publishSeen publishes topic once and reports whether the peer got it within a moment; used to wait until a
// subscription has taken effect, since the publisher does not confirm it.
func publishSeen(t *testing.T, s *PublishServer, p *rawPeer, topic string) bool {
	t.Helper()
	if err := s.Publish(testContext(t), [][]byte{[]byte(topic)}); err != nil {
		t.Fatal(err)
	}
	if err := p.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	_, err := p.recv()
	return err == nil
}

// subscriber is a raw peer whose subscription has taken effect and who has read everything sent so far.
func subscriber(t *testing.T, s *PublishServer, topic string) *rawPeer {
	t.Helper()
	p := mustDialRaw(t, s.Addr(), "SUB")
	p.subscribe(t, topic)
	eventually(t, "subscribed", func() bool { return publishSeen(t, s, p, topic+"hello") })
	return p
}

func TestPublishServer_looksLikeStock(t *testing.T) {
	s := startPublish(t, newTestContext(t), PublishServerConfig{})
	p := subscriber(t, s, "")
	if want := "\x05READY\x0bSocket-Type\x00\x00\x00\x03PUB"; string(p.ready) != want {
		t.Errorf("READY %q, want %q", p.ready, want)
	}
	if err := s.Publish(testContext(t), [][]byte{[]byte("one frame")}); err != nil {
		t.Fatal(err)
	}
	if flags, body, err := p.readFrame(); err != nil || flags != 0 || string(body) != "one frame" {
		t.Errorf("frame %x %q %v", flags, body, err)
	}
	if n := s.Subscribers(); n != 1 {
		t.Errorf("%d subscribers", n)
	}
}

// The topics of zmq_filtering: broadcast, syndic, and the SHA-1 of the minion id. spec: transport §4.2, §4.3.
func TestPublishServer_topics(t *testing.T) {
	s := startPublish(t, newTestContext(t), PublishServerConfig{})
	const id = "6de8e4ea1e57680553d2f7f524794ffc1e825915"
	minion, all := subscriber(t, s, id), subscriber(t, s, "")
	minion.subscribe(t, "broadcast")
	eventually(t, "second topic", func() bool { return publishSeen(t, s, minion, "broadcast") })
	msg := func(topic, envelope string) [][]byte { return [][]byte{[]byte(topic), []byte(envelope)} }
	other := strings.Repeat("0", 40)
	if err := s.Publish(testContext(t), msg(other, "a"), msg(id, "b"), msg("syndic", "c"), msg("broadcast", "d")); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{id + " b", "broadcast d"} {
		if got := string(bytes.Join(minion.mustRecv(t), []byte(" "))); got != want {
			t.Errorf("minion got %q, want %q", got, want)
		}
	}
	for _, want := range []string{other + " a", id + " b", "syndic c", "broadcast d"} {
		got := string(bytes.Join(all.mustRecv(t), []byte(" ")))
		for strings.HasSuffix(got, "hello") || got == "broadcast" { // sent while waiting for subscriptions
			got = string(bytes.Join(all.mustRecv(t), []byte(" ")))
		}
		if got != want {
			t.Errorf("unfiltered peer got %q, want %q", got, want)
		}
	}
}

// numbered makes n messages that carry their number.
func numbered(n, size int) [][][]byte {
	messages := make([][][]byte, n)
	for i := range messages {
		body := make([]byte, size)
		binary.BigEndian.PutUint32(body, uint32(i))
		messages[i] = [][]byte{body}
	}
	return messages
}

// readNumbered reads messages 0 to n-1 in order, skipping what came before.
func readNumbered(p *rawPeer, n int) error {
	for want := 0; want < n; {
		if err := p.SetReadDeadline(time.Now().Add(rawDeadline)); err != nil {
			return err
		}
		frames, err := p.recv()
		if err != nil {
			return err
		}
		if len(frames[0]) < 50 {
			continue
		}
		if got := int(binary.BigEndian.Uint32(frames[0])); got != want {
			return errors.New("gap or wrong order")
		}
		want++
	}
	return nil
}

func TestPublishServer_burstLosesNothing(t *testing.T) {
	const n = 20000 // twenty times the high-water mark
	s := startPublish(t, newTestContext(t), PublishServerConfig{Options: SocketOptions{HWM: 1000}})
	var group sync.WaitGroup
	for range 5 {
		p := subscriber(t, s, "")
		group.Go(func() {
			if err := readNumbered(p, n); err != nil {
				t.Error(err)
			}
		})
	}
	messages := numbered(n, 500)
	for i := 0; i < n; i += 100 {
		if err := s.Publish(testContext(t), messages[i:i+100]...); err != nil {
			t.Fatal(err)
		}
	}
	group.Wait()
	st := s.Stats()
	if st.Cut != 0 || st.StallTimeouts != 0 {
		t.Errorf("stats %+v", st)
	}
	t.Logf("burst waited %d times", st.Stalls)
}

func TestPublishServer_stuckSubscriber(t *testing.T) {
	const n = 8000
	s := startPublish(t, newTestContext(t), PublishServerConfig{
		Options: SocketOptions{HWM: 1000}, StallWait: 2 * time.Second,
	})
	stuck, good := subscriber(t, s, ""), subscriber(t, s, "")
	done := make(chan error, 1)
	go func() { done <- readNumbered(good, n) }()
	messages := numbered(n, 4000) // more than the kernel's buffers and the queue of the stuck one
	for i := 0; i < n; i += 10 {
		if err := s.Publish(testContext(t), messages[i:i+10]...); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-done; err != nil {
		t.Errorf("good subscriber: %v", err)
	}
	if st := s.Stats(); st.StallTimeouts != 1 || st.Cut != 1 {
		t.Errorf("stats %+v", st)
	}
	if err := readNumbered(stuck, n); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("stuck subscriber: %v", err) // it is told, by the end of its connection
	}
}

func TestPublishServer_context(t *testing.T) {
	s := startPublish(t, newTestContext(t), PublishServerConfig{
		Options: SocketOptions{HWM: 1}, Queue: 1, StallWait: time.Hour,
	})
	stuck := subscriber(t, s, "")
	before := s.Stats().Stalls // with this HWM even greetings may have waited
	ctx, cancel := context.WithCancel(testContext(t))
	var group, waiting sync.WaitGroup
	errs := make(chan error, 1)
	big := make([]byte, 1<<20)
	group.Go(func() { // fills the stuck one and waits
		messages := make([][][]byte, 100)
		for i := range messages {
			messages[i] = [][]byte{big}
		}
		errs <- s.Publish(testContext(t), messages...)
	})
	eventually(t, "burst waits", func() bool { return s.Stats().Stalls > before })
	for range 2 { // one in the queue, one before it
		waiting.Go(func() {
			if err := s.Publish(ctx, [][]byte{big}); !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled: %v", err)
			}
		})
	}
	eventually(t, "queue full", func() bool { return s.Stats().Queued == 1 })
	cancel()
	waiting.Wait()
	eventually(t, "closed peer frees the burst", func() bool { stuck.Close(); return len(errs) == 1 })
	group.Wait()
	if err := <-errs; err != nil {
		t.Errorf("burst: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Publish(testContext(t), [][]byte{big}); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if err := s.Publish(testContext(t), [][]byte{}); !errors.Is(err, ErrConfig) {
		t.Errorf("no frames: %v", err)
	}
}

// Close hands over what is queued, and does not wait for a stuck subscriber for long.
func TestPublishServer_closeWhileStuck(t *testing.T) {
	s := startPublish(t, newTestContext(t), PublishServerConfig{
		Options: SocketOptions{HWM: 1, Linger: 10 * time.Millisecond}, StallWait: time.Hour,
	})
	subscriber(t, s, "")
	before := s.Stats().Stalls
	done := make(chan error, 1)
	go func() {
		for {
			if err := s.Publish(testContext(t), [][]byte{make([]byte, 1<<20)}); err != nil {
				done <- err
				return
			}
		}
	}()
	eventually(t, "publisher waits", func() bool { return s.Stats().Stalls > before })
	ctx, cancel := context.WithCancel(testContext(t))
	cancel()
	if err := s.Run(ctx); err != nil {
		t.Error(err)
	}
	if err := <-done; !errors.Is(err, ErrClosed) {
		t.Errorf("publish: %v", err)
	}
}

func TestPacer(t *testing.T) {
	now := time.Unix(1000, 0)
	p := pacer{full: 10 * time.Second}
	var got []time.Duration
	for range 10 {
		got = append(got, p.limit(now))
		p.timedOut(now)
	}
	for i, d := range got {
		if want := max(minStallWait, 10*time.Second>>i); d != want {
			t.Errorf("step %d: %v, want %v", i, d, want)
		}
	}
	if d := p.limit(now.Add(8 * forgiveAfter)); d != 10*time.Second>>2 {
		t.Errorf("after eight minutes: %v", d)
	}
	if d := p.limit(now.Add(time.Hour)); d != 10*time.Second {
		t.Errorf("after an hour: %v", d)
	}
	if d := (&pacer{full: time.Millisecond}).limit(now); d != time.Millisecond {
		t.Errorf("short: %v", d)
	}
}
