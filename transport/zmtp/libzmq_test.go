package zmtp

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"
)

// socket is a libzmq socket connected to l.
func socket(t *testing.T, kind zmq.Type, endpoint string) *zmq.Socket {
	t.Helper()
	zctx, err := zmq.NewContext()
	if err != nil {
		t.Fatal(err)
	}
	s, err := zctx.NewSocket(kind)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), zctx.Term()); err != nil {
			t.Error(err)
		}
	})
	if err := errors.Join(s.SetLinger(0), s.SetRcvtimeo(patience), s.SetSndtimeo(patience)); err != nil {
		t.Fatal(err)
	}
	if endpoint != "" {
		if err := s.Connect(endpoint); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func mustReceive(t *testing.T, s *zmq.Socket, want ...string) {
	t.Helper()
	got, err := s.RecvMessage(0)
	if err != nil || fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Fatalf("got %.200q, %v, want %.200q", got, err, want)
	}
}

func TestLibzmq_requests(t *testing.T) {
	server := newRecorder()
	server.message = echo
	l := listen(t, Config{Role: RoleRouter, Handler: server})
	big := strings.Repeat("big", 100<<10)
	for _, kind := range []zmq.Type{zmq.REQ, zmq.DEALER} {
		s := socket(t, kind, l.Addr())
		for i := range 5 {
			want := []string{fmt.Sprintf("request %d", i), "", big[:i*70000]}
			if _, err := s.SendMessage(want); err != nil {
				t.Fatal(err)
			}
			mustReceive(t, s, want...)
		}
	}
}

// Many requests under way at once, which libzmq sends in batches.
func TestLibzmq_pipeline(t *testing.T) {
	server := newRecorder()
	server.message = echo
	l := listen(t, Config{Role: RoleRouter, Handler: server})
	s := socket(t, zmq.DEALER, l.Addr())
	const n = 5000
	for i := 0; i < n; i += 500 {
		for j := range 500 {
			if _, err := s.SendMessage("", fmt.Sprint(i+j)); err != nil {
				t.Fatal(err)
			}
		}
		for j := range 500 {
			mustReceive(t, s, "", fmt.Sprint(i+j))
		}
	}
}

func TestLibzmq_subscribers(t *testing.T) {
	for _, role := range []Role{RolePub, RoleXPub} {
		r := newRecorder()
		l := listen(t, Config{Role: role, Handler: r})
		sub, xsub := socket(t, zmq.SUB, ""), socket(t, zmq.XSUB, "")
		if err := errors.Join(sub.SetSubscribe("news"), sub.SetSubscribe(""), sub.Connect(l.Addr())); err != nil {
			t.Fatal(err)
		}
		r.topicList(t, 2)
		if err := xsub.Connect(l.Addr()); err != nil {
			t.Fatal(err)
		}
		for _, m := range []string{"\x01abc", "\x00abc", "\x01"} {
			if _, err := xsub.Send(m, 0); err != nil {
				t.Fatal(err)
			}
		}
		got := r.topicList(t, 5)
		if want := []string{"+abc", "-abc", "+"}; fmt.Sprint(got[2:]) != fmt.Sprint(want) {
			t.Errorf("XSUB: %q", got)
		}
		if err := sub.SetUnsubscribe("news"); err != nil {
			t.Fatal(err)
		}
		if got := r.topicList(t, 6); got[5] != "-news" {
			t.Errorf("SUB: %q", got)
		}
		m := Encode([][]byte{[]byte("topic"), []byte(strings.Repeat("x", 10000))})
		l.Each(func(c *Conn) {
			if err := c.SendEncoded(m); err != nil {
				t.Error(err)
			}
		})
		mustReceive(t, sub, "topic", strings.Repeat("x", 10000))
		mustReceive(t, xsub, "topic", strings.Repeat("x", 10000))
	}
}

// libzmq's heartbeats go both ways.
func TestLibzmq_heartbeat(t *testing.T) {
	server := newRecorder()
	server.message = echo
	l := listen(t, Config{Role: RoleRouter, Handler: server, HeartbeatIvl: 20 * time.Millisecond, HeartbeatTimeout: patience, HeartbeatTTL: patience})
	s := socket(t, zmq.DEALER, "")
	if err := errors.Join(s.SetHeartbeatIvl(20*time.Millisecond), s.SetHeartbeatTimeout(patience), s.SetHeartbeatTtl(patience), s.Connect(l.Addr())); err != nil {
		t.Fatal(err)
	}
	c := server.conn(t, 0)
	eventually(t, "PING from libzmq", func() bool { return c.ttl.Load() == int64(patience) })
	first := c.lastRead.Load()
	eventually(t, "more heartbeats", func() bool { return c.lastRead.Load() > first })
	if _, err := s.SendMessage("still", "here"); err != nil {
		t.Fatal(err)
	}
	mustReceive(t, s, "still", "here")
}

// The dialling side with libzmq's servers.
func TestLibzmq_dial(t *testing.T) {
	router, pub := socket(t, zmq.ROUTER, ""), socket(t, zmq.XPUB, "")
	var at [2]string
	for i, s := range []*zmq.Socket{router, pub} {
		if err := s.Bind(loopback); err != nil {
			t.Fatal(err)
		}
		at[i], _ = s.GetLastEndpoint()
	}
	r := newRecorder()
	c, err := Dial(testContext(t), at[0], Config{Role: RoleReq, Handler: r, Identity: []byte("me")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { c.Close(); <-c.Done() }()
	if err := c.Send([][]byte{{}, []byte("question")}); err != nil {
		t.Fatal(err)
	}
	mustReceive(t, router, "me", "", "question")
	if _, err := router.SendMessage("me", "", "answer"); err != nil {
		t.Fatal(err)
	}
	if got := r.next(t); got != `["" "answer"]` || c.PeerType() != "ROUTER" {
		t.Errorf("%s from %s", got, c.PeerType())
	}
	s, err := Dial(testContext(t), at[1], Config{Role: RoleSub, Handler: r})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { s.Close(); <-s.Done() }()
	if err := errors.Join(s.Subscribe([]byte("a")), s.Subscribe([]byte("b")), s.Unsubscribe([]byte("b"))); err != nil {
		t.Fatal(err)
	}
	mustReceive(t, pub, "\x01a")
	mustReceive(t, pub, "\x01b")
	mustReceive(t, pub, "\x00b")
	if _, err := pub.SendMessage("abc", "body"); err != nil {
		t.Fatal(err)
	}
	if got := r.next(t); got != `["abc" "body"]` {
		t.Error(got)
	}
}
