package outbox

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
)

func check(t *testing.T, what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func TestOrder(t *testing.T) {
	s, q := openMem(t, Options{})
	mustPut(t, q, 1, "a")
	mustPut(t, q, 0, "b", "c")
	mustPut(t, q, 1, "d")
	mustPut(t, q, 5, "e")
	check(t, "all", bodies(t, q, 10), []string{"a", "b", "c", "d", "e"})
	check(t, "again", bodies(t, q, 3), []string{"a", "b", "c"})
	check(t, "kind 1", bodies(t, q, 10, 1), []string{"a", "d"})
	check(t, "kinds 0, 5", bodies(t, q, 10, 0, 5), []string{"b", "c", "e"})
	mustAck(t, q, take(t, q, 1, 0))
	check(t, "after the ack of b", bodies(t, q, 10), []string{"a", "c", "d", "e"})
	mustAck(t, q, take(t, q, 10)[:2])
	check(t, "after the ack of a, c", bodies(t, q, 10), []string{"d", "e"})
	mustAck(t, q, take(t, q, 10))
	check(t, "empty", bodies(t, q, 10), []string(nil))
	mustSync(t, s)
	st := stats(t, q)
	check(t, "counts", st.Counts, Counts{Received: 5, Stored: 5, Acknowledged: 5})
	if st.Items != 0 || st.Bytes != 0 || !st.Oldest.IsZero() {
		t.Errorf("empty queue: %+v", st)
	}
	audit(t, s)
}

func TestTake_limits(t *testing.T) {
	_, q := openMem(t, Options{})
	mustPut(t, q, 1, strings.Repeat("x", 100), "b", "c")
	items, err := q.Take(10, 50)
	if err != nil || len(items) != 1 {
		t.Errorf("an item larger than the limit: %d, %v", len(items), err)
	}
	if items, err = q.Take(10, 101); err != nil || len(items) != 2 {
		t.Errorf("up to the limit: %d, %v", len(items), err)
	}
	if items, err = q.Take(0, 101); err != nil || len(items) != 0 {
		t.Errorf("no items: %d, %v", len(items), err)
	}
}

func TestAck_order(t *testing.T) {
	s, q := openMem(t, Options{})
	mustPut(t, q, 1, "a", "b", "c", "d")
	items := take(t, q, 3)
	for _, wrong := range [][]Taken{items[1:], {items[0], items[2]}, {{Item: Item{Kind: 1}, Seq: 4}}, {{Item: Item{Kind: 9}, Seq: 1}}} {
		if err := q.Ack(wrong); !errors.Is(err, ErrOrder) {
			t.Errorf("%v: %v", wrong, err)
		}
	}
	mustAck(t, q, items[:1])
	mustAck(t, q, items) // the first one is ignored
	mustAck(t, q, items)
	mustAck(t, q, nil)
	check(t, "left", bodies(t, q, 10), []string{"d"})
	if err := q.Discard(take(t, q, 1)); err != nil {
		t.Error(err)
	}
	mustSync(t, s)
	check(t, "counts", stats(t, q).Counts, Counts{Received: 4, Stored: 4, Acknowledged: 3, Discarded: 1})
	audit(t, s)
}

// TestRestart: order, contents, keys and counters are there again.
func TestRestart(t *testing.T) {
	fs := vfs.NewMem()
	clock := newTestClock()
	opts := Options{FS: fs, Clock: clock.Now}
	s, err := Open("outbox", opts)
	if err != nil {
		t.Fatal(err)
	}
	q := openQueue(t, s, "mom")
	openQueue(t, s, "other")
	for _, b := range seq(0, 100) {
		if o := putOne(q, 1, "k"+b, b); o != (Outcome{}) {
			t.Fatal(o)
		}
	}
	mustAck(t, q, take(t, q, 40))
	if o := putOne(q, 1, "k00003", "again"); !o.Duplicate {
		t.Errorf("key of an acknowledged item: %+v", o)
	}
	if o := putOne(q, 1, "k00050", "again"); !o.Duplicate {
		t.Errorf("key of a waiting item: %+v", o)
	}
	before := stats(t, q)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	clock.add(time.Hour)
	s = openTest(t, "outbox", opts)
	var names []string
	for _, q := range s.Queues() {
		names = append(names, q.Name())
	}
	check(t, "queues", names, []string{"mom", "other"})
	q = openQueue(t, s, "mom")
	check(t, "stats", stats(t, q), before)
	check(t, "waiting", bodies(t, q, 1000), seq(40, 60))
	select {
	case <-q.Wake():
	default:
		t.Error("no token for what waits after Open")
	}
	for _, key := range []string{"k00003", "k00050"} {
		if o := putOne(q, 1, key, "again"); !o.Duplicate {
			t.Errorf("%s after the restart: %+v", key, o)
		}
	}
	if o := putOne(openQueue(t, s, "other"), 1, "k00003", "x"); o != (Outcome{}) {
		t.Errorf("the same key in another queue: %+v", o)
	}
	mustPut(t, q, 1, "new")
	check(t, "end", bodies(t, q, 1000)[59:], []string{"00099", "new"})
	audit(t, s)
}

func TestUnit(t *testing.T) {
	s, q := openMem(t, Options{MaxBytes: 1000})
	other := openQueue(t, s, "other")
	got := make(chan []Outcome, 1)
	s.Commit(Unit{
		Entries: []Entry{
			{q, Item{Key: "k", Body: []byte("1")}},
			{other, Item{Key: "k", Body: []byte("1")}},
			{q, Item{Key: "k", Body: []byte("2")}},
			{q, Item{Kind: MaxKinds}},
			{q, Item{Key: strings.Repeat("k", MaxKey+1)}},
			{q, Item{Body: make([]byte, 1000)}},
		},
		Facts: []Fact{{Key: "f", Value: []byte("v")}},
	}, func(out []Outcome) { got <- out })
	out := <-got
	check(t, "stored", out[:3], []Outcome{{}, {}, {Duplicate: true}})
	for _, o := range out[3:] {
		if !errors.Is(o.Err, ErrItem) {
			t.Errorf("not acceptable: %+v", o)
		}
	}
	check(t, "counts", stats(t, q).Counts, Counts{Received: 5, Stored: 1, Duplicates: 1, Refused: 3})
	if v, ok, err := s.Fact("f"); string(v) != "v" || !ok || err != nil {
		t.Errorf("fact: %q %v %v", v, ok, err)
	}
	audit(t, s)
	foreign, _ := openMem(t, Options{})
	if o := put(foreign, Entry{q, Item{}}); !errors.Is(o[0].Err, ErrItem) {
		t.Errorf("queue of another store: %+v", o)
	}
}

func TestWake(t *testing.T) {
	_, q := openMem(t, Options{})
	select {
	case <-q.Wake():
		t.Error("token for an empty queue")
	default:
	}
	mustPut(t, q, 1, "a", "b")
	<-q.Wake()
	select {
	case <-q.Wake():
		t.Error("two tokens")
	default:
	}
}

func TestDrop(t *testing.T) {
	s, q := openMem(t, Options{})
	if o := putOne(q, 1, "k", "a"); o != (Outcome{}) {
		t.Fatal(o)
	}
	items := take(t, q, 1)
	for range 2 {
		if err := s.Drop("mom"); err != nil {
			t.Fatal(err)
		}
	}
	check(t, "queues", len(s.Queues()), 0)
	if _, err := q.Take(1, 1); !errors.Is(err, ErrGone) {
		t.Errorf("take: %v", err)
	}
	if err := q.Ack(items); !errors.Is(err, ErrGone) {
		t.Errorf("ack: %v", err)
	}
	if o := putOne(q, 1, "k2", "a"); !errors.Is(o.Err, ErrGone) {
		t.Errorf("put: %+v", o)
	}
	again := openQueue(t, s, "mom")
	if o := putOne(again, 1, "k", "b"); o != (Outcome{}) {
		t.Errorf("key of the dropped queue: %+v", o)
	}
	check(t, "waiting", bodies(t, again, 10), []string{"b"})
	audit(t, s)
	for _, name := range []string{"", strings.Repeat("n", MaxName+1)} {
		if _, err := s.Queue(name); err == nil {
			t.Errorf("queue with a name of %d bytes", len(name))
		}
	}
}

func TestClosed(t *testing.T) {
	s, q := openMem(t, Options{})
	mustPut(t, q, 1, "a")
	items := take(t, q, 1)
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if o := putOne(q, 1, "", "b"); !errors.Is(o.Err, ErrClosed) {
		t.Errorf("put: %+v", o)
	}
	_, takeErr := q.Take(1, 1)
	_, _, factErr := s.Fact("f")
	_, statsErr := q.Stats()
	_, queueErr := s.Queue("new")
	for name, err := range map[string]error{
		"take": takeErr, "fact": factErr, "stats": statsErr, "queue": queueErr, "ack": q.Ack(items), "sync": s.Sync(),
		"set fact": s.SetFact("a", nil), "facts": s.Facts("", nil), "expire": s.Expire(), "drop": s.Drop("x"), "audit": q.Audit(),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOpen_refuses(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, Options{})
	if two, err := Open(dir, Options{}); err == nil {
		t.Error("two stores in one directory")
		_ = two.Close()
	}
	if err := s.do(func(g *group) error { return g.batch.Set([]byte(formatKey), []byte("2"), nil) }, true); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{}); !errors.Is(err, ErrFormat) {
		t.Errorf("a later format: %v", err)
	}
}

// TestBackPressure: with a full input Put waits, and goes on.
func TestBackPressure(t *testing.T) {
	s, q := openMem(t, Options{InputEntries: 3})
	release := hold(t, s)
	defer release()
	done := make(chan []Outcome, 10)
	returned := make(chan int, 10)
	go func() {
		for i := range 5 {
			s.Put([]Entry{{q, Item{Body: []byte{byte(i)}}}}, func(out []Outcome) { done <- out })
			returned <- i
		}
	}()
	eventually(t, "a caller waits", func() bool { _, blocked := s.input.Depth(); return blocked > 0 })
	if n := len(returned); n != 3 {
		t.Errorf("%d puts returned, want 3", n)
	}
	release()
	for range 5 {
		if out := <-done; out[0] != (Outcome{}) {
			t.Error(out)
		}
	}
}

func TestStats_kinds(t *testing.T) {
	clock := newTestClock()
	_, q := openMem(t, Options{Clock: clock.Now})
	first := clock.Now()
	mustPut(t, q, 3, "abc")
	clock.add(time.Minute)
	mustPut(t, q, 0, "x")
	st := stats(t, q)
	check(t, "kinds", st.Kinds, [MaxKinds]LaneSize{0: {1, ItemOverhead + 1}, 3: {1, ItemOverhead + 3}})
	check(t, "oldest", st.Oldest, first)
	if err := q.Balance(); err != nil {
		t.Error(err)
	}
	if got := fmt.Sprint(q.s.State().State); got != "ok" {
		t.Errorf("state %s", got)
	}
}
