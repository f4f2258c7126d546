package relay

import (
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/outbox"
	"github.com/saltern-io/saltern/internal/redisdb/redistest"
)

// pen writes a stream by hand, as a tap that is ahead of or behind the direct link would.
type pen struct {
	s   *stage
	log *Log
	tap string
	seq uint64
}

func (s *stage) pen(server *redistest.Server, tap string) *pen {
	cfg := config.DefaultRelay()
	return &pen{s: s, log: NewLog(server.Client(), cfg.StreamKey("mom"), 1000, time.Hour), tap: tap}
}

func (p *pen) write(frames ...int) {
	p.s.t.Helper()
	for _, i := range frames {
		p.seq++
		e := Entry{MoM: "mom", Tap: p.tap, Seq: p.seq, Time: time.Now(), Frame: frame(i)}
		if err := p.log.Write(p.s.t.Context(), []Entry{e}); err != nil {
			p.s.t.Fatal(err)
		}
	}
}

// cutDirect is a cut of the direct link that the outlet has noticed.
func cutDirect(o *Outlet) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.cut()
}

func (l *listener) wantFrames(t *testing.T, frames ...int) {
	t.Helper()
	await(t, "what goes out", func() bool { return len(l.all()) >= len(frames) })
	all := l.all()
	if len(all) != len(frames) {
		t.Fatalf("went out: %q, want %v", all, frames)
	}
	for i := range frames {
		if all[i] != string(frame(frames[i])) {
			t.Fatalf("went out: %q, want %v", all, frames)
		}
	}
}

// TestOutlet_overtaken: the direct link and Redis come back in the same moment, the direct link a little earlier. What the
// tap kept meanwhile, and writes one by one, is behind what went out: a stock syndic would drop each without a word.
func TestOutlet_overtaken(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	s := newStage(t, server.Config())
	p := s.pen(server, "tap")
	dir := t.TempDir()
	out, stop := s.outlet(dir, config.OutletBoth, time.Minute)
	l := s.listen(out.PublishAddr())
	await(t, "attached", func() bool { return attached(out)() && out.Stats().DirectUp })
	s.publish(0, 1)
	p.write(0)
	l.wantFrames(t, 0)
	server.Kill()
	await(t, "the stream is away", func() bool { return !out.follower.Stats().Up })
	cutDirect(out)
	s.publish(5, 7)
	l.wantFrames(t, 0, 5, 6)
	server.Run()
	late := func(n int64) func() bool {
		return func() bool { return out.follower.Stats().Missed[ReasonLate] == n }
	}
	p.write(1)
	await(t, "the first is reported", late(1))
	p.write(2, 3)
	await(t, "three are reported", late(3))
	stop() // what went out is remembered by the next life
	p.write(4, 5, 6, 7)
	out, _ = s.outlet(dir, config.OutletBoth, time.Minute)
	again := s.listen(out.PublishAddr())
	again.wantFrames(t, 7)
	if st := out.follower.Stats(); st.Missed[ReasonLate] != 1 || st.Repeated != 2 {
		t.Errorf("%+v", st)
	}
}

// TestOutlet_twoTapsOneDeaf: what only the slower of two taps heard, and writes when the other one's later entries went out, is
// reported, not delivered.
func TestOutlet_twoTapsOneDeaf(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := newStage(t, server.Config())
	a, b := s.pen(server, "a"), s.pen(server, "b")
	out, _ := s.outlet(t.TempDir(), config.OutletStream, time.Minute)
	l := s.listen(out.PublishAddr())
	await(t, "attached", attached(out))
	a.write(0)
	b.write(0)
	a.seq++ // the hole
	a.write(2)
	l.wantFrames(t, 0, 2)
	b.write(1, 2, 3)
	a.write(3)
	l.wantFrames(t, 0, 2, 3)
	if st := out.follower.Stats(); st.Missed[ReasonLate] != 1 {
		t.Errorf("%+v", st)
	}
}

