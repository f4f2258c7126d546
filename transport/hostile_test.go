package transport

import (
	"bytes"
	"errors"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestRequestServer_hostilePeers lets bad peers in while a good client beside them keeps being served.
func TestRequestServer_hostilePeers(t *testing.T) {
	zctx := newTestContext(t)
	s := startRequests(t, zctx, RequestServerConfig{
		Options: SocketOptions{MaxMsgBytes: 1000, HandshakeIvl: 300 * time.Millisecond},
	})
	good := newClient(t, zctx, s.Addr())
	mustEcho(t, good, "before")
	addr := strings.TrimPrefix(s.Addr(), "tcp://")
	dial := func(t *testing.T) net.Conn {
		c, err := net.DialTimeout("tcp", addr, rawDeadline)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	for name, attack := range map[string]func(t *testing.T){
		"http": func(t *testing.T) {
			failures := s.Stats().HandshakeFailures
			if _, err := dial(t).Write([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
				t.Fatal(err)
			}
			eventually(t, "handshake failure counted", func() bool { return s.Stats().HandshakeFailures > failures })
		},
		"silent": func(t *testing.T) { mustBeCut(t, dial(t)) },
		"half greeting": func(t *testing.T) {
			c := dial(t)
			if _, err := c.Write(rawGreeting()[:30]); err != nil {
				t.Fatal(err)
			}
			mustBeCut(t, c)
		},
		"half frame": func(t *testing.T) {
			p := mustDialRaw(t, s.Addr(), "DEALER")
			if _, err := p.Write([]byte{1, 0, 2, 0, 0, 0, 0, 0, 0, 3, 0, 'a'}); err != nil { // 12 of 768 bytes
				t.Fatal(err)
			}
			p.Close()
		},
		"wrong socket type": func(t *testing.T) {
			p, err := dialRaw(s.Addr(), "SUB")
			if err == nil { // some versions send READY before they judge ours
				mustBeCut(t, p)
			}
		},
		"oversize frame": func(t *testing.T) {
			p := mustDialRaw(t, s.Addr(), "DEALER")
			if err := p.send(nil, bytes.Repeat([]byte("x"), 1001)); err != nil {
				t.Fatal(err)
			}
			mustBeCut(t, p)
		},
		"impossible frame": func(t *testing.T) {
			p := mustDialRaw(t, s.Addr(), "DEALER")
			if _, err := p.Write(bytes.Repeat([]byte{0xff}, 100)); err != nil {
				t.Fatal(err)
			}
			mustBeCut(t, p)
		},
		"many frames": func(t *testing.T) {
			p := mustDialRaw(t, s.Addr(), "DEALER")
			frames := make([][]byte, 5000)
			frames[1] = nil
			for i := range frames {
				frames[i] = bytes.Repeat([]byte("x"), 900)
			}
			frames[0] = nil
			if err := p.send(frames...); err != nil {
				t.Fatal(err)
			}
			if got := p.mustRecv(t); len(got) != 2 || string(got[1]) != "malformed" {
				t.Fatalf("got %.100q", got)
			}
		},
		"connects and closes": func(t *testing.T) {
			accepted := s.Stats().Accepted
			for range 2000 {
				c := dial(t)
				c.Close()
			}
			eventually(t, "connections seen", func() bool { return s.Stats().Accepted >= accepted+2000 })
		},
	} {
		t.Run(name, func(t *testing.T) {
			done := make(chan struct{})
			go func() {
				defer close(done)
				for range 50 {
					if got, err := good.Do(testContext(t), []byte("beside")); err != nil || string(got) != "beside" {
						t.Errorf("client beside: %q, %v", got, err)
						return
					}
				}
			}()
			attack(t)
			<-done
			mustEcho(t, good, "after")
		})
	}
	eventually(t, "only the good connection is left", func() bool { return s.Stats().Connections == 1 })
	if st := s.Stats(); st.Classes[0].Waiting != 0 || st.Panics != 0 {
		t.Errorf("stats %+v", st)
	}
}

// mustBeCut waits until the server closes the connection.
func mustBeCut(t *testing.T, c net.Conn) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(rawDeadline)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1024)
	for {
		if _, err := c.Read(buf); err != nil {
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				t.Fatal("connection not cut")
			}
			return
		}
	}
}

// TestSocketsSurviveGC: an owned socket must not be closed by the collector.
func TestSocketsSurviveGC(t *testing.T) {
	zctx := newTestContext(t)
	s := startRequests(t, zctx, RequestServerConfig{})
	c := newClient(t, zctx, s.Addr())
	for range 3 {
		runtime.GC()
		mustEcho(t, c, "alive")
	}
}

// TestPublishServer_hostileSubscribers: subscriptions nobody needs, too long ones, and messages to a publisher.
func TestPublishServer_hostileSubscribers(t *testing.T) {
	s := startPublish(t, newTestContext(t), PublishServerConfig{})
	good := mustDialRaw(t, s.Addr(), "SUB")
	good.subscribe(t, "")
	flood := mustDialRaw(t, s.Addr(), "SUB")
	var wire []byte
	for i := range MaxSubscriptions {
		wire = appendMessage(wire, []byte{1, 't', byte(i >> 8), byte(i), 0xff})
	}
	wire = appendMessage(wire, []byte{7, 7, 7})
	wire = appendMessage(wire, nil)
	if _, err := flood.Write(wire); err != nil {
		t.Fatal(err)
	}
	wire = appendMessage(nil, []byte("\x01more"))
	eventually(t, "too many subscriptions", func() bool { _, err := flood.Write(wire); return err != nil })
	long := mustDialRaw(t, s.Addr(), "SUB")
	long.subscribe(t, strings.Repeat("x", DefaultMaxSubscription+1))
	mustBeCut(t, long)
	eventually(t, "good subscriber served", func() bool { return publishSeen(t, s, good, "news") })
	eventually(t, "only the good one is left", func() bool { return s.Subscribers() == 1 })
}

// Two peers with one identity are both served, whatever identity they choose: libzmq ignores the second, and ends
// the process when the identity is the next number it would give out itself.
func TestRequestServer_identities(t *testing.T) {
	s := startRequests(t, newTestContext(t), RequestServerConfig{})
	for _, id := range []string{"twin", "twin", "\x00\x6b\x8b\x45\x67", "\x00\x6b\x8b\x45\x68"} {
		p := mustDialRaw(t, s.Addr(), "REQ", id)
		for range 2 {
			if err := p.send(nil, []byte(id)); err != nil {
				t.Fatal(err)
			}
			if got := p.mustRecv(t); string(got[1]) != id {
				t.Errorf("got %q", got)
			}
		}
	}
}
