package zmtp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestConn_echo(t *testing.T) {
	server := newRecorder()
	server.message = echo
	l := listen(t, Config{Role: RoleRouter, Handler: server})
	for _, size := range []int{0, 1, 300, 5000, 70 << 10, 300 << 10} {
		r := newRecorder()
		c := dial(t, l, Config{Role: RoleDealer, Handler: r, Identity: []byte("me")})
		want := [][]byte{{}, bytes.Repeat([]byte("m"), size)}
		for range 3 {
			if err := c.Send(want); err != nil {
				t.Fatal(err)
			}
		}
		for range 3 {
			if got := r.next(t); got != fmt.Sprintf("%q", want) {
				t.Fatalf("size %d: got %.80s", size, got)
			}
		}
	}
	if st := l.Stats(); st.Unfinished != 0 || st.Accepted != 6 {
		t.Errorf("stats %+v", st)
	}
}

// Two peers with the same identity do not disturb each other.
func TestConn_sameIdentity(t *testing.T) {
	server := newRecorder()
	server.message = echo
	l := listen(t, Config{Role: RoleRouter, Handler: server})
	for range 2 {
		r := newRecorder()
		c := dial(t, l, Config{Role: RoleReq, Handler: r, Identity: []byte("twin")})
		if err := c.Send([][]byte{{}, []byte("x")}); err != nil {
			t.Fatal(err)
		}
		r.next(t)
	}
	if id := server.conn(t, 1).PeerIdentity(); string(id) != "twin" {
		t.Errorf("identity %q", id)
	}
}

// Messages of many senders arrive whole and in each sender's order.
func TestConn_manySenders(t *testing.T) {
	r := newRecorder()
	server := newRecorder()
	l := listen(t, Config{Role: RoleRouter, Handler: server})
	dial(t, l, Config{Role: RoleDealer, Handler: r})
	c := server.conn(t, 0)
	const senders, each = 8, 500
	var group sync.WaitGroup
	for s := range senders {
		group.Go(func() {
			for i := range each {
				m := Encode([][]byte{{byte(s)}, fmt.Appendf(nil, "%d", i), make([]byte, i*20)})
				for errors.Is(c.SendEncoded(m), ErrQueueFull) {
					<-c.Room()
				}
			}
		})
	}
	var next [senders]int
	for range senders * each {
		frames := <-r.messages
		s := frames[0][0]
		if string(frames[1]) != fmt.Sprint(next[s]) {
			t.Fatalf("sender %d: got %s, want %d", s, frames[1], next[s])
		}
		next[s]++
	}
	group.Wait()
	<-c.Flushed()
}

func TestConn_queueFull(t *testing.T) {
	server := newRecorder()
	l := listen(t, Config{Role: RoleRouter, Handler: server, SendQueue: 10})
	p := dialRaw(t, l)
	p.shake(readyDEALER, readyROUTER)
	c := server.conn(t, 0)
	m := Encode([][]byte{make([]byte, 1<<20)})
	var err error
	for err == nil {
		err = c.SendEncoded(m)
	}
	if !errors.Is(err, ErrQueueFull) || c.Queued() != 10 {
		t.Fatalf("%v, %d queued", err, c.Queued())
	}
	go func() { _, _ = io.Copy(io.Discard, p) }()
	<-c.Room()
	if n := c.Queued(); n > 5 {
		t.Errorf("%d queued", n)
	}
	<-c.Flushed()
	if err := c.SendEncoded(m); err != nil {
		t.Error(err)
	}
	c.Close()
	<-c.Room()
	<-c.Flushed()
	if err := c.SendEncoded(m); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if err := server.end(t, 0); !errors.Is(err, ErrClosed) {
		t.Errorf("end: %v", err)
	}
}

// The bytes of a queue are limited as well; a large message passes alone.
func TestConn_queueBytes(t *testing.T) {
	var q sendQueue
	cfg := Config{SendQueue: 100, SendQueueBytes: 100}
	big := encodedBytes(make([]byte, 1000))
	if _, err := q.push(big, &cfg); err != nil {
		t.Error(err)
	}
	if _, err := q.push(encodedBytes([]byte("x")), &cfg); !errors.Is(err, ErrQueueFull) {
		t.Errorf("second: %v", err)
	}
}

