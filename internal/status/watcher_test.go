package status

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// step is one report of a scenario: seconds after noon, and the one thing that is watched.
type step struct {
	at       int
	link     *Link
	peer     *Peer
	depth    int64
	sum      *Sum
	problems string // kinds
	log      string // what the lines contain, in order; "" = no line
}

func up(since int) *Link {
	return &Link{Name: "mom1", Up: true, State: "serving", Since: noon.Add(time.Duration(since) * time.Second)}
}

func down(since int) *Link {
	return &Link{Name: "mom1", State: "backing off", Since: noon.Add(time.Duration(since) * time.Second)}
}

func sumOf(in, out, slack int64, busy bool) *Sum {
	return &Sum{Name: "outbox", In: []Term{{"stored", in}}, Out: []Term{{"acknowledged", out}}, Slack: slack, Busy: busy}
}

func TestWatcher(t *testing.T) {
	tests := []struct {
		name  string
		steps []step
	}{
		{"a link comes up and goes", []step{
			{at: 0, link: down(0), problems: "link"},
			{at: 5, link: up(2), log: "Link is up"},
			{at: 10, link: up(2)},
			{at: 15, link: down(12), problems: "link", log: "Link is down"},
			{at: 60, link: down(12), problems: "link"},
			{at: 65, link: up(62), log: "Link is up"},
		}},
		{"a link never comes up", []step{
			{at: 0, link: down(0), problems: "link"},
			{at: 9, link: down(0), problems: "link"},
			{at: 10, link: down(0), problems: "link", log: "Link is down"},
			{at: 99, link: down(90), problems: "link"},
		}},
		{"a link that is back before anybody looked", []step{
			{at: 0, link: up(0), log: "Link is up"},
			{at: 5, link: up(3), log: "Link was interrupted"},
			{at: 10, link: up(3)},
		}},
		{"a syndic falls silent and comes back", []step{
			{at: 0, peer: &Peer{Name: "syn1", Seen: noon}},
			{at: 300, peer: &Peer{Name: "syn1", Seen: noon, Silent: true}, problems: "peer", log: "Syndic is silent"},
			{at: 305, peer: &Peer{Name: "syn1", Seen: noon, Silent: true}, problems: "peer"},
			{at: 310, peer: &Peer{Name: "syn1", Seen: noon.Add(309 * time.Second)}, log: "Syndic is back"},
			{at: 315, peer: &Peer{Name: "syn1", Seen: noon.Add(309 * time.Second)}},
		}},
		{"a queue fills and empties", []step{
			{at: 0, depth: 79},
			{at: 5, depth: 80, problems: "queue", log: "Queue is nearly full"},
			{at: 10, depth: 100, problems: "queue"},
			{at: 15, depth: 70},
			{at: 20, depth: 85, problems: "queue"},
			{at: 25, depth: 59, log: "Queue has room again"},
		}},
		{"a sum that moves is under way", []step{
			{at: 0, sum: sumOf(10, 5, 9, false)},
			{at: 10, sum: sumOf(20, 15, 9, false)},
			{at: 20, sum: sumOf(30, 25, 9, false)},
			{at: 30, sum: sumOf(40, 40, 9, false)},
		}},
		{"a sum that stands still with a difference is off", []step{
			{at: 0, sum: sumOf(10, 5, 9, false)},
			{at: 5, sum: sumOf(10, 5, 9, false)},
			{at: 10, sum: sumOf(10, 5, 9, false)},
			{at: 15, sum: sumOf(10, 5, 9, false), problems: "sum", log: "Sum does not balance"},
			{at: 20, sum: sumOf(20, 15, 9, false), problems: "sum"},
			{at: 25, sum: sumOf(20, 20, 9, false), log: "Sum balances again"},
		}},
		{"unless work is in hand", []step{
			{at: 0, sum: sumOf(10, 5, 9, true)},
			{at: 30, sum: sumOf(10, 5, 9, true)},
			{at: 60, sum: sumOf(10, 5, 9, true)},
		}},
		{"a sum is off by more than can be under way", []step{
			{at: 0, sum: sumOf(110, 100, 9, true)},
			{at: 9, sum: sumOf(120, 110, 9, true)},
			{at: 10, sum: sumOf(130, 120, 9, true), problems: "sum", log: "Sum does not balance"},
		}},
		{"in the other direction", []step{
			{at: 0, sum: sumOf(100, 110, 9, true)},
			{at: 10, sum: sumOf(120, 130, 9, true), problems: "sum", log: "Sum does not balance"},
		}},
		{"a break resets it", []step{
			{at: 0, sum: sumOf(110, 100, 9, false)},
			{at: 8, sum: sumOf(120, 115, 9, false)},
			{at: 16, sum: sumOf(130, 120, 9, false)},
			{at: 24, sum: sumOf(140, 135, 9, false)},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			log, lines := newLog()
			w := NewWatcher(log)
			for _, st := range tt.steps {
				r := testReport("salt-syndic")
				r.Now = noon.Add(time.Duration(st.at) * time.Second)
				s := Section{Title: "x", Upstream: "mom1", Queues: []Queue{{Name: "outbox", Depth: st.depth, Capacity: 100}}}
				if st.link != nil {
					s.Links = []Link{*st.link}
				}
				if st.peer != nil {
					s.Peers = []Peer{*st.peer}
				}
				if st.sum != nil {
					s.Sums = []Sum{*st.sum}
				}
				r.Sections = []Section{s}
				w.Observe(&r)
				var kinds []string
				for _, p := range r.Problems {
					kinds = append(kinds, p.Kind)
				}
				if got := strings.Join(kinds, " "); got != st.problems {
					t.Errorf("at %d s: problems %q, want %q", st.at, got, st.problems)
				}
				if got := lines.take(); st.log == "" && got != "" || !strings.Contains(got, st.log) || strings.Count(got, "\n") > 1 {
					t.Errorf("at %d s: logged %q, want %q", st.at, got, st.log)
				}
			}
		})
	}
}

