package jobcache

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
)

const testJID = "20261120134616184545"

func TestStore_jobAndReturnsSurviveReopening(t *testing.T) {
	dir, clock, ctx := t.TempDir(), newTestClock(), context.Background()
	s := openTest(t, dir, Options{Clock: clock.Now})
	want := Job{
		JID: testJID, Load: []byte("\x81load"), Minions: []string{"m2", "m1"}, Missing: []string{"ghost"},
		Received: clock.Now(), Syndics: map[string][]string{"syn1": {"s1", "m1"}, "syn2": nil},
		EndTime: "2026, Nov 20 13:46:16.308278",
	}
	if err := s.SaveLoad(ctx, want); err != nil {
		t.Fatal(err)
	}
	clock.add(time.Second)
	for syndic, ids := range want.Syndics {
		if err := s.AddMinions(ctx, testJID, syndic, ids); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.SetEndTime(ctx, testJID, want.EndTime); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"m1", "m2"} {
		if o := save(s, testJID, id, "body of "+id); o != (Outcome{}) {
			t.Fatalf("%s: %+v", id, o)
		}
	}
	check := func(s *Store) {
		t.Helper()
		got, ok, err := s.Job(testJID)
		if err != nil || !ok {
			t.Fatalf("Job: %v %v", ok, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff([]string{"m1", "m2", "s1"}, got.AllMinions()); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff(map[string]string{"m1": "body of m1", "m2": "body of m2"}, returnsOf(t, s, testJID)); d != "" {
			t.Error(d)
		}
		r, ok, err := s.Return(testJID, "m2")
		if err != nil || !ok || string(r.Body) != "body of m2" || !r.Received.Equal(clock.Now()) {
			t.Errorf("Return: %+v %v %v", r, ok, err)
		}
		if _, ok, err := s.Return(testJID, "m3"); ok || err != nil {
			t.Errorf("Return of nobody: %v %v", ok, err)
		}
	}
	check(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := openTest(t, dir, Options{Clock: clock.Now})
	check(again)
	if o := save(again, testJID, "m1", "other"); !o.Duplicate {
		t.Errorf("duplicate after reopening: %+v", o)
	}
	check(again)
}

func TestStore_duplicatesKeepTheFirst(t *testing.T) {
	s := openTest(t, t.TempDir(), Options{})
	release := hold(t, s)
	defer release()
	got := make(chan Outcome, 3)
	for _, body := range []string{"first", "second", "third"} {
		s.SaveReturn(Return{JID: testJID, MinionID: "m1", Body: []byte(body)}, func(o Outcome) { got <- o })
	}
	release()
	for i, want := range []bool{false, true, true} {
		if o := <-got; o.Duplicate != want || o.Err != nil {
			t.Errorf("return %d in one group: %+v", i, o)
		}
	}
	if o := save(s, testJID, "m1", "later"); !o.Duplicate {
		t.Errorf("in a later group: %+v", o)
	}
	out := saveUnit(s,
		Return{JID: testJID, MinionID: "m1", Body: []byte("x")},
		Return{JID: testJID, MinionID: "m2", Body: []byte("m2 first")},
		Return{JID: testJID, MinionID: "m2", Body: []byte("m2 second")})
	if d := cmp.Diff([]Outcome{{Duplicate: true}, {}, {Duplicate: true}}, out); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(map[string]string{"m1": "first", "m2": "m2 first"}, returnsOf(t, s, testJID)); d != "" {
		t.Error(d)
	}
	st := s.Stats()
	if st.ReturnsStored != 2 || st.ReturnsDuplicate != 5 {
		t.Errorf("stats: %+v", st)
	}
}

func TestStore_returnOfUnknownJobMakesItKnown(t *testing.T) {
	s, ctx := openTest(t, t.TempDir(), Options{}), context.Background()
	if _, ok, err := s.Job("myjid"); ok || err != nil {
		t.Fatalf("before: %v %v", ok, err)
	}
	if o := save(s, "myjid", "m1", "x"); o != (Outcome{}) {
		t.Fatal(o)
	}
	j, ok, err := s.Job("myjid")
	if err != nil || !ok || j.Load != nil {
		t.Fatalf("after the return: %+v %v %v", j, ok, err)
	}
	for i, want := range []bool{true, false} {
		stored, err := s.SaveLoadIfAbsent(ctx, Job{JID: "myjid", Load: []byte("from return")})
		if err != nil || stored != want {
			t.Fatalf("SaveLoadIfAbsent %d: %v %v", i, stored, err)
		}
	}
	received := j.Received
	if err := s.SaveLoad(ctx, Job{JID: "myjid", Load: []byte("again")}); err != nil {
		t.Fatal(err)
	}
	j, _, err = s.Job("myjid")
	if err != nil || string(j.Load) != "again" || !j.Received.Equal(received) {
		t.Fatalf("after the load: %+v %v", j, err)
	}
	if d := cmp.Diff(map[string]string{"m1": "x"}, returnsOf(t, s, "myjid")); d != "" {
		t.Error(d)
	}
}

func TestStore_noCacheJobTakesNoReturns(t *testing.T) {
	s := openTest(t, t.TempDir(), Options{})
	if err := s.SaveLoad(context.Background(), Job{JID: testJID, NoCache: true}); err != nil {
		t.Fatal(err)
	}
	if o := save(s, testJID, "m1", "x"); !o.Skipped || o.Err != nil {
		t.Errorf("%+v", o)
	}
	if n := len(returnsOf(t, s, testJID)); n != 0 {
		t.Errorf("%d returns", n)
	}
}

func TestStore_listings(t *testing.T) {
	clock := newTestClock()
	s := openTest(t, t.TempDir(), Options{Clock: clock.Now})
	start := clock.Now()
	arrival := []string{"20991231000000000000", "myjid", "20000101000000000000", "20261120134616184545"}
	for _, jid := range arrival {
		if err := s.SaveLoad(context.Background(), Job{JID: jid, Load: []byte(jid)}); err != nil {
			t.Fatal(err)
		}
		clock.add(time.Minute)
	}
	collect := func(list func(func(Job) error) error) (jids []string) {
		t.Helper()
		err := list(func(j Job) error {
			if string(j.Load) != j.JID {
				t.Errorf("load of %s: %q", j.JID, j.Load)
			}
			jids = append(jids, j.JID)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return jids
	}
	cases := []struct {
		name string
		list func(func(Job) error) error
		want []string
	}{
		{"all", func(fn func(Job) error) error { return s.Jobs(time.Time{}, time.Time{}, fn) }, arrival},
		{"from is inclusive", func(fn func(Job) error) error { return s.Jobs(start.Add(2*time.Minute), time.Time{}, fn) }, arrival[2:]},
		{"to is exclusive", func(fn func(Job) error) error { return s.Jobs(start, start.Add(2*time.Minute), fn) }, arrival[:2]},
		{"newest", func(fn func(Job) error) error { return s.Newest(2, fn) }, []string{arrival[3], arrival[2]}},
		{"newest of fewer", func(fn func(Job) error) error { return s.Newest(9, fn) }, []string{arrival[3], arrival[2], arrival[1], arrival[0]}},
		{"newest of none", func(fn func(Job) error) error { return s.Newest(0, fn) }, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if d := cmp.Diff(c.want, collect(c.list)); d != "" {
				t.Error(d)
			}
		})
	}
	n := 0
	if err := s.Jobs(time.Time{}, time.Time{}, func(Job) error { n++; return ErrStop }); err != nil || n != 1 {
		t.Errorf("ErrStop: %d %v", n, err)
	}
	boom := errors.New("boom")
	if err := s.Newest(3, func(Job) error { return boom }); !errors.Is(err, boom) {
		t.Errorf("callback's error: %v", err)
	}
}

func TestStore_refusesNames(t *testing.T) {
	s, ctx := openTest(t, t.TempDir(), Options{}), context.Background()
	for name, bad := range map[string]string{"empty": "", "zero byte": "a\x00b", "long": strings.Repeat("x", MaxName+1)} {
		t.Run(name, func(t *testing.T) {
			if err := s.SaveLoad(ctx, Job{JID: bad}); !errors.Is(err, ErrJID) {
				t.Errorf("SaveLoad: %v", err)
			}
			if err := s.AddMinions(ctx, testJID, bad, nil); !errors.Is(err, ErrName) {
				t.Errorf("AddMinions: %v", err)
			}
			if err := s.SetEndTime(ctx, bad, "x"); !errors.Is(err, ErrJID) {
				t.Errorf("SetEndTime: %v", err)
			}
			if o := save(s, bad, "m1", "x"); !errors.Is(o.Err, ErrJID) {
				t.Errorf("SaveReturn jid: %+v", o)
			}
			if o := save(s, testJID, bad, "x"); !errors.Is(o.Err, ErrName) {
				t.Errorf("SaveReturn id: %+v", o)
			}
			out := saveUnit(s, Return{JID: testJID, MinionID: "m1"}, Return{JID: testJID, MinionID: bad})
			if len(out) != 2 || !errors.Is(out[0].Err, ErrName) || !errors.Is(out[1].Err, ErrName) {
				t.Errorf("SaveReturns: %+v", out)
			}
			if _, _, err := s.Job(bad); !errors.Is(err, ErrJID) {
				t.Errorf("Job: %v", err)
			}
			if err := s.Returns(bad, nil); !errors.Is(err, ErrJID) {
				t.Errorf("Returns: %v", err)
			}
		})
	}
	if _, ok, err := s.Job(testJID); ok || err != nil {
		t.Errorf("a refused write left something: %v %v", ok, err)
	}
	for _, odd := range []string{"a/b", "ä\xff", strings.Repeat("x", MaxName), " ", "a\x01"} {
		if o := save(s, odd, odd, "x"); o != (Outcome{}) {
			t.Errorf("%q: %+v", odd, o)
		}
		if d := cmp.Diff(map[string]string{odd: "x"}, returnsOf(t, s, odd)); d != "" {
			t.Error(d)
		}
	}
}

func TestStore_jobsDoNotMix(t *testing.T) {
	s := openTest(t, t.TempDir(), Options{})
	for _, jid := range []string{"1", "10", "1\x01", "1/r"} {
		if o := save(s, jid, "m", jid); o != (Outcome{}) {
			t.Fatalf("%q: %+v", jid, o)
		}
	}
	for _, jid := range []string{"1", "10", "1\x01", "1/r"} {
		if d := cmp.Diff(map[string]string{"m": jid}, returnsOf(t, s, jid)); d != "" {
			t.Errorf("%q: %s", jid, d)
		}
	}
}

func TestStore_closed(t *testing.T) {
	s := openTest(t, t.TempDir(), Options{})
	release := hold(t, s)
	got := make(chan Outcome, 1)
	s.SaveReturn(Return{JID: testJID, MinionID: "m1"}, func(o Outcome) { got <- o })
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	eventually(t, "queue closes", func() bool { return s.queue.Closed() != nil })
	release()
	if o := <-got; o != (Outcome{}) {
		t.Errorf("queued before Close: %+v", o)
	}
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	if o := save(s, testJID, "m2", ""); !errors.Is(o.Err, ErrClosed) {
		t.Errorf("SaveReturn: %+v", o)
	}
	if o := saveUnit(s, Return{JID: testJID, MinionID: "m2"}); !errors.Is(o[0].Err, ErrClosed) {
		t.Errorf("SaveReturns: %+v", o)
	}
	if err := s.SaveLoad(context.Background(), Job{JID: testJID}); !errors.Is(err, ErrClosed) {
		t.Errorf("SaveLoad: %v", err)
	}
	if _, _, err := s.Job(testJID); !errors.Is(err, ErrClosed) {
		t.Errorf("Job: %v", err)
	}
	if err := s.Newest(1, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("Newest: %v", err)
	}
	if st := s.Stats(); st.ReturnsStored != 1 {
		t.Errorf("Stats: %+v", st)
	}
}

func TestOpen_oneAtATime(t *testing.T) {
	dir := t.TempDir()
	openTest(t, dir, Options{})
	if s, err := Open(dir, Options{}); err == nil {
		_ = s.Close()
		t.Fatal("opened twice")
	}
}

func TestOpen_unknownFormat(t *testing.T) {
	fs := vfs.NewMem()
	db, err := pebble.Open("d", &pebble.Options{FS: fs, FormatMajorVersion: pebble.FormatNewest, Logger: newEngineLog(discard())})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Set([]byte(formatKey), []byte("2"), pebble.Sync), db.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := Open("d", Options{FS: fs}); !errors.Is(err, ErrFormat) {
		t.Fatalf("got %v", err)
	}
}

func TestStore_usesNewestEngineFormat(t *testing.T) {
	s := openTest(t, "d", Options{FS: vfs.NewMem()})
	if got := s.Stats().FormatMajor; got != int(pebble.FormatNewest) {
		t.Errorf("format %d, want %d", got, pebble.FormatNewest)
	}
}

func TestStore_largeBody(t *testing.T) {
	s := openTest(t, t.TempDir(), Options{QueueBytes: 1 << 10})
	body := strings.Repeat("x", 20<<20) // more than a memtable, a group and the queue
	if o := save(s, testJID, "m1", body); o != (Outcome{}) {
		t.Fatal(o)
	}
	if got := returnsOf(t, s, testJID)["m1"]; got != body {
		t.Errorf("%d bytes came back", len(got))
	}
}
