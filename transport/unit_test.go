package transport

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"

	"github.com/saltern-io/saltern/transport/zmtp"
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
		{"b", 0, false},
		{"-", 1, true},
		{"--", 1, true},
		{"-b", 1, true},
		{"pp-b", 3, true},
		{"p--b", 2, true},
		{"b-", 2, true},
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
	f.Add([]byte("\x01p\x00\x01b"))
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
		if n < 1 || n > len(frames) || len(frames[n-1]) != 0 {
			t.Fatalf("%d of %q", n, frames)
		}
		for _, frame := range frames[:n-1] {
			if len(frame) == 0 {
				t.Fatalf("not the first empty frame: %d of %q", n, frames)
			}
		}
	})
}

func TestClassQueue_limits(t *testing.T) {
	q, err := newClassQueue(Class{Queue: 2, Workers: 1, QueueBytes: 100, Full: Answer}, nil, &requestList{})
	if err != nil {
		t.Fatal(err)
	}
	place := func(n int) bool { return q.place(&Request{body: make([]byte, n)}) == placedQueued }
	if !place(1000) {
		t.Error("a large request alone was refused")
	}
	if place(1) {
		t.Error("bytes not limited")
	}
	q.release(<-q.ch)
	for range 3 {
		if !place(0) {
			t.Error("refused below the limit")
		}
	}
	if place(0) {
		t.Error("count not limited")
	}
	q.close()
	q.close()
	if q.place(&Request{}) != placedStopped {
		t.Error("closed class took a request")
	}
}

// Peers that wait for room get it in the order they came, a large request is not overtaken, and all are told when
// the class closes.
func TestClassQueue_order(t *testing.T) {
	q, err := newClassQueue(Class{Queue: 1, Workers: 1, QueueBytes: 10}, nil, &requestList{})
	if err != nil {
		t.Fatal(err)
	}
	outcomes := make(chan placed, 6)
	for i, size := range []int{5, 5, 8, 1, 1, 1} {
		if i < 2 {
			outcomes <- q.place(&Request{body: make([]byte, size)})
			continue
		}
		go func() { outcomes <- q.place(&Request{body: make([]byte, size)}) }()
		eventually(t, "waiting", func() bool { return int(q.stalls.Load()) == i-1 && len(q.ch) == 2 })
	}
	q.release(<-q.ch)
	if len(q.ch) != 1 {
		t.Error("overtaken")
	}
	q.release(<-q.ch)
	if n := len(q.ch); n != 2 || len((<-q.ch).body) != 8 {
		t.Errorf("%d queued", n)
	}
	q.close()
	got := map[placed]int{}
	for range 6 {
		got[<-outcomes]++
	}
	if got[placedQueued] != 4 || got[placedStopped] != 2 {
		t.Errorf("got %v", got)
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
		hwm, keep, idle, intvl, cnt    int
		linger, handshake, ivl, ivlMax time.Duration
		size                           int64
		ipv6                           bool
	}
	for _, tc := range []struct {
		name     string
		endpoint string
		in       SocketOptions
		want     want
	}{
		{"client", "tcp://h:1", SocketOptions{IPv6: true}, want{
			1000, 1, 300, -1, -1, 0, 10 * time.Second, 100 * time.Millisecond, 5 * time.Second, 64 << 20, true,
		}},
		{"own values", "tcp://h:1", SocketOptions{
			HWM: 7, Linger: 3 * time.Second, MaxMsgBytes: -1, HandshakeIvl: time.Second, ReconnectIvl: time.Second, ReconnectMax: -1,
			Keepalive:    KeepaliveOptions{Idle: 1500 * time.Millisecond, Interval: 5 * time.Second, Count: 4},
			HeartbeatIvl: time.Second, HeartbeatTimeout: time.Second, HeartbeatTTL: time.Second,
		}, want{7, 1, 2, 5, 4, 3 * time.Second, time.Second, time.Second, 0, -1, false}},
		{"off", "tcp://[::1]:1", SocketOptions{Linger: -1, Keepalive: KeepaliveOptions{Off: true}}, want{
			1000, 0, -1, -1, -1, 0, 10 * time.Second, 100 * time.Millisecond, 5 * time.Second, 64 << 20, true,
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
			if err := tc.in.withDefaults(roleClient).apply(s, tc.endpoint); err != nil {
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
				ints(s.GetSndhwm), ints(s.GetTcpKeepalive), ints(s.GetTcpKeepaliveIdle),
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

// The same for servers.
func TestSocketOptions_server(t *testing.T) {
	own := SocketOptions{
		HWM: 7, Backlog: 5, IPv6: true, MaxMsgBytes: -1, HandshakeIvl: time.Second,
		Keepalive:    KeepaliveOptions{Idle: time.Second, Interval: 5 * time.Second, Count: 4},
		HeartbeatIvl: time.Second, HeartbeatTimeout: 2 * time.Second, HeartbeatTTL: 3 * time.Second,
	}
	for _, tc := range []struct {
		role role
		in   SocketOptions
		want zmtp.Config
	}{
		{roleRequestServer, SocketOptions{}, zmtp.Config{
			SendQueue: 10000, Backlog: 1000, MaxFrameBytes: 64 << 20, HandshakeTimeout: 10 * time.Second,
			Keepalive: zmtp.Keepalive{Idle: 300 * time.Second},
		}},
		{rolePublisher, SocketOptions{}, zmtp.Config{
			SendQueue: 1000, Backlog: 1000, MaxFrameBytes: 1024, HandshakeTimeout: 10 * time.Second,
			Keepalive: zmtp.Keepalive{Idle: 300 * time.Second},
		}},
		{rolePublisher, own, zmtp.Config{
			SendQueue: 7, Backlog: 5, IPv6: true, MaxFrameBytes: -1, HandshakeTimeout: time.Second,
			Keepalive:    zmtp.Keepalive{Idle: time.Second, Interval: 5 * time.Second, Count: 4},
			HeartbeatIvl: time.Second, HeartbeatTimeout: 2 * time.Second, HeartbeatTTL: 3 * time.Second,
		}},
	} {
		got, err := tc.in.withDefaults(tc.role).server(zmtp.RolePub)
		tc.want.Role = zmtp.RolePub
		if err != nil || !reflect.DeepEqual(got, tc.want) {
			t.Errorf("got  %+v, %v\nwant %+v", got, err, tc.want)
		}
	}
	for _, bad := range []SocketOptions{{HWM: -1}, {Backlog: -1}, {HandshakeIvl: -1}} {
		if _, err := bad.server(zmtp.RolePub); !errors.Is(err, ErrConfig) {
			t.Errorf("%+v: %v", bad, err)
		}
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
	// A subscriber takes two sockets for waking, one for itself, two for its monitor.
	if _, err := NewSubscriber(SubscriberConfig{Context: c, Endpoint: loopback}); err == nil {
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
