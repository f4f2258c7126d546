package broker

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/transport/zmtp"
)

// TestBroker_subscriptionsArePassedUp: the first subscriber of a topic adds it at the master, the last one removes it.
func TestBroker_subscriptionsArePassedUp(t *testing.T) {
	m := startFakeMaster(t, "a")
	b := start(t, testConfig(m.upstream()))
	b.waitReady(t)
	one, got1 := connect(t, b.publishPort, zmtp.RoleSub)
	two, got2 := connect(t, b.publishPort, zmtp.RoleSub)
	expect := func(want string) {
		t.Helper()
		if got := m.pubs.topic(t); got != want {
			t.Fatalf("the master heard %q, want %q", got, want)
		}
	}
	subscribe := func(c *zmtp.Conn, topic string) {
		t.Helper()
		if err := c.Subscribe([]byte(topic)); err != nil {
			t.Fatal(err)
		}
	}
	subscribe(one, "aa")
	expect("+aa")
	subscribe(two, "aa")
	subscribe(two, "bb")
	expect("+bb")
	m.say(t, "aa", "for both")
	m.say(t, "bb", "for two", "and a third frame")
	m.say(t, "cc", "for nobody")
	m.say(t, "aa", "last")
	for _, want := range []string{"aa|for both", "aa|last"} {
		if got := got1.next(t); got != want {
			t.Errorf("one got %q, want %q", got, want)
		}
	}
	for _, want := range []string{"aa|for both", "bb|for two|and a third frame", "aa|last"} {
		if got := got2.next(t); got != want {
			t.Errorf("two got %q, want %q", got, want)
		}
	}
	if err := one.Unsubscribe([]byte("aa")); err != nil {
		t.Fatal(err)
	}
	two.Close()
	left := map[string]bool{m.pubs.topic(t): true, m.pubs.topic(t): true}
	if !left["-aa"] || !left["-bb"] {
		t.Errorf("the master heard %v, want both removed", left)
	}
	eventually(t, "no topics", func() bool { return b.topics.len() == 0 && b.publications.subscribers() == 0 })
}