func TestConn_subscriptions(t *testing.T) {
	for _, role := range []Role{RolePub, RoleXPub} {
		r := newRecorder()
		p := dialRaw(t, listen(t, Config{Role: role, Handler: r, MaxFrameBytes: 100}))
		p.say(greeting31 + " " + readySUB)
		p.say(`00 04 01 "abc" 00 01 01 00 04 00 "abc"`)             // ZMTP 3.0: messages
		p.say(`04 0d 09 "SUBSCRIBE" "xyz" 04 0a 06 "CANCEL" "xyz"`) // 3.1: commands
		p.say(`04 0a 09 "SUBSCRIBE"`)
		p.say(`00 01 07 00 00 01 01 01 00 01 02`) // no subscriptions
		want := "+abc + -abc +xyz -xyz +"
		if got := strings.Join(r.topicList(t, 6), " "); got != want {
			t.Errorf("%v: got %q", role, got)
		}
		if role == RoleXPub { // gets other messages too
			for _, want := range []string{`["\a"]`, `[""]`, `["\x01" "\x02"]`} {
				if got := r.next(t); got != want {
					t.Errorf("got %s, want %s", got, want)
				}
			}
		}
		p.say(`04 6f 09 "SUBSCRIBE" "` + strings.Repeat("x", 101) + `"`)
		p.cut()
	}
}

func TestConn_heartbeat(t *testing.T) {
	r := newRecorder()
	l := listen(t, Config{Role: RoleRouter, Handler: r, MessageTimeout: 40 * time.Millisecond})
	p := dialRaw(t, l)
	p.shake(readyREQ, readyROUTER)
	p.say(`04 0a 04 "PING" 0000 "ctx"`)
	p.hear(`04 08 04 "PONG" "ctx"`)
	p.say(`04 05 04 "PONG" 04 06 05 "OTHER" 04 18 04 "PING" 0000 "12345678901234567"`) // the last context is too long
	p.cut()

	p = dialRaw(t, l)
	p.shake(readyREQ, readyROUTER)
	p.say(`04 07 04 "PING" 0001`) // cut me when I say nothing for a tenth of a second
	p.hear(`04 05 04 "PONG"`)
	p.cut()
	if err := r.end(t, 1); !errors.Is(err, ErrHeartbeat) {
		t.Errorf("end: %v", err)
	}
}

func TestConn_peerError(t *testing.T) {
	r := newRecorder()
	p := dialRaw(t, listen(t, Config{Role: RoleRouter, Handler: r}))
	p.shake(readyREQ, readyROUTER)
	p.say(`04 08 05 "ERROR" 01 "x"`)
	p.cut()
	if err := r.end(t, 0); !errors.Is(err, ErrPeer) || !strings.Contains(err.Error(), `"x"`) {
		t.Errorf("end: %v", err)
	}
}

func TestListener_shutdown(t *testing.T) {
	r := newRecorder()
	started, release := make(chan struct{}, 1), make(chan struct{})
	r.message = func(c *Conn, frames [][]byte) {
		if string(frames[0]) == "wait" {
			started <- struct{}{}
			<-release
		}
		echo(c, frames)
	}
	l := listen(t, Config{Role: RoleRouter, Handler: r})
	p, idle := dialRaw(t, l), dialRaw(t, l)
	p.shake(readyDEALER, readyROUTER)
	idle.shake(readyDEALER, readyROUTER)
	half := dialRaw(t, l)
	half.say(greeting31)
	p.say(`00 04 "wait" 00 01 "a"`)
	<-started
	p.say(`00 01 "b"`)
	done := make(chan error, 1)
	go func() { done <- l.Shutdown(patience) }()
	idle.cut()
	half.cut()
	if c, err := Dial(testContext(t), l.Addr(), Config{Role: RoleDealer, Handler: newRecorder()}); err == nil {
		t.Error("still listening")
		c.Close()
	}
	close(release)
	p.hear(`00 04 "wait" 00 01 "a" 00 01 "b"`)
	p.cut()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := errors.Join(l.Close(), l.Shutdown(0)); err != nil {
		t.Error(err)
	}
}