// TestOutlet_directLate: the direct link brings one that the stream has not, while later ones went out by the stream.
func TestOutlet_directLate(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := newStage(t, server.Config())
	p := s.pen(server, "tap")
	out, _ := s.outlet(t.TempDir(), config.OutletBoth, time.Minute)
	l := s.listen(out.PublishAddr())
	await(t, "attached", func() bool { return attached(out)() && out.Stats().DirectUp })
	p.write(0)
	l.wantFrames(t, 0)
	s.publish(0, 1)
	p.write(2)
	l.wantFrames(t, 0, 2)
	s.publish(1, 4)
	l.wantFrames(t, 0, 2, 3)
	await(t, "reported", func() bool { return out.follower.Stats().Missed[ReasonLate] == 1 })
	p.write(3, 4)
	l.wantFrames(t, 0, 2, 3, 4)
}

// TestOutlet_holeOfTap: behind a hole of the tap the direct link is given a moment to fill it, so that nothing has to be reported
// but the hole itself.
func TestOutlet_holeOfTap(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := newStage(t, server.Config())
	p := s.pen(server, "tap")
	out, _ := s.outlet(t.TempDir(), config.OutletBoth, time.Minute)
	l := s.listen(out.PublishAddr())
	await(t, "attached", func() bool { return attached(out)() && out.Stats().DirectUp })
	s.publish(0, 1)
	p.write(0)
	l.wantFrames(t, 0)
	p.seq++
	p.write(2)
	await(t, "read", func() bool { return out.follower.Stats().Entries == 2 })
	s.publish(1, 3)
	l.wantFrames(t, 0, 1, 2)
	p.write(3)
	l.wantFrames(t, 0, 1, 2, 3)
	if st := out.follower.Stats(); st.Missed[ReasonLate] != 0 || st.Missed[ReasonGap] != 1 {
		t.Errorf("%+v", st)
	}
}

// TestFollower_place: what stands behind a hole of a tap, while others went out, goes out when the tap heard it after them, and is
// reported when that cannot be told.
func TestFollower_place(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	for name, tc := range map[string]struct {
		age   time.Duration // of the entry before the last that went out, negative: after it
		later []Entry
		over  bool
		want  placing
		sure  bool
	}{
		"heard after all others":              {age: -3 * time.Second, want: placeLater, sure: true},
		"about the same time, waits":          {age: 0},
		"about the same time, waited":         {age: 0, over: true, want: placeLost, sure: true},
		"shows later that something went out": {age: -3 * time.Second, later: []Entry{{Tap: "a", Frame: frame(1)}}, want: placeLost, sure: true},
		"another tap has a copy":              {age: 0, later: []Entry{{Tap: "b", Frame: frame(9)}}, want: placeCopy, sure: true},
		"another tap shows something":         {age: 0, later: []Entry{{Tap: "b", Frame: frame(1)}}},
	} {
		t.Run(name, func(t *testing.T) {
			f := &Follower{now: func() time.Time { return now }, mem: &memory{
				keys: map[string]uint64{frameKey(frame(0)): 1, frameKey(frame(1)): 2}, ring: make([]string, recent), store: testStore(t), warn: func(err error) { t.Error(err) },
			}}
			o := &f.mem.at.Order
			o.goes("a", now, now)
			o.goes("b", now, now)
			o.breaks("a")
			o.way("b").heard = now.Add(-time.Hour)
			got, sure := f.placeNow(&Entry{Tap: "a", Frame: frame(9), Time: now.Add(-tc.age)}, tc.later, tc.over)
			if got != tc.want || sure != tc.sure {
				t.Errorf("%v %v, want %v %v", got, sure, tc.want, tc.sure)
			}
		})
	}
}

func testStore(t *testing.T) *outbox.Store {
	t.Helper()
	store, err := outbox.Open(t.TempDir(), outbox.Options{Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() }) // nothing in it is looked at again
	return store
}
