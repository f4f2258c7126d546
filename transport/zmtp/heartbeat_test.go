package zmtp

import (
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"
)

// Our own heartbeats, with the time given by the test instead of the sweeper.
func TestConn_ping(t *testing.T) {
	r := newRecorder()
	l := listen(t, Config{Role: RolePub, Handler: r, MessageTimeout: -1})
	cfg := &l.hub.cfg
	cfg.HeartbeatIvl, cfg.HeartbeatTimeout, cfg.HeartbeatTTL = time.Minute, time.Hour, time.Hour
	p := dialRaw(t, l)
	p.shake(readySUB, readyPUB)
	c := r.conn(t, 0)
	now := time.Now()
	for range 3 {
		c.checkTimes(now)
		p.hear(`04 07 04 "PING" 8ca0`)
		c.checkTimes(now.Add(time.Minute)) // one PING at a time
		c.watch.pinged = time.Now()
		last := c.lastRead.Load()
		p.say(`04 05 04 "PONG"`)
		eventually(t, "PONG", func() bool { return c.lastRead.Load() > last })
		now = time.Now().Add(time.Minute)
	}
	c.checkTimes(now)
	p.hear(`04 07 04 "PING" 8ca0`)
	c.checkTimes(now.Add(time.Hour))
	if c.ended.Load() {
		t.Fatal("cut too early")
	}
	c.checkTimes(now.Add(time.Hour + 1))
	p.cut()
	if err := r.end(t, 0); !errors.Is(err, ErrHeartbeat) || l.Stats().Mute != 1 {
		t.Errorf("end: %v, stats %+v", err, l.Stats())
	}
}

// heartbeatListener pings, with the time given by the test instead of the sweeper.
func heartbeatListener(t *testing.T, role Role, r *recorder) *Listener {
	l := listen(t, Config{Role: role, Handler: r, MessageTimeout: -1})
	l.hub.cfg.HeartbeatIvl, l.hub.cfg.HeartbeatTimeout = time.Minute, time.Minute
	return l
}

// TestConn_pingSilentOnly: who says something is not asked whether it is there; who vanished is cut after two minutes.
func TestConn_pingSilentOnly(t *testing.T) {
	r := newRecorder()
	r.message = echo
	l := heartbeatListener(t, RoleRouter, r)
	p := dialRaw(t, l)
	p.shake(readyREQ, readyROUTER)
	c := r.conn(t, 0)
	c.checkTimes(time.Now())
	p.say(`01 00 00 02 "hi"`)
	p.hear(`01 00 00 02 "hi"`) // and no PING before it
	last := time.Unix(0, c.lastRead.Load())
	c.checkTimes(last.Add(time.Minute - 1))
	p.say(`01 00 00 02 "ho"`)
	p.hear(`01 00 00 02 "ho"`)
	last = time.Unix(0, c.lastRead.Load())
	asked := last.Add(time.Minute)
	c.checkTimes(asked)
	p.hear(`04 07 04 "PING" 0000`)
	c.checkTimes(asked.Add(time.Minute))
	if c.ended.Load() {
		t.Fatal("cut too early")
	}
	c.checkTimes(asked.Add(time.Minute + 1))
	p.cut()
	if err := r.end(t, 0); !errors.Is(err, ErrHeartbeat) || l.Stats().Mute != 1 {
		t.Errorf("end: %v, stats %+v", err, l.Stats())
	}
}

// TestConn_pingOldPeer: peers of ZMTP 3.0 and 2.0 hear no PING and are left alone, however long they are silent.
func TestConn_pingOldPeer(t *testing.T) {
	for _, tc := range []struct {
		name, say, hear string
		any, asked      bool
	}{
		{"3.1", greeting31 + " " + readyREQ, greeting31 + " " + readyROUTER, false, true},
		{"3.0", greeting30 + " " + readyREQ, greeting31 + " " + readyROUTER, false, false},
		{"3.0, any", greeting30 + " " + readyREQ, greeting31 + " " + readyROUTER, true, true},
		{"2.0", signature + " 01 03 00 00", signature + " 03 06 00 00", true, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRecorder()
			r.message = echo
			l := heartbeatListener(t, RoleRouter, r)
			l.hub.cfg.HeartbeatAny = tc.any
			p := dialRaw(t, l)
			p.say(tc.say)
			p.hear(tc.hear)
			c, now := r.conn(t, 0), time.Now()
			for range 10 {
				now = now.Add(time.Hour)
				c.checkTimes(now)
			}
			if tc.asked != c.ended.Load() {
				t.Fatalf("cut: %v", c.ended.Load())
			}
			if tc.asked {
				p.hear(`04 07 04 "PING" 0000`)
				return
			}
			if err := c.Send([][]byte{[]byte("hi")}); err != nil {
				t.Fatal(err)
			}
			p.hear(`00 02 "hi"`) // and no PING before it
		})
	}
}