func TestBroker_requestsAndReplies(t *testing.T) {
	m := startFakeMaster(t, "a").echo()
	b := start(t, testConfig(m.upstream()))
	for i := range 3 {
		c, box := connect(t, b.requestPort, zmtp.RoleReq)
		ask(t, c, "", fmt.Sprint("hello ", i))
		if got, want := box.next(t), fmt.Sprint("|a:hello ", i); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	c, box := connect(t, b.requestPort, zmtp.RoleDealer)
	ask(t, c, "hop 1", "hop 2", "", "body")
	if got := box.next(t); got != "hop 1|hop 2||a:body" {
		t.Errorf("got %q", got)
	}
	b.balanced(t)
}

// balanced checks the sum that the status shows.
func (r *running) balanced(t testing.TB) {
	t.Helper()
	eventually(t, "balance of requests", func() bool {
		for _, s := range r.Status().Sections {
			for _, sum := range s.Sums {
				if sum.Difference() != 0 {
					return false
				}
			}
		}
		return true
	})
	if report := r.Status(); len(report.Metrics.Faults) > 0 {
		t.Errorf("metrics: %v", report.Metrics.Faults)
	}
}

// TestBroker_failover: the next master serves when one is killed; what was in flight is answered, subscriptions move.
func TestBroker_failover(t *testing.T) {
	first, second := startFakeMaster(t, "first"), startFakeMaster(t, "second").echo()
	cfg := testConfig(first.upstream(), second.upstream())
	cfg.FailoverAfter = 300 * time.Millisecond
	b := start(t, cfg)
	b.waitReady(t)
	sub, pubs := connect(t, b.publishPort, zmtp.RoleSub)
	if err := sub.Subscribe([]byte("t")); err != nil {
		t.Fatal(err)
	}
	if got := first.pubs.topic(t); got != "+t" {
		t.Errorf("first heard %q", got)
	}
	c, box := connect(t, b.requestPort, zmtp.RoleReq)
	ask(t, c, "", "unanswered")
	if got := first.reqs.next(t); !strings.HasSuffix(got, "||unanswered") {
		t.Errorf("first got %q", got)
	}
	eventually(t, "second stands by", func() bool { return b.up("second") })
	began := time.Now()
	first.kill()
	if got := box.next(t); got != "|"+badLoad {
		t.Errorf("in flight: answered %q", got)
	}
	ask(t, c, "", "again")
	if got := box.next(t); got != "|second:again" {
		t.Errorf("after the failover: %q", got)
	}
	t.Logf("the next master served %v after the first was killed", time.Since(began).Round(time.Millisecond))
	if got := second.pubs.topic(t); got != "+t" {
		t.Errorf("second heard %q", got)
	}
	second.say(t, "t", "news")
	if got := pubs.next(t); got != "t|news" {
		t.Errorf("publication %q", got)
	}
	if n := b.pilot.count.failovers.Load(); n != 1 {
		t.Errorf("%d failovers", n)
	}
	b.balanced(t)
}

// up tells whether the broker is connected with an upstream.
func (r *running) up(entry string) bool {
	r.pilot.mu.Lock()
	defer r.pilot.mu.Unlock()
	for _, u := range r.pilot.all {
		if u.Entry == entry {
			return u.standing().up
		}
	}
	return false
}

// serving is the entry of the active upstream.
func (r *running) serving() string {
	r.pilot.mu.Lock()
	defer r.pilot.mu.Unlock()
	if r.pilot.active == nil {
		return ""
	}
	return r.pilot.active.Entry
}

// TestBroker_failoverFromSilence: a master behind a line that swallows everything is left after its heartbeats fail.
func TestBroker_failoverFromSilence(t *testing.T) {
	first, second := startFakeMaster(t, "first").echo(), startFakeMaster(t, "second").echo()
	pub, req := newLine(t, first.publish), newLine(t, first.requests)
	cfg := testConfig(upstreamAt("first", pub.port, req.port), second.upstream())
	cfg.FailoverAfter, cfg.Heartbeat, cfg.HeartbeatTimeout, cfg.RequestHold = time.Hour, 50*time.Millisecond, 300*time.Millisecond, time.Minute
	b := start(t, cfg)
	b.waitReady(t)
	c, box := connect(t, b.requestPort, zmtp.RoleReq)
	ask(t, c, "", "1")
	if got := box.next(t); got != "|first:1" {
		t.Fatalf("before: %q", got)
	}
	pub.freeze()
	req.freeze()
	ask(t, c, "", "2")
	got := box.next(t)
	if got == "|"+badLoad { // it was in flight
		ask(t, c, "", "2")
		got = box.next(t)
	}
	if got != "|second:2" || b.serving() != "second" {
		t.Errorf("got %q from %q", got, b.serving())
	}
}

func TestBroker_failback(t *testing.T) {
	first, second := startFakeMaster(t, "first").echo(), startFakeMaster(t, "second")
	cfg := testConfig(first.upstream(), second.upstream())
	cfg.Failback = 100 * time.Millisecond
	line := newLine(t, first.requests)
	cfg.Masters[0].RetPort = line.port
	line.refuse(true)
	b := start(t, cfg)
	b.waitReady(t)
	if b.serving() != "second" {
		t.Fatalf("%q serves", b.serving())
	}
	c, box := connect(t, b.requestPort, zmtp.RoleReq)
	ask(t, c, "", "slow")
	asked := <-second.reqs.messages
	line.refuse(false)
	eventually(t, "failback", func() bool { return b.serving() == "first" })
	// What the second one was asked it still answers.
	asked[len(asked)-1] = []byte("answer")
	second.reqL.Each(func(c *zmtp.Conn) { _ = c.Send(asked) })
	if got := box.next(t); got != "|answer" {
		t.Errorf("reply of the former master: %q", got)
	}
	ask(t, c, "", "x")
	if got := box.next(t); got != "|first:x" {
		t.Errorf("after the failback: %q", got)
	}
}

func TestBroker_bounce(t *testing.T) {
	for _, mode := range []string{"none", "bounce"} {
		t.Run(mode, func(t *testing.T) {
			m := startFakeMaster(t, "a")
			cfg := testConfig(m.upstream())
			cfg.OnUpstreamGap = mode
			b := start(t, cfg)
			b.waitReady(t)
			sub, pubs := connect(t, b.publishPort, zmtp.RoleSub)
			if err := sub.Subscribe(nil); err != nil {
				t.Fatal(err)
			}
			m.pubs.topic(t)
			m.pubL.CloseConnections()
			if mode == "bounce" {
				select {
				case <-pubs.ended:
				case <-time.After(30 * time.Second):
					t.Error("the subscription was not closed after the gap")
				}
			} else {
				m.pubs.topic(t)
				m.say(t, "news")
				if got := pubs.next(t); got != "news" {
					t.Errorf("after the gap: %q", got)
				}
			}
			if b.pilot.count.gaps.Load() != 1 {
				t.Errorf("%d gaps", b.pilot.count.gaps.Load())
			}
			// The request side has nothing to do with it.
			if b.requestL.Connections() != 0 || b.requests.count.refused.Load() != 0 {
				t.Error("the request side was touched")
			}
		})
	}
}

// TestBroker_slowSubscriber: one that stops reading is disconnected, and nobody else misses anything.
func TestBroker_slowSubscriber(t *testing.T) {
	m := startFakeMaster(t, "a")
	cfg := testConfig(m.upstream())
	cfg.PubHWM = 50
	b := start(t, cfg)
	b.waitReady(t)
	rawSubscriber(t, b.publishPort)
	sub, pubs := connect(t, b.publishPort, zmtp.RoleSub)
	if err := sub.Subscribe(nil); err != nil {
		t.Fatal(err)
	}
	m.pubs.topic(t)
	eventually(t, "both subscribed", func() bool { return b.publications.subscribers() == 2 })
	body := strings.Repeat("x", 256<<10)
	sent := 0
	for ; b.publications.count.slow.Load() == 0; sent++ {
		if sent == 5000 {
			t.Fatal("the slow subscriber was not disconnected")
		}
		m.say(t, fmt.Sprint(sent), body)
		if got := pubs.next(t); got != fmt.Sprint(sent)+"|"+body {
			t.Fatalf("publication %d came as %.20q", sent, got)
		}
	}
	m.say(t, "after", "it")
	if got := pubs.next(t); got != "after|it" {
		t.Errorf("got %q", got)
	}
	eventually(t, "slow one is gone", func() bool { return b.publications.subscribers() == 1 })
	t.Logf("disconnected after %d publications of 256 KiB", sent)
}

// rawSubscriber shakes hands, subscribes to everything and never reads again.
func rawSubscriber(t *testing.T, port int) {
	t.Helper()
	c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", fmt.Sprint(port)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	hello := make([]byte, 64)
	hello[0], hello[9], hello[10] = 0xff, 0x7f, 3
	copy(hello[12:], "NULL")
	hello = append(hello, "\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x03SUB\x00\x01\x01"...)
	if _, err := c.Write(hello); err != nil {
		t.Fatal(err)
	}
}

// TestBroker_hostilePeers: whatever strangers send, those who keep to the protocol are served.
func TestBroker_hostilePeers(t *testing.T) {
	m := startFakeMaster(t, "a").echo()
	cfg := testConfig(m.upstream())
	cfg.MaxMsgBytes, cfg.TopicsMax, cfg.PeerRequestsMax = 1<<20, 20, 4
	b := start(t, cfg)
	b.waitReady(t)
	for _, port := range []int{b.publishPort, b.requestPort} {
		for _, junk := range []string{"GET / HTTP/1.1\r\n\r\n", "\xff", strings.Repeat("\x00", 1000), strings.Repeat("\xff", 1000)} {
			c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", fmt.Sprint(port)))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Close() })
			if _, err := io.WriteString(c, junk); err != nil {
				t.Fatal(err)
			}
		}
	}
	// Messages that nobody can answer, more requests than allowed, one that is too large, too many frames.
	flood, _ := connect(t, b.requestPort, zmtp.RoleDealer)
	for i := range 300 {
		ask(t, flood, fmt.Sprint("no delimiter ", i))
	}
	many, answers := connect(t, b.requestPort, zmtp.RoleDealer)
	for i := range 200 {
		ask(t, many, "", fmt.Sprint(i))
	}
	for i := range 200 {
		if got := answers.next(t); got != fmt.Sprint("|a:", i) {
			t.Fatalf("answer %d is %q", i, got)
		}
	}
	for _, frames := range [][]string{{"", strings.Repeat("x", 1<<20+1)}, strings.Split(strings.Repeat("|", 100), "|")} {
		c, box := connect(t, b.requestPort, zmtp.RoleDealer)
		ask(t, c, frames...)
		select {
		case <-box.ended:
		case <-time.After(30 * time.Second):
			t.Errorf("a message of %d frames was taken", len(frames))
		}
	}
	greedy, box := connect(t, b.publishPort, zmtp.RoleSub)
	for i := range 30 {
		_ = greedy.Subscribe([]byte(fmt.Sprint("topic ", i))) // is cut somewhere in between
	}
	select {
	case <-box.ended:
	case <-time.After(30 * time.Second):
		t.Error("a subscriber may have any number of topics")
	}
	eventually(t, "counts", func() bool { return b.requests.count.malformed.Load() == 300 && b.topics.len() == 0 })
	c, box := connect(t, b.requestPort, zmtp.RoleReq)
	ask(t, c, "", "still there")
	if got := box.next(t); got != "|a:still there" {
		t.Errorf("got %q", got)
	}
	b.balanced(t)
}

func TestBroker_portInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, which := range []string{"publish", "request"} {
		cfg := testConfig(upstreamAt("a", 1, 1))
		if which == "publish" {
			cfg.PublishPort = portOf(t, l.Addr().String())
		} else {
			cfg.RetPort = portOf(t, l.Addr().String())
		}
		if _, err := New(cfg, slog.New(slog.DiscardHandler)); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("%s port: %v", which, err)
		}
	}
}

