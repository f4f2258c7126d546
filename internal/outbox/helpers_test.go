package outbox

import (
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		os.Exit(childMain(dir))
	}
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

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

// openMem opens a store in memory with one queue.
func openMem(t testing.TB, opts Options) (*Store, *Queue) {
	t.Helper()
	if opts.FS == nil {
		opts.FS = vfs.NewMem()
	}
	s := openTest(t, "outbox", opts)
	return s, openQueue(t, s, "mom")
}

func openQueue(t testing.TB, s *Store, name string) *Queue {
	t.Helper()
	q, err := s.Queue(name)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// put stores entries and waits for the outcomes.
func put(s *Store, entries ...Entry) []Outcome {
	got := make(chan []Outcome, 1)
	s.Put(entries, func(out []Outcome) { got <- out })
	return <-got
}

func putOne(q *Queue, kind uint8, key, body string) Outcome {
	return put(q.s, Entry{q, Item{Kind: kind, Key: key, Body: []byte(body)}})[0]
}

// mustPut stores one item without a key for each body.
func mustPut(t testing.TB, q *Queue, kind uint8, bodies ...string) {
	t.Helper()
	for _, b := range bodies {
		if o := putOne(q, kind, "", b); o != (Outcome{}) {
			t.Fatalf("put %q: %+v", b, o)
		}
	}
}

func take(t testing.TB, q *Queue, n int, kinds ...uint8) []Taken {
	t.Helper()
	items, err := q.Take(n, 1<<30, kinds...)
	if err != nil {
		t.Fatal(err)
	}
	return items
}

// bodies reads the first n bodies without removing them.
func bodies(t testing.TB, q *Queue, n int, kinds ...uint8) []string {
	t.Helper()
	var out []string
	for _, it := range take(t, q, n, kinds...) {
		out = append(out, string(it.Body))
	}
	return out
}

func mustAck(t testing.TB, q *Queue, items []Taken) {
	t.Helper()
	if err := q.Ack(items); err != nil {
		t.Fatal(err)
	}
}

func mustSync(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
}

func stats(t testing.TB, q *Queue) Stats {
	t.Helper()
	st, err := q.Stats()
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// audit checks the books of all queues.
func audit(t testing.TB, s *Store) {
	t.Helper()
	for _, q := range s.Queues() {
		if err := q.Audit(); err != nil {
			t.Error(err)
		}
	}
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

// hold makes the committer wait until the returned function is called, so that what is queued meanwhile lands in one
// group.
func hold(t testing.TB, s *Store) (release func()) {
	t.Helper()
	entered, gate := make(chan struct{}), make(chan struct{})
	finished := make(chan error, 1)
	go func() {
		finished <- s.do(func(*group) error {
			close(entered)
			<-gate
			return nil
		}, false)
	}()
	<-entered
	return sync.OnceFunc(func() {
		close(gate)
		if err := <-finished; err != nil {
			t.Error(err)
		}
	})
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

func (c *testClock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func seq(from, n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("%05d", from+i))
	}
	return out
}
