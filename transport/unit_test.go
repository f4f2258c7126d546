package transport

import (
	"bytes"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"
)

const (
	clientRetried   = zmq.EVENT_CONNECT_RETRIED
	clientConnected = zmq.EVENT_HANDSHAKE_SUCCEEDED
)

func TestEndpoint(t *testing.T) {
	for _, tc := range []struct{ got, want string }{
		{Endpoint("10.0.0.1", 4506), "tcp://10.0.0.1:4506"},
		{Endpoint("salt.example", 4506), "tcp://salt.example:4506"},
		{Endpoint("::1", 4506), "tcp://[::1]:4506"},
		{Endpoint("[fd00::1]", 4506), "tcp://[fd00::1]:4506"},
		{EndpointFrom("", 0, "10.0.0.1", 4506), "tcp://10.0.0.1:4506"},
		{EndpointFrom("10.0.0.9", 0, "10.0.0.1", 4506), "tcp://10.0.0.9:0;10.0.0.1:4506"},
		{EndpointFrom("", 5000, "10.0.0.1", 4506), "tcp://0.0.0.0:5000;10.0.0.1:4506"},
		{EndpointFrom("", 5000, "::1", 4506), "tcp://[::]:5000;[::1]:4506"},
		{EndpointFrom("fd00::9", 5000, "[fd00::1]", 4506), "tcp://[fd00::9]:5000;[fd00::1]:4506"},
		{BindEndpoint("0.0.0.0", 4506), "tcp://0.0.0.0:4506"},
		{BindEndpoint("::", 4506), "tcp://[::]:4506"},
		{BindEndpoint("[::]", 4506), "tcp://[::]:4506"},
		{BindEndpoint("", 0), "tcp://*:*"},
	} {
		if tc.got != tc.want {
			t.Errorf("got %s, want %s", tc.got, tc.want)
		}
	}
}

func TestSplitEnvelope(t *testing.T) {
	for _, tc := range []struct {
		in   string // one letter per frame, - for an empty one
		n    int
		good bool
	}{
		{"", 0, false},
		{"i", 0, false},
		{"-", 0, false},
		{"--", 2, true},
		{"ib", 0, false},
		{"i-", 2, true},
		{"i-b", 2, true},
		{"ipp-b", 4, true},
		{"i--b", 2, true},
		{"-b-", 3, true},
	} {
		var frames [][]byte
		for _, c := range tc.in {
			frames = append(frames, bytes.ReplaceAll([]byte(string(c)), []byte("-"), nil))
		}
		if n, ok := splitEnvelope(frames); n != tc.n || ok != tc.good {
			t.Errorf("%q: %d, %v", tc.in, n, ok)
		}
	}
}

func FuzzSplitEnvelope(f *testing.F) {
	f.Add([]byte("\x01i\x00\x01b"))
	f.Add([]byte("\x00\x00"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var frames [][]byte
		for len(in) > 0 {
			n := min(int(in[0]), len(in)-1)
			frames, in = append(frames, in[1:1+n]), in[1+n:]
		}
		n, ok := splitEnvelope(frames)
		if !ok {
			return
		}
		if n < 2 || n > len(frames) || len(frames[n-1]) != 0 {
			t.Fatalf("%d of %q", n, frames)
		}
		for _, frame := range frames[1 : n-1] {
			if len(frame) == 0 {
				t.Fatalf("not the first empty frame: %d of %q", n, frames)
			}
		}
	})
}

