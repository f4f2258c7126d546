package zmtp

import (
	"errors"
	"io"
	"testing"
	"time"
)

func TestHostile_cut(t *testing.T) {
	for name, tc := range map[string]struct {
		wire string
		want error
	}{
		"flags":          {`ff ff`, ErrFrame},
		"huge frame":     {`02 0000000000000401`, ErrFrameSize},
		"huge command":   {`06 0000000000002001`, ErrFrameSize},
		"many frames":    {`01 00 01 00 01 00 01 00 00 00`, ErrMessageSize},
		"empty command":  {`04 00`, ErrCommand},
		"short command":  {`04 02 05 "R"`, ErrCommand},
		"short ping":     {`04 06 04 "PING" 00`, ErrCommand},
		"half frame":     {`00 05 "ab"`, ErrStalled},
		"half header":    {`02 00`, ErrStalled},
		"half message":   {`01 02 "ab"`, ErrStalled},
		"endless frames": {`01 00 01 00 01 00 01 00 01 00 01 00 01 00`, ErrStalled},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRecorder()
			l := listen(t, Config{Role: RoleRouter, Handler: r, MaxFrameBytes: 1024, MaxFrames: 4, MessageTimeout: 50 * time.Millisecond})
			p := dialRaw(t, l)
			p.shake(readyDEALER, readyROUTER)
			p.say(tc.wire)
			p.cut()
			if err := r.end(t, 0); !errors.Is(err, tc.want) {
				t.Errorf("end: %v", err)
			}
			st := l.Stats()
			if st.Unfinished != 0 || st.ProtocolErrors+st.Stalled != 1 {
				t.Errorf("stats %+v", st)
			}
		})
	}
}

// A message that grows is not cut, however long it takes; one that drips is. The test gives the time.
func TestHostile_slow(t *testing.T) {
	r := newRecorder()
	l := listen(t, Config{Role: RoleRouter, Handler: r, MessageTimeout: -1})
	l.hub.cfg.MessageTimeout = time.Minute
	p := dialRaw(t, l)
	p.shake(readyDEALER, readyROUTER)
	c := r.conn(t, 0)
	grow := func(n int) {
		want := c.partBytes.Load() + int64(n)
		if _, err := p.Write(make([]byte, n)); err != nil {
			t.Fatal(err)
		}
		eventually(t, "bytes read", func() bool { return c.partBytes.Load() == want })
	}
	p.say(`02 0000000001000000 00`)
	eventually(t, "begun", func() bool { return c.partBytes.Load() == 2 })
	now := time.Now()
	for range 10 {
		c.checkTimes(now)
		grow(messageProgress)
		now = now.Add(time.Hour)
	}
	c.checkTimes(now)
	grow(messageProgress - 1)
	c.checkTimes(now.Add(time.Minute))
	if c.ended.Load() {
		t.Fatal("cut too early")
	}
	c.checkTimes(now.Add(time.Minute + 1))
	p.cut()
	if err := r.end(t, 0); !errors.Is(err, ErrStalled) {
		t.Errorf("end: %v", err)
	}
}

// A peer with unread messages must read something from time to time.
func TestHostile_deaf(t *testing.T) {
	r := newRecorder()
	l := listen(t, Config{Role: RoleRouter, Handler: r, WriteTimeout: 50 * time.Millisecond})
	p := dialRaw(t, l)
	p.shake(readyDEALER, readyROUTER)
	c := r.conn(t, 0)
	for range 20 {
		if err := c.Send([][]byte{make([]byte, 1<<20)}); err != nil {
			break
		}
	}
	if err := r.end(t, 0); !errors.Is(err, ErrStalled) {
		t.Errorf("end: %v", err)
	}
}

// Above MaxPartialBytes the message that has been unfinished longest makes room.
func TestHostile_partialBytes(t *testing.T) {
	r := newRecorder()
	l := listen(t, Config{Role: RoleRouter, Handler: r, MaxPartialBytes: 2 << 20})
	header := wireBytes(`02 0000000000180000`)
	megabyte := make([]byte, 1<<20)
	var peers []*rawPeer
	for i := range 2 {
		p := dialRaw(t, l)
		p.shake(readyDEALER, readyROUTER)
		if _, err := p.Write(append(header, megabyte[:900<<10]...)); err != nil {
			t.Fatal(err)
		}
		eventually(t, "bytes held", func() bool { return l.Stats().Unfinished > int64(i+1)*900<<10 })
		peers = append(peers, p)
	}
	if _, err := peers[1].Write(megabyte[:1536<<10-900<<10]); err != nil {
		t.Fatal(err)
	}
	peers[0].cut()
	r.next(t)
	eventually(t, "nothing held", func() bool { return l.Stats().Unfinished == 0 })
	if st := l.Stats(); st.Evicted != 1 || st.Connections != 1 {
		t.Errorf("stats %+v", st)
	}
	if err := r.end(t, 0); !errors.Is(err, ErrMessageSize) {
		t.Errorf("end: %v", err)
	}
}

func TestHostile_connections(t *testing.T) {
	l := listen(t, Config{Role: RoleRouter, Handler: newRecorder(), MaxConnections: 3})
	var peers []*rawPeer
	for range 3 {
		p := dialRaw(t, l)
		p.shake(readyDEALER, readyROUTER)
		peers = append(peers, p)
	}
	dialRaw(t, l).cut()
	if st := l.Stats(); st.Refused != 1 || st.Connections != 3 {
		t.Errorf("stats %+v", st)
	}
	peers[0].Close()
	eventually(t, "room", func() bool { return l.Connections() == 2 })
	p := dialRaw(t, l)
	p.shake(readyDEALER, readyROUTER)
}

// A Handler that waits holds up its own peer only.
func TestHostile_waitingHandler(t *testing.T) {
	r := newRecorder()
	release := make(chan struct{})
	r.message = func(c *Conn, frames [][]byte) {
		if string(frames[0]) == "wait" {
			<-release
		}
		echo(c, frames)
	}
	l := listen(t, Config{Role: RoleRouter, Handler: r})
	slow, quick := dialRaw(t, l), dialRaw(t, l)
	slow.shake(readyDEALER, readyROUTER)
	quick.shake(readyDEALER, readyROUTER)
	slow.say(`00 04 "wait"`)
	for range 10 {
		quick.say(`00 01 "q"`)
		quick.hear(`00 01 "q"`)
	}
	close(release)
	slow.hear(`00 04 "wait"`)
}

func TestHostile_refusedByHandler(t *testing.T) {
	r := newRecorder()
	r.open = func(*Conn) error { return io.ErrNoProgress }
	l := listen(t, Config{Role: RoleRouter, Handler: r})
	p := dialRaw(t, l)
	p.shake(readyDEALER, readyROUTER)
	p.cut()
	eventually(t, "gone", func() bool { return l.Connections() == 0 })
	if len(r.ends) != 0 {
		t.Errorf("Closed called: %v", r.ends)
	}
}
