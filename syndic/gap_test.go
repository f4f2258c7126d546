package syndic

import (
	"context"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/transport"
)

func at(epoch string, serial uint64) arrival {
	return arrival{pos: position{epoch, serial}, pub: &publication{}}
}

func serials(list []arrival) (out []uint64) {
	for _, a := range list {
		out = append(out, a.pos.Serial)
	}
	return out
}

func TestSequencer_inOrder(t *testing.T) {
	var s sequencer
	for i, tt := range []struct {
		epoch  string
		serial uint64
		fresh  bool
	}{
		{"a", 5, true}, // first contact: nothing is missed
		{"a", 5, false},
		{"a", 4, false},
		{"a", 6, true},
	} {
		f := s.arrive(at(tt.epoch, tt.serial))
		if f.ask || (len(f.deliver) == 1) != tt.fresh || (f.stale == 1) == tt.fresh {
			t.Errorf("%d: %+v", i, f)
		}
	}
	if f := s.arrive(arrival{pub: &publication{}}); len(f.deliver) != 1 {
		t.Error("a master without serials is refused")
	}
}

func TestSequencer_gapIsFilledInOrder(t *testing.T) {
	now := time.Now()
	s := sequencer{marks: [2]position{{"a", 3}}}
	f := s.arrive(at("a", 7))
	if !f.ask || len(f.deliver) != 0 || s.cursor() != (position{"a", 3}) {
		t.Fatalf("%+v", f)
	}
	s.begin(now)
	if f = s.arrive(at("a", 8)); len(f.deliver) != 0 {
		t.Fatalf("%+v", f)
	}
	f = s.answered(answer{epoch: "a", next: 8, pubs: []arrival{at("a", 4), at("a", 6), at("a", 7)}}) // 5 never existed
	if got := serials(f.deliver); !slices.Equal(got, []uint64{4, 6, 7, 8}) || f.lost.count != 0 || f.ask || f.stale != 1 {
		t.Fatalf("%v, %+v", got, f)
	}
	if !f.deliver[0].journal || f.deliver[3].journal {
		t.Error("sources are mixed up")
	}
}

func TestSequencer_newEpochAsks(t *testing.T) {
	s := sequencer{marks: [2]position{{"a", 3}}}
	if f := s.arrive(at("b", 1)); !f.ask || s.cursor() != (position{"a", 3}) {
		t.Fatalf("the end of the old epoch is not asked for: %+v", f)
	}
	f := s.answered(answer{epoch: "b", next: 2, pubs: []arrival{at("a", 4), at("b", 1)}})
	if got := f.deliver; len(got) != 2 || got[0].pos != (position{"a", 4}) || got[1].pos != (position{"b", 1}) {
		t.Fatalf("%+v", f)
	}
	if f = s.arrive(at("a", 5)); len(f.deliver) != 1 { // sent just before the change
		t.Fatalf("%+v", f)
	}
}

func TestSequencer_pagesAndRestIsAskedAgain(t *testing.T) {
	s := sequencer{marks: [2]position{{"a", 0}}}
	s.arrive(at("a", 5))
	f := s.answered(answer{epoch: "a", next: 4, more: true, pubs: []arrival{at("a", 1)}})
	if !f.ask || s.cursor().Serial != 1 || len(f.deliver) != 1 {
		t.Fatalf("%+v", f)
	}
	// The last page says nothing about 4: sent meanwhile, so the gap before 5 is asked for once more.
	f = s.answered(answer{epoch: "a", next: 4, pubs: []arrival{at("a", 2), at("a", 3)}})
	if !f.ask || len(f.deliver) != 2 {
		t.Fatalf("%+v", f)
	}
	f = s.answered(answer{epoch: "a", next: 6, pubs: []arrival{at("a", 4)}})
	if got := serials(f.deliver); !slices.Equal(got, []uint64{4}) && !slices.Equal(got, []uint64{4, 5}) {
		t.Fatalf("%v", got)
	}
}