// TestConn_pingSlowLine: a PING behind megabytes that go out slowly is not late.
func TestConn_pingSlowLine(t *testing.T) {
	r := newRecorder()
	l := heartbeatListener(t, RolePub, r)
	p := dialRaw(t, l)
	p.shake(readySUB, readyPUB)
	c := r.conn(t, 0)
	for i := 0; i < 64 && c.Queued() == 0; i++ { // until the kernel takes no more
		if err := c.Send([][]byte{make([]byte, 1<<20)}); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "waiting for the kernel", func() bool { _, busy := c.out.progress(); return busy })
	now := time.Now().Add(time.Minute)
	c.checkTimes(now) // PING, at the end of the queue
	for range 3 {
		before, _ := c.out.progress()
		eventually(t, "progress", func() bool {
			if _, err := p.Read(make([]byte, 1<<20)); err != nil {
				t.Fatal(err)
			}
			sent, _ := c.out.progress()
			return sent != before
		})
		now = now.Add(50 * time.Second)
		if _, busy := c.out.progress(); !busy {
			return // the kernel took the rest at once
		}
		c.checkTimes(now)
		if c.ended.Load() {
			t.Fatal("cut while it reads")
		}
	}
	c.checkTimes(now.Add(5 * time.Minute))
	p.cut()
}

// TestLibzmq_idlePeers: libzmq answers PING by itself, whatever its socket, while its program does nothing.
func TestLibzmq_idlePeers(t *testing.T) {
	for _, tc := range []struct {
		role Role
		kind zmq.Type
	}{{RolePub, zmq.SUB}, {RoleXPub, zmq.SUB}, {RoleRouter, zmq.REQ}, {RoleRouter, zmq.DEALER}} {
		t.Run(fmt.Sprint(tc.role, " ", tc.kind), func(t *testing.T) {
			r := newRecorder()
			r.message = echo
			l := listen(t, Config{Role: tc.role, Handler: r, HeartbeatIvl: 10 * time.Millisecond, HeartbeatTimeout: patience})
			s := socket(t, tc.kind, "")
			if tc.kind == zmq.SUB {
				if err := s.SetSubscribe(""); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Connect(l.Addr()); err != nil {
				t.Fatal(err)
			}
			c := r.conn(t, 0)
			if !c.knowsPing() {
				t.Skip("this libzmq greets as ZMTP 3.0")
			}
			for range 5 {
				last := c.lastRead.Load()
				eventually(t, "an answer", func() bool { return c.lastRead.Load() > last })
			}
			if tc.kind == zmq.SUB {
				if err := c.Send([][]byte{[]byte("news")}); err != nil {
					t.Fatal(err)
				}
				mustReceive(t, s, "news")
			} else {
				if _, err := s.Send("still here", 0); err != nil {
					t.Fatal(err)
				}
				mustReceive(t, s, "still here")
			}
			if n := l.Stats().Accepted; n != 1 {
				t.Errorf("%d connections", n)
			}
		})
	}
}

// BenchmarkHub_sweep is one look at the 20,000 connections of 10,000 idle minions, and the PINGs of all of them, without
// the system call.
func BenchmarkHub_sweep(b *testing.B) {
	h := newHub(Config{Role: RolePub, HeartbeatIvl: time.Minute, HeartbeatTimeout: time.Minute, MessageTimeout: time.Minute, SendQueue: 1000, SendQueueBytes: 1 << 20})
	now := time.Now()
	for range 20_000 {
		c := &Conn{hub: h, ver: version{majorOurs, minorOurs}, nc: &net.TCPConn{}}
		c.lastRead.Store(now.UnixNano())
		c.out.writing = true // somebody else writes
		h.add(c)
	}
	b.Run("idle", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			h.each(func(c *Conn) { c.checkTimes(now) })
		}
	})
	b.Run("ping", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			h.each(func(c *Conn) {
				c.watch.pinged = time.Time{}
				c.checkTimes(now.Add(time.Minute))
				c.out.list, c.out.head, c.out.bytes = nil, 0, 0
			})
		}
	})
}