func TestWatcher_bounded(t *testing.T) {
	w := NewWatcher(discard)
	r := testReport("salt-syndic")
	for i := range 3 * maxWatched {
		r.Sections = append(r.Sections, Section{Upstream: fmt.Sprint("mom", i), Queues: []Queue{{Name: "outbox", Capacity: 1}}})
	}
	w.Observe(&r)
	if len(w.watched) != maxWatched {
		t.Errorf("%d watched", len(w.watched))
	}
	r.Sections = r.Sections[:1]
	w.Observe(&r)
	if len(w.watched) != 1 {
		t.Errorf("%d watched after the others went", len(w.watched))
	}
}

func TestWatcher_starting(t *testing.T) {
	r := testReport("salt-master")
	r.Ready = time.Time{}
	NewWatcher(discard).Observe(&r)
	if len(r.Problems) != 1 || r.Problems[0].Kind != Starting {
		t.Errorf("problems %v", r.Problems)
	}
}

func TestQueue_Fill(t *testing.T) {
	tests := []struct {
		q    Queue
		want float64
	}{
		{Queue{Depth: 5}, 0},
		{Queue{Depth: 5, Capacity: 10}, 0.5},
		{Queue{Depth: 5, Capacity: 10, Bytes: 9, MaxBytes: 10}, 0.9},
		{Queue{Depth: 5, Capacity: 10, Bytes: 9}, 0.5},
	}
	for _, tt := range tests {
		if got := tt.q.Fill(); got != tt.want {
			t.Errorf("%+v: got %v, want %v", tt.q, got, tt.want)
		}
	}
}

func TestAges(t *testing.T) {
	var a Ages
	look := func(at int, taken, waiting, want int64) {
		t.Helper()
		got := a.Oldest("q", taken, waiting, noon.Add(time.Duration(at)*time.Second))
		if got != Age(time.Duration(want)*time.Second) {
			t.Errorf("at %d s: got %v, want %d s", at, time.Duration(got), want)
		}
	}
	look(0, 0, 0, 0)
	look(5, 100, 10, 0)      // came in since the last look
	look(10, 100, 10, 5)     // and nothing moved
	look(15, 200, 10, 0)     // all of those went
	look(20, 250, 60, 5)     // the oldest is number 191
	look(25, 300, 101, 10)   // now number 200, seen at 15
	look(30, 301, 101, 10)   // now number 201, seen at 20
	look(35, 301, 0, 0)      // empty
	look(40, 302, 1, 0)      //
	look(45, 302, 1, 5)      //
	look(44, 302, 1, 0)      // the clock went back
	look(50, 10, 10, 0)      // another life
	look(3600, 20, 20, 3550) // one stuck item keeps its age
}

func TestAges_longStall(t *testing.T) {
	var a Ages
	for i := range 5000 {
		got := a.Oldest("q", int64(10+i), int64(10+i), noon.Add(time.Duration(i)*5*time.Second))
		if want := Age(time.Duration(i) * 5 * time.Second); got != want {
			t.Fatalf("look %d: got %v, want %v", i, time.Duration(got), time.Duration(want))
		}
		if n := len(a.queues["q"]); n > maxMarks {
			t.Fatalf("%d marks", n)
		}
	}
	if !slices.IsSortedFunc(a.queues["q"], func(x, y mark) int { return x.at.Compare(y.at) }) {
		t.Error("the marks are out of order")
	}
}