func TestBroker_reload(t *testing.T) {
	first, second := startFakeMaster(t, "first").echo(), startFakeMaster(t, "second").echo()
	cfg := testConfig(first.upstream())
	b := start(t, cfg)
	b.waitReady(t)
	next := *cfg
	next.Masters = []config.BrokerUpstream{second.upstream()}
	next.RequestHold = time.Minute
	next.RetPort = 1
	if later := b.Reload(&next); len(later) != 1 || later[0] != "ret_port" {
		t.Errorf("for a restart: %v", later)
	}
	eventually(t, "the other master serves", func() bool { return b.serving() == "second" })
	c, box := connect(t, b.requestPort, zmtp.RoleReq)
	ask(t, c, "", "x")
	if got := box.next(t); got != "|second:x" {
		t.Errorf("got %q", got)
	}
	select {
	case <-first.reqs.ended:
	case <-time.After(30 * time.Second):
		t.Error("still connected with the master that was taken out")
	}
}

// TestBroker_drain: what is in flight is answered before the end, what comes meanwhile is told to go away.
func TestBroker_drain(t *testing.T) {
	m := startFakeMaster(t, "a")
	b := start(t, testConfig(m.upstream()))
	b.waitReady(t)
	c, box := connect(t, b.requestPort, zmtp.RoleReq)
	late, lateBox := connect(t, b.requestPort, zmtp.RoleReq)
	ask(t, c, "", "slow")
	asked := <-m.reqs.messages
	stopped := make(chan struct{})
	go func() { defer close(stopped); b.stop() }()
	eventually(t, "no new connections", func() bool {
		c, err := net.Dial("tcp", b.RequestAddr())
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	})
	eventually(t, "the drain", func() bool {
		b.requests.mu.Lock()
		defer b.requests.mu.Unlock()
		return b.requests.closing
	})
	ask(t, late, "", "too late")
	if got := lateBox.next(t); got != "|"+badLoad {
		t.Errorf("during the drain: %q", got)
	}
	asked[len(asked)-1] = []byte("in time")
	m.reqL.Each(func(c *zmtp.Conn) { _ = c.Send(asked) })
	if got := box.next(t); got != "|in time" {
		t.Errorf("in flight: %q", got)
	}
	select {
	case <-stopped:
	case <-time.After(60 * time.Second):
		t.Error("did not stop")
	}
}

func TestBroker_drainIsBounded(t *testing.T) {
	m := startFakeMaster(t, "a")
	cfg := testConfig(m.upstream())
	cfg.DrainTimeout = 10 * time.Millisecond
	b := start(t, cfg)
	b.waitReady(t)
	c, box := connect(t, b.requestPort, zmtp.RoleReq)
	ask(t, c, "", "never answered")
	<-m.reqs.messages
	b.stop()
	if got := box.next(t); got != "|"+badLoad {
		t.Errorf("at the end: %q", got)
	}
}