// A peer that does not read holds a Shutdown up for the linger time only.
func TestListener_shutdownStuck(t *testing.T) {
	r := newRecorder()
	l := listen(t, Config{Role: RoleRouter, Handler: r})
	p := dialRaw(t, l)
	p.shake(readyDEALER, readyROUTER)
	c := r.conn(t, 0)
	for range 20 {
		if err := c.Send([][]byte{make([]byte, 1<<20)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Shutdown(50 * time.Millisecond); err != nil {
		t.Error(err)
	}
	if err := r.end(t, 0); !errors.Is(err, ErrClosed) {
		t.Errorf("end: %v", err)
	}
}

func TestListener_closeConnections(t *testing.T) {
	r := newRecorder()
	l := listen(t, Config{Role: RoleRouter, Handler: r})
	p := dialRaw(t, l)
	p.shake(readyDEALER, readyROUTER)
	r.conn(t, 0)
	n := 0
	l.Each(func(c *Conn) { n++; c.CloseWith(io.ErrClosedPipe) })
	p.cut()
	if err := r.end(t, 0); n != 1 || !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("%d connections, end %v", n, err)
	}
	p = dialRaw(t, l)
	p.shake(readyDEALER, readyROUTER)
	l.CloseConnections()
	p.cut()
}

func TestListen_refuses(t *testing.T) {
	good := Config{Role: RoleRouter, Handler: newRecorder()}
	for name, change := range map[string]func(*Config) string{
		"role":     func(c *Config) string { c.Role = 0; return loopback },
		"handler":  func(c *Config) string { c.Handler = nil; return loopback },
		"frames":   func(c *Config) string { c.MaxFrames = -1; return loopback },
		"queue":    func(c *Config) string { c.SendQueue = -1; return loopback },
		"time":     func(c *Config) string { c.HeartbeatIvl = -1; return loopback },
		"identity": func(c *Config) string { c.Identity = make([]byte, 256); return loopback },
		"scheme":   func(*Config) string { return "ipc://x" },
		"port":     func(*Config) string { return "tcp://127.0.0.1" },
		"host":     func(*Config) string { return "tcp://nosuchinterface:0" },
	} {
		cfg := good
		endpoint := change(&cfg)
		if l, err := Listen(endpoint, cfg); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
			if err == nil {
				l.Close()
			}
		}
	}
	l := listen(t, good)
	if _, err := Listen(l.Addr(), good); err == nil || !strings.Contains(err.Error(), l.Addr()) {
		t.Errorf("address in use: %v", err)
	}
	lo := listenOn(t, "tcp://lo:0", good)
	if !strings.HasPrefix(lo.Addr(), "tcp://127.0.0.1:") {
		t.Errorf("interface: %s", lo.Addr())
	}
	if all := listenOn(t, "tcp://*:*", good); !strings.HasPrefix(all.Addr(), "tcp://0.0.0.0:") {
		t.Errorf("wildcard: %s", all.Addr())
	}
}

func listenOn(t *testing.T, endpoint string, cfg Config) *Listener {
	t.Helper()
	l, err := Listen(endpoint, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func TestDial_fails(t *testing.T) {
	l := listen(t, Config{Role: RolePub, Handler: newRecorder()})
	cfg := Config{Role: RoleReq, Handler: newRecorder()}
	if _, err := Dial(testContext(t), l.Addr(), cfg); err == nil {
		t.Error("REQ with PUB")
	}
	ctx, cancel := context.WithCancel(testContext(t))
	cancel()
	if _, err := Dial(ctx, l.Addr(), cfg); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	cfg.Role = RoleSub
	r := newRecorder()
	cfg.Handler = r
	c, err := Dial(testContext(t), strings.Replace(l.Addr(), "tcp://", "tcp://127.0.0.1:0;", 1), cfg)
	if err != nil {
		t.Fatal(err)
	}
	l.CloseConnections()
	<-c.Done()
	if err := r.end(t, 0); !errors.Is(err, io.EOF) {
		t.Errorf("end: %v", err)
	}
}