func TestSequencer_holdIsBounded(t *testing.T) {
	now := time.Now()
	s := sequencer{marks: [2]position{{"a", 1}}}
	s.arrive(at("a", 3))
	s.begin(now)
	if f := s.expire(now.Add(holdTime - 1)); len(f.deliver) != 0 {
		t.Fatal("too early")
	}
	f := s.expire(now.Add(holdTime))
	if got := serials(f.deliver); !slices.Equal(got, []uint64{3}) || s.cursor() != (position{"a", 1}) {
		t.Fatalf("%v, next question from %v", got, s.cursor())
	}
	if f = s.arrive(at("a", 4)); len(f.deliver) != 1 {
		t.Fatalf("%+v", f)
	}
	// The answer comes late: all of it goes on, the relay knows what it had.
	f = s.answered(answer{epoch: "a", next: 5, pubs: []arrival{at("a", 2), at("a", 3), at("a", 4)}})
	if got := serials(f.deliver); !slices.Equal(got, []uint64{2, 3, 4}) || s.owed != nil {
		t.Fatalf("%v", got)
	}
	s.begin(now)
	for i := range uint64(maxHeld + 1) {
		f = s.arrive(at("a", 5+i))
	}
	if len(f.deliver) != maxHeld+1 {
		t.Errorf("%d of more than can be held", len(f.deliver))
	}
}

func TestSequencer_stockCountsExactly(t *testing.T) {
	s := sequencer{marks: [2]position{{"a", 3}}}
	s.arrive(at("a", 7))
	f := s.refused()
	if f.lost.count != 3 || f.lost.pos.Serial != 7 || len(f.deliver) != 1 {
		t.Fatalf("%+v", f)
	}
	for _, tt := range []struct {
		a    arrival
		lost uint64
	}{{at("a", 8), 0}, {at("a", 10), 1}, {at("b", 3), 2}, {at("b", 4), 0}, {at("c", 1), 0}} {
		if f = s.arrive(tt.a); f.lost.count != tt.lost || f.ask || len(f.deliver) != 1 {
			t.Errorf("%v: %+v", tt.a.pos, f)
		}
	}
	if f = new(sequencer).arrive(at("a", 9)); f.lost.count != 0 {
		t.Error("first contact misses nothing")
	}
}

// TestSequencer_stockAnswersLate: what was let go while nobody knew that it is a stock master is counted when it says so.
func TestSequencer_stockAnswersLate(t *testing.T) {
	named := func(serial uint64, jid string) arrival {
		return arrival{pos: position{"a", serial}, pub: &publication{jid: jid}}
	}
	for _, test := range []struct {
		name   string
		let    func(s *sequencer, now time.Time) findings // go
		before string
		count  uint64
	}{
		{"held for too long", func(s *sequencer, now time.Time) findings { return s.expire(now.Add(holdTime)) }, "4", 2},
		{"the question got no answer", func(s *sequencer, _ time.Time) findings { return s.failed() }, "4", 2},
		{"it found no room", func(s *sequencer, _ time.Time) findings {
			f := s.failed()
			s.undelivered(f.deliver[1:])
			return f
		}, "4", 4},
	} {
		t.Run(test.name, func(t *testing.T) {
			var s sequencer
			now := time.Now()
			s.arrive(named(1, "1"))
			s.begin(now)
			for _, a := range []arrival{named(3, "2"), named(4, "3"), named(6, "4")} {
				s.arrive(a)
			}
			if f := test.let(&s, now); len(f.deliver) != 3 || f.lost.count != 0 {
				t.Fatalf("%+v", f)
			}
			if f := s.arrive(named(7, "5")); len(f.deliver) != 1 {
				t.Fatalf("%+v", f)
			}
			want := gap{count: test.count, after: "1", before: test.before, pos: position{"a", 6}}
			if f := s.refused(); f.lost != want {
				t.Errorf("lost %+v, want %+v", f.lost, want)
			}
			if f := s.refused(); f.lost.count != 0 || s.owed != nil {
				t.Errorf("counted again: %+v", f)
			}
		})
	}
}

