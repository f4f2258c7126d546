package jobcache

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"
)

// openTest opens a store that is closed with the test.
func openTest(t testing.TB, dir string, opts Options) *Store {
	t.Helper()
	s, err := Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// save stores one return and waits for its outcome.
func save(s *Store, jid, minionID, body string) Outcome {
	got := make(chan Outcome, 1)
	s.SaveReturn(Return{JID: jid, MinionID: minionID, Body: []byte(body)}, func(o Outcome) { got <- o })
	return <-got
}

func saveUnit(s *Store, batch ...Return) []Outcome {
	got := make(chan []Outcome, 1)
	s.SaveReturns(batch, func(o []Outcome) { got <- o })
	return <-got
}

// hold makes the committer wait until the returned function is called, so that what is queued meanwhile
// lands in one group.
func hold(t testing.TB, s *Store) (release func()) {
	t.Helper()
	entered, gate := make(chan struct{}), make(chan struct{})
	finished := make(chan error, 1)
	go func() {
		finished <- s.do(context.Background(), 0, func(*group) error {
			close(entered)
			<-gate
			return nil
		})
	}()
	<-entered
	return sync.OnceFunc(func() {
		close(gate)
		if err := <-finished; err != nil {
			t.Error(err)
		}
	})
}

// eventually polls cond until it is true.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("did not happen in 20 s: %s", what)
		}
		time.Sleep(time.Millisecond) // between two polls
	}
}

// returnsOf reads all returns of a job as text.
func returnsOf(t testing.TB, s *Store, jid string) map[string]string {
	t.Helper()
	m := map[string]string{}
	err := s.Returns(jid, func(r Return) error {
		m[r.MinionID] = string(r.Body)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// testClock is a clock that is set by hand.
type testClock struct {
	mu  sync.Mutex
	now time.Time
}

func newTestClock() *testClock {
	return &testClock{now: time.Date(2026, 11, 20, 13, 0, 0, 0, time.UTC)}
}

func (c *testClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *testClock) add(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return c.now
}

func minionName(i int) string { return fmt.Sprintf("minion-%05d", i) }