func TestClassQueue_limits(t *testing.T) {
	q, err := newClassQueue(Class{Queue: 2, Workers: 1, QueueBytes: 100}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !q.admit(1000) {
		t.Error("a large request alone was refused")
	}
	if q.admit(1) {
		t.Error("bytes not limited")
	}
	q.release(1000)
	for range 3 {
		if !q.admit(0) {
			t.Error("refused below the limit")
		}
	}
	if q.admit(0) {
		t.Error("count not limited")
	}
}

// Every option reaches the socket as the table of defaults says.
func TestSocketOptions(t *testing.T) {
	zctx := newTestContext(t)
	ints := func(f func() (int, error)) int {
		n, err := f()
		if err != nil {
			t.Error(err)
		}
		return n
	}
	times := func(f func() (time.Duration, error)) time.Duration {
		d, err := f()
		if err != nil {
			t.Error(err)
		}
		return d
	}
	type want struct {
		hwm, backlog, keep, idle, intvl, cnt int
		linger, handshake, ivl, ivlMax       time.Duration
		size                                 int64
		ipv6                                 bool
	}
	for _, tc := range []struct {
		name     string
		role     role
		endpoint string
		in       SocketOptions
		want     want
	}{
		{"router", roleRequestServer, "tcp://*:*", SocketOptions{}, want{
			10000, 1000, 1, 300, -1, -1, time.Second, 10 * time.Second, 100 * time.Millisecond, 0, 64 << 20, false,
		}},
		{"pub", rolePublisher, "tcp://[::]:1", SocketOptions{}, want{
			1000, 1000, 1, 300, -1, -1, time.Second, 10 * time.Second, 100 * time.Millisecond, 0, 1024, true,
		}},
		{"client", roleClient, "tcp://h:1", SocketOptions{IPv6: true}, want{
			1000, 100, 1, 300, -1, -1, 0, 10 * time.Second, 100 * time.Millisecond, 5 * time.Second, 64 << 20, true,
		}},
		{"own values", roleClient, "tcp://h:1", SocketOptions{
			HWM: 7, Linger: 3 * time.Second, MaxMsgBytes: -1, HandshakeIvl: time.Second, ReconnectIvl: time.Second, ReconnectMax: -1,
			Keepalive:    KeepaliveOptions{Idle: 1500 * time.Millisecond, Interval: 5 * time.Second, Count: 4},
			HeartbeatIvl: time.Second, HeartbeatTimeout: time.Second, HeartbeatTTL: time.Second,
		}, want{7, 100, 1, 2, 5, 4, 3 * time.Second, time.Second, time.Second, 0, -1, false}},
		{"off", rolePublisher, "tcp://h:1", SocketOptions{Linger: -1, Backlog: 5, Keepalive: KeepaliveOptions{Off: true}}, want{
			1000, 5, 0, -1, -1, -1, 0, 10 * time.Second, 100 * time.Millisecond, 0, 1024, false,
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := zctx.socket(zmq.DEALER)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := zctx.release(s); err != nil {
					t.Error(err)
				}
			}()
			if err := tc.in.withDefaults(tc.role).apply(s, tc.role, tc.endpoint); err != nil {
				t.Fatal(err)
			}
			size, err := s.GetMaxmsgsize()
			if err != nil {
				t.Error(err)
			}
			six, err := s.GetIpv6()
			if err != nil {
				t.Error(err)
			}
			got := want{
				ints(s.GetSndhwm), ints(s.GetBacklog), ints(s.GetTcpKeepalive), ints(s.GetTcpKeepaliveIdle),
				ints(s.GetTcpKeepaliveIntvl), ints(s.GetTcpKeepaliveCnt), times(s.GetLinger), times(s.GetHandshakeIvl),
				times(s.GetReconnectIvl), times(s.GetReconnectIvlMax), size, six,
			}
			if got != tc.want {
				t.Errorf("got  %+v\nwant %+v", got, tc.want)
			}
			if ints(s.GetRcvhwm) != got.hwm {
				t.Error("RCVHWM differs")
			}
		})
	}
}

func TestContext(t *testing.T) {
	for _, n := range [][2]int{{-1, 0}, {0, -1}} {
		if _, err := NewContext(n[0], n[1]); err == nil {
			t.Errorf("%v accepted", n)
		}
	}
	c, err := NewContext(2, 3)
	if err != nil {
		t.Fatal(err)
	}
	// A publisher takes two sockets for waking, one for itself, two for its monitor.
	if _, err := ListenPublish(PublishServerConfig{Context: c, Endpoint: loopback}); err == nil {
		t.Error("socket limit not applied")
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, err := NewSubscriber(SubscriberConfig{Context: c, Endpoint: loopback}); err == nil {
		t.Error("closed context used")
	}
}
