package relay

import (
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/redisdb/redistest"
	"github.com/saltern-io/saltern/internal/wire"
)

// TestOnce: a report waits for a publication that shows the loss to the syndics; without one it is fired.
func TestOnce(t *testing.T) {
	t.Parallel()
	gap := deafness(&Entry{MoM: "mom", Epoch: "a", GapFrom: 3, GapTo: 5})
	for name, tc := range map[string]struct {
		m     Missed
		after Entry
		held  bool
		fired int
	}{
		"shown by the next":      {m: gap, after: Entry{MoM: "mom", Epoch: "a", Serial: 6}, held: true},
		"one before it":          {m: gap, after: Entry{MoM: "mom", Epoch: "a", Serial: 2}, held: true, fired: 1},
		"under another key":      {m: gap, after: Entry{MoM: "mom", Epoch: "b", Serial: 6}, held: true, fired: 1},
		"of another master":      {m: gap, after: Entry{MoM: "other", Epoch: "a", Serial: 6}, held: true, fired: 1},
		"nobody knows how many":  {m: deafness(&Entry{MoM: "mom", GapFrom: 1, GapTo: 2})},
		"behind a hole of a tap": {m: gapOf(&Entry{MoM: "mom", Epoch: "a", Serial: 6}, 2, false)},
		"too old":                {m: (&Entry{MoM: "mom", Epoch: "a", Serial: 3}).missed(ReasonAge, ""), after: Entry{MoM: "mom", Epoch: "a", Serial: 4}, held: true},
	} {
		t.Run(name, func(t *testing.T) {
			fired := 0
			o := &once{fire: func(Missed) { fired++ }}
			if held := o.hold(tc.m); held != tc.held {
				t.Fatalf("held: %v", held)
			}
			o.passed(&tc.after)
			o.overdue()
			o.overdue()
			if fired != tc.fired {
				t.Errorf("%d fired, want %d", fired, tc.fired)
			}
		})
	}
	o := &once{fire: func(Missed) {}}
	for range maxOnce {
		o.hold(gap)
	}
	if o.hold(gap) {
		t.Error("it holds more than there is room for")
	}
	o.overdue()
}

// TestOutlet_reportsOnce: what a saltern syndic sees by the serials is not reported by the outlet as well; before a stock one
// it is.
func TestOutlet_reportsOnce(t *testing.T) {
	t.Parallel()
	for name, topics := range map[string][]string{"saltern": {"", wire.TopicRepeats}, "stock": {""}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			s := newStage(t, server.Config())
			p := s.pen(server, "tap")
			out, stop := s.outlet(t.TempDir(), config.OutletStream, time.Minute)
			fired := 0
			out.once.fire = func(Missed) { fired++ }
			out.cfg.Missed = out.once.fire
			l := subscribe(t, out, topics...)
			await(t, "attached", func() bool { return attached(out)() && out.pub.allKnow() == (len(topics) > 1) })
			for i, e := range []Entry{{Serial: 1, Frame: frame(0)}, {GapFrom: 2, GapTo: 4}, {Serial: 5, Frame: frame(1)}} {
				e.MoM, e.Tap, e.Epoch, e.Seq, e.Time = "mom", "tap", "a", uint64(i+1), time.Now()
				if err := p.log.Write(t.Context(), []Entry{e}); err != nil {
					t.Fatal(err)
				}
			}
			l.want(t, 0, 1)
			await(t, "counted", func() bool { return out.follower.Stats().Missed[ReasonGap] == 3 })
			stop()
			if want := 2 - len(topics); fired != want {
				t.Errorf("%d reports, want %d", fired, want)
			}
		})
	}
}
