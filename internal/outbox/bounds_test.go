package outbox

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestFull_lowestKindFirst(t *testing.T) {
	s, q := openMem(t, Options{MaxItems: 4})
	mustPut(t, q, 2, "r1")
	mustPut(t, q, 1, "e1", "e2")
	mustPut(t, q, 2, "r2")
	if o := putOne(q, 2, "", "r3"); o != (Outcome{Dropped: 1}) {
		t.Errorf("a return: %+v", o)
	}
	check(t, "e1 goes", bodies(t, q, 10, 1, 2)[0:1], []string{"r1"})
	audit(t, s)
}

func TestFull_eventNeverDisplacesReturn(t *testing.T) {
	s, q := openMem(t, Options{MaxItems: 3})
	mustPut(t, q, 2, "r1", "r2", "r3")
	if o := putOne(q, 1, "", "e"); !errors.Is(o.Err, ErrFull) {
		t.Errorf("an event: %+v", o)
	}
	if o := putOne(q, 2, "", "r4"); o != (Outcome{Dropped: 1}) {
		t.Errorf("a return: %+v", o)
	}
	check(t, "waiting", bodies(t, q, 10), []string{"r2", "r3", "r4"})
	check(t, "counts", stats(t, q).Counts, Counts{Received: 5, Stored: 4, Refused: 1, DroppedFull: 1})
	audit(t, s)
}

func TestFull_heldStays(t *testing.T) {
	s, q := openMem(t, Options{MaxItems: 5})
	mustPut(t, q, 1, seq(0, 5)...)
	held := take(t, q, 2)
	for _, b := range seq(5, 3) {
		if o := putOne(q, 1, "", b); o != (Outcome{Dropped: 1}) {
			t.Errorf("put %s: %+v", b, o)
		}
	}
	check(t, "waiting", bodies(t, q, 10), []string{"00000", "00001", "00005", "00006", "00007"})
	// Now all of it is handed out.
	if o := putOne(q, 1, "", "x"); !errors.Is(o.Err, ErrFull) {
		t.Errorf("everything is held: %+v", o)
	}
	mustAck(t, q, held)
	mustSync(t, s)
	mustPut(t, q, 1, "y", "z")
	check(t, "waiting", bodies(t, q, 10), []string{"00005", "00006", "00007", "y", "z"})
	audit(t, s)
}

// TestFull_group: one unit larger than the queue, and many units in one group.
func TestFull_group(t *testing.T) {
	s, q := openMem(t, Options{MaxItems: 10})
	mustPut(t, q, 0, "old")
	var unit []Entry
	for _, b := range seq(0, 25) {
		unit = append(unit, Entry{q, Item{Kind: 1, Key: b, Body: []byte(b)}})
	}
	put(s, unit...)
	check(t, "the newest stay", bodies(t, q, 20), seq(15, 10))
	release := hold(t, s)
	done := make(chan []Outcome, 30)
	for _, b := range seq(25, 30) {
		s.Put([]Entry{{q, Item{Kind: 1, Key: b, Body: []byte(b)}}}, func(out []Outcome) { done <- out })
	}
	release()
	for range 30 {
		<-done
	}
	// The first ten were handed out above.
	check(t, "held", bodies(t, q, 20), seq(15, 10))
	mustAck(t, q, take(t, q, 10))
	mustSync(t, s)
	if o := putOne(q, 1, "00003", "was dropped"); o != (Outcome{}) {
		t.Errorf("the key of a dropped item: %+v", o)
	}
	if o := putOne(q, 1, "00020", "was acknowledged"); !o.Duplicate {
		t.Errorf("the key of an acknowledged item: %+v", o)
	}
	audit(t, s)
}

func TestFull_bytes(t *testing.T) {
	s, q := openMem(t, Options{MaxBytes: 1000})
	mustPut(t, q, 1, strings.Repeat("a", 300), strings.Repeat("b", 300))
	if o := putOne(q, 1, "", strings.Repeat("c", 900)); o != (Outcome{Dropped: 2}) {
		t.Errorf("large item: %+v", o)
	}
	if st := stats(t, q); st.Items != 1 || st.Bytes != 900+ItemOverhead {
		t.Errorf("%+v", st)
	}
	audit(t, s)
}