func TestJudge(t *testing.T) {
	now := time.Now()
	for _, tt := range []struct {
		fun  string
		age  time.Duration
		want fate
	}{
		{"test.ping", time.Second, fateRun},
		{"test.ping", time.Minute, fateRun},
		{"test.ping", 61 * time.Second, fateReport},
		{findJob, time.Second, fateSkip},
		{findJob, time.Hour, fateSkip},
		{"state.apply", -time.Second, fateRun},
	} {
		p := &publication{load: wire.NewMap("fun", tt.fun), sent: now.Add(-tt.age)}
		if got, reason := judge(p, now, time.Minute); got != tt.want || (got == fateReport) != (reason != "") {
			t.Errorf("%s, %v: %v %q", tt.fun, tt.age, got, reason)
		}
	}
}

// TestSequencer_property: a master publishes, the link loses what it likes, questions are answered or not: in the end
// everything was delivered, and without a late answer in order and once.
func TestSequencer_property(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Now()
		var s sequencer
		var sent []position
		epoch, serial := "a", uint64(0)
		got := map[position]int{}
		asked, wasOwed := false, false
		follow := func(f findings) {
			for _, a := range f.deliver {
				got[a.pos]++
			}
			if f.ask {
				asked = true
				s.begin(now)
			}
			if f.lost.count > 0 {
				t.Fatal("lost at a master that keeps a journal")
			}
			wasOwed = wasOwed || s.owed != nil
		}
		reply := func() {
			c, a := s.cursor(), answer{epoch: epoch, next: serial + 1}
			after := c.Epoch == ""
			for _, p := range sent {
				if after {
					a.pubs = append(a.pubs, at(p.Epoch, p.Serial))
				}
				after = after || p == c
			}
			follow(s.answered(a))
		}
		publish := func() position {
			serial++
			p := position{epoch, serial}
			sent = append(sent, p)
			return p
		}
		follow(s.arrive(at(epoch, publish().Serial)))
		t.Repeat(map[string]func(*rapid.T){
			"publication": func(t *rapid.T) { p := publish(); follow(s.arrive(at(p.Epoch, p.Serial))) },
			"lost":        func(*rapid.T) { publish() },
			"rotation": func(t *rapid.T) {
				if epoch < "c" && serial > 0 {
					epoch, serial = string(epoch[0]+1), 0
					publish()
				}
			},
			"answer": func(*rapid.T) {
				if asked {
					asked = false
					reply()
				}
			},
			"no answer": func(*rapid.T) {
				if asked {
					asked = false
					follow(s.failed())
				}
			},
			"time": func(*rapid.T) { now = now.Add(2 * time.Second); follow(s.expire(now)) },
		})
		reply()
		reply()
		for _, p := range sent {
			if n := got[p]; n == 0 || n > 1 && !wasOwed {
				t.Fatalf("%v delivered %d times", p, n)
			}
		}
	})
}

// TestUpstream_tellsThatItKnows: the publisher hears once that it is known what was here, and not before that is so.
func TestUpstream_tellsThatItKnows(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	told := 0
	u := &Upstream{intake: ctx, knows: func() { told++ }}
	for _, want := range []struct {
		epoch string
		told  int
	}{{"", 0}, {"a", 1}, {"a", 1}} {
		u.seq = sequencer{marks: [2]position{{want.epoch, 3}}}
		if err := u.takePublications(ctx, make(chan transport.Message)); err != nil {
			t.Fatal(err)
		}
		if told != want.told {
			t.Errorf("epoch %q: told %d times, want %d", want.epoch, told, want.told)
		}
	}
}
