package jobcache

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/google/go-cmp/cmp"
)

func jobIDs(t testing.TB, s *Store) (jids []string) {
	t.Helper()
	if err := s.Jobs(time.Time{}, time.Time{}, func(j Job) error {
		jids = append(jids, j.JID)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return jids
}

func TestExpire_byReceiveTime(t *testing.T) {
	clock, ctx := newTestClock(), context.Background()
	s := openTest(t, t.TempDir(), Options{Clock: clock.Now, Keep: 24 * time.Hour})
	// The ids lie about their age in both directions.
	for _, jid := range []string{"20991231000000000000", "prolonged", "syndic"} {
		if err := s.SaveLoad(ctx, Job{JID: jid, Load: []byte("x"), Minions: []string{"m1"}}); err != nil {
			t.Fatal(err)
		}
		if o := save(s, jid, "m1", "x"); o != (Outcome{}) {
			t.Fatal(o)
		}
	}
	clock.add(23 * time.Hour)
	if o := save(s, "prolonged", "m2", "x"); o != (Outcome{}) {
		t.Fatal(o)
	}
	if err := s.AddMinions(ctx, "syndic", "syn1", []string{"s1"}); err != nil {
		t.Fatal(err)
	}
	if o := save(s, "20000101000000000000", "m1", "x"); o != (Outcome{}) {
		t.Fatal(o)
	}
	steps := []struct {
		after   time.Duration
		dropped int
		left    []string
	}{
		{time.Hour, 0, []string{"20991231000000000000", "prolonged", "syndic", "20000101000000000000"}}, // 24 h: not yet older
		{time.Nanosecond, 1, []string{"prolonged", "syndic", "20000101000000000000"}},
		{0, 0, []string{"prolonged", "syndic", "20000101000000000000"}},
		{24 * time.Hour, 3, nil},
		{24 * time.Hour, 0, nil},
	}
	for i, st := range steps {
		n, err := s.Expire(clock.add(st.after))
		if err != nil || n != st.dropped {
			t.Fatalf("step %d: dropped %d, %v; want %d", i, n, err, st.dropped)
		}
		if d := cmp.Diff(st.left, jobIDs(t, s)); d != "" {
			t.Fatalf("step %d: %s", i, d)
		}
	}
	for _, jid := range []string{"20991231000000000000", "prolonged", "syndic"} {
		if _, ok, err := s.Job(jid); ok || err != nil {
			t.Errorf("%s is still there: %v", jid, err)
		}
		if n := len(returnsOf(t, s, jid)); n != 0 {
			t.Errorf("%s still has %d returns", jid, n)
		}
	}
	if st := s.Stats(); st.JobsExpired != 4 {
		t.Errorf("stats: %+v", st)
	}
	// An id may be used again: nothing of the old job shows.
	if o := save(s, "prolonged", "m1", "new"); o != (Outcome{}) {
		t.Errorf("after expiry: %+v", o)
	}
	if d := cmp.Diff([]string{"prolonged"}, jobIDs(t, s)); d != "" {
		t.Error(d)
	}
}

func TestExpire_keepZeroKeepsForEver(t *testing.T) {
	clock := newTestClock()
	s := openTest(t, t.TempDir(), Options{Clock: clock.Now})
	save(s, testJID, "m1", "x")
	if n, err := s.Expire(clock.add(1e6 * time.Hour)); n != 0 || err != nil {
		t.Errorf("%d %v", n, err)
	}
}

// TestExpire_writeInBetween: a job that is written to between the look at its age and its deletion stays.
func TestExpire_writeInBetween(t *testing.T) {
	clock := newTestClock()
	s := openTest(t, t.TempDir(), Options{Clock: clock.Now, Keep: time.Hour})
	save(s, testJID, "m1", "x")
	now := clock.add(2 * time.Hour)
	due, err := s.due(now.Add(-time.Hour), expireChunk)
	if err != nil || len(due) != 1 {
		t.Fatalf("due: %v %v", due, err)
	}
	ctx := context.Background()
	if err := s.do(ctx, 0, func(g *group) error { g.expiring[testJID] = struct{}{}; return nil }); err != nil {
		t.Fatal(err)
	}
	if err := s.lookAge(&due[0]); err != nil {
		t.Fatal(err)
	}
	if o := save(s, testJID, "m2", "late"); o != (Outcome{}) {
		t.Fatal(o)
	}
	if err := s.do(ctx, 0, func(g *group) error { _, err := g.drop(due, now.Add(-time.Hour)); return err }); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[string]string{"m1": "x", "m2": "late"}, returnsOf(t, s, testJID)); d != "" {
		t.Error(d)
	}
	if n, err := s.Expire(clock.add(2 * time.Hour)); n != 1 || err != nil {
		t.Errorf("later: %d %v", n, err)
	}
}

// TestExpire_returnInTheSameGroup: after the deletion, in the same group, the id is a new job.
func TestExpire_returnInTheSameGroup(t *testing.T) {
	clock := newTestClock()
	s := openTest(t, t.TempDir(), Options{Clock: clock.Now, Keep: time.Hour})
	save(s, testJID, "m1", "old")
	save(s, testJID, "m2", "old")
	now := clock.add(2 * time.Hour)
	due, err := s.due(now.Add(-time.Hour), expireChunk)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.lookAge(&due[0]); err != nil {
		t.Fatal(err)
	}
	release := hold(t, s)
	defer release()
	dropped := make(chan error, 1)
	w := write{apply: func(g *group) error {
		g.expiring[testJID] = struct{}{}
		_, err := g.drop(due, now.Add(-time.Hour))
		return err
	}, doneErr: func(err error) { dropped <- err }}
	if err := s.queue.Put(context.Background(), w); err != nil {
		t.Fatal(err)
	}
	got := make(chan Outcome, 1)
	s.SaveReturn(Return{JID: testJID, MinionID: "m1", Body: []byte("new")}, func(o Outcome) { got <- o })
	release()
	if err := <-dropped; err != nil {
		t.Fatal(err)
	}
	if o := <-got; o != (Outcome{}) {
		t.Errorf("%+v", o)
	}
	if d := cmp.Diff(map[string]string{"m1": "new"}, returnsOf(t, s, testJID)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{testJID}, jobIDs(t, s)); d != "" {
		t.Error(d)
	}
}

func TestExpire_givesSpaceBack(t *testing.T) {
	clock := newTestClock()
	s := openTest(t, t.TempDir(), Options{Clock: clock.Now, Keep: time.Hour, MemTable: 256 << 10, flushDelay: 10 * time.Millisecond})
	var wg sync.WaitGroup
	rng := rand.New(rand.NewPCG(1, 2)) // random bytes do not compress
	const n = 4000
	wg.Add(n)
	for i := range n {
		body := make([]byte, 1000)
		for k := range body {
			body[k] = byte(rng.Uint32())
		}
		s.SaveReturn(Return{JID: fmt.Sprintf("job-%d", i%250), MinionID: minionName(i), Body: body}, func(Outcome) { wg.Done() })
	}
	wg.Wait()
	eventually(t, "the data is on disk", func() bool { return s.Stats().TableBytes > 1<<20 })
	before := s.Stats().TableBytes
	if got, err := s.Expire(clock.add(2 * time.Hour)); got != 250 || err != nil {
		t.Fatalf("%d %v", got, err)
	}
	eventually(t, "less than half of the space is in use", func() bool { return s.Stats().TableBytes < before/2 })
}

func TestExpire_besideReturns(t *testing.T) {
	s := openTest(t, t.TempDir(), Options{Keep: time.Nanosecond})
	var writers, cleaner sync.WaitGroup
	stop := make(chan struct{})
	cleaner.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := s.Expire(time.Now()); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for w := range 2 {
		writers.Go(func() {
			for i := range 300 {
				if o := save(s, fmt.Sprintf("job-%d", i%7), minionName(w*1000+i), "x"); o.Err != nil {
					t.Error(o.Err)
				}
				_ = jobIDs(t, s)
			}
		})
	}
	writers.Wait()
	close(stop)
	cleaner.Wait()
	if _, err := s.Expire(time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	// No record may have lost its place in the index and stay for ever.
	rows := 0
	for _, prefix := range []string{prefixJob, prefixArrival, prefixAlive} {
		lower, upper := prefixBounds(prefix)
		if err := s.scan(lower, upper, func(*pebble.Iterator) error { rows++; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if rows != 0 {
		t.Errorf("%d rows left", rows)
	}
}