func TestAge(t *testing.T) {
	clock := newTestClock()
	s, q := openMem(t, Options{Clock: clock.Now, MaxAge: time.Hour})
	mustPut(t, q, 1, "held", "old")
	mustPut(t, q, 2, "old too")
	take(t, q, 1)
	clock.add(30 * time.Minute)
	mustPut(t, q, 1, "young")
	clock.add(31 * time.Minute)
	if err := s.Expire(); err != nil {
		t.Fatal(err)
	}
	check(t, "waiting", bodies(t, q, 10), []string{"held", "young"})
	check(t, "counts", stats(t, q).Counts, Counts{Received: 4, Stored: 4, DroppedAge: 2})
	audit(t, s)
}

func TestAge_many(t *testing.T) {
	clock := newTestClock()
	s, q := openMem(t, Options{Clock: clock.Now, MaxAge: time.Hour})
	var unit []Entry
	for _, b := range seq(0, 2*expireStep+10) {
		unit = append(unit, Entry{q, Item{Key: b}})
	}
	put(s, unit...)
	clock.add(2 * time.Hour)
	if err := s.Expire(); err != nil {
		t.Fatal(err)
	}
	if st := stats(t, q); st.Items != 0 || st.Keys != 0 {
		t.Errorf("%+v", st)
	}
	audit(t, s)
}

func TestKeys_byCount(t *testing.T) {
	s, q := openMem(t, Options{MaxKeys: 10})
	for _, b := range seq(0, 20) {
		if o := putOne(q, 1, b, b); o != (Outcome{}) {
			t.Fatal(o)
		}
	}
	if n := stats(t, q).Keys; n != 20 {
		t.Errorf("%d keys of waiting items, want 20", n)
	}
	mustAck(t, q, take(t, q, 15))
	mustSync(t, s)
	if n := stats(t, q).Keys; n != 10 {
		t.Errorf("%d keys, want 10", n)
	}
	if o := putOne(q, 1, "00010", "again"); !o.Duplicate {
		t.Errorf("a key that is remembered: %+v", o)
	}
	if o := putOne(q, 1, "00009", "again"); o != (Outcome{}) {
		t.Errorf("a key that is forgotten: %+v", o)
	}
	audit(t, s)
}

func TestKeys_byAge(t *testing.T) {
	clock := newTestClock()
	s, q := openMem(t, Options{Clock: clock.Now, MaxAge: -1})
	for _, b := range []string{"acked", "waits"} {
		putOne(q, 1, b, b)
	}
	mustAck(t, q, take(t, q, 1))
	clock.add(25 * time.Hour)
	if err := s.Expire(); err != nil {
		t.Fatal(err)
	}
	if o := putOne(q, 1, "waits", "again"); !o.Duplicate {
		t.Errorf("a key of a waiting item: %+v", o)
	}
	if o := putOne(q, 1, "acked", "again"); o != (Outcome{}) {
		t.Errorf("an old key: %+v", o)
	}
	audit(t, s)
}

// TestDropLog: losses are in the log, once a minute.
func TestDropLog(t *testing.T) {
	var text bytes.Buffer
	clock := newTestClock()
	s, q := openMem(t, Options{
		MaxItems: 1, Clock: clock.Now, tick: time.Hour,
		Log: slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	for range 10 {
		putOne(q, 1, "", "x")
	}
	clock.add(2 * time.Minute)
	putOne(q, 1, "", "x")
	mustSync(t, s)
	if n := strings.Count(text.String(), "lost to its bounds"); n != 2 {
		t.Errorf("%d lines, want 2:\n%s", n, text.String())
	}
	if !strings.Contains(text.String(), "dropped_full=9") {
		t.Errorf("second line does not sum up:\n%s", text.String())
	}
}

// TestSweep: giving space back touches nothing that waits.
func TestSweep(t *testing.T) {
	s, q := openMem(t, Options{})
	mustPut(t, q, 1, seq(0, 20)...)
	mustPut(t, q, 2, "r")
	for range 3 {
		mustAck(t, q, take(t, q, 4, 1))
		mustSync(t, s)
		if err := s.do(func(g *group) error { return g.sweep(s.Queues()) }, true); err != nil {
			t.Fatal(err)
		}
	}
	check(t, "waiting", bodies(t, q, 100), append(seq(12, 8), "r"))
	audit(t, s)
}
