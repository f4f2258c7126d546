package durable

import (
	"context"
	"errors"
	"testing"
	"time"
)

var errGone = errors.New("gone")

const (
	groupCount = 5
	groupBytes = 100
)

func newTest(count int, bytes int64) *Queue[Weight] {
	return NewQueue(Weight{count, bytes}, Weight{groupCount, groupBytes}, func(w *Weight) Weight { return *w })
}

func TestQueue_groups(t *testing.T) {
	q := newTest(1<<20, 1<<40)
	put := func(count int, bytes int64) {
		t.Helper()
		if err := q.Put(t.Context(), Weight{count, bytes}); err != nil {
			t.Fatal(err)
		}
	}
	take := func(want int) {
		t.Helper()
		if got := len(q.Take(nil)); got != want {
			t.Errorf("took %d items, want %d", got, want)
		}
	}
	for range groupCount + 1 {
		put(1, 1)
	}
	take(groupCount)
	take(1)
	put(1, groupBytes+1) // larger than a group: alone
	put(1, groupBytes)
	put(1, 1)
	take(1)
	take(1)
	take(1)
	put(3*groupCount, 1) // an item is never split
	put(1, 1)
	take(1)
	take(1)
	if load, _ := q.Depth(); load != (Weight{}) {
		t.Errorf("%+v is left in an empty queue", load)
	}
	q.Close(errGone)
	take(0)
	if err := q.Put(t.Context(), Weight{}); !errors.Is(err, errGone) {
		t.Errorf("put after close: %v", err)
	}
	if q.Add(Weight{}) {
		t.Error("added after close")
	}
}

// blocked waits until a Put waits.
func blocked(t *testing.T, q *Queue[Weight], want uint64) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		if _, n := q.Depth(); n == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("no put waits")
		}
		time.Sleep(time.Millisecond) // polling
	}
}

func TestQueue_fullWaits(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(*Queue[Weight], context.CancelFunc)
		want error
	}{
		{"room", func(q *Queue[Weight], _ context.CancelFunc) { q.Take(nil) }, nil},
		{"closed", func(q *Queue[Weight], _ context.CancelFunc) { q.Close(errGone) }, errGone},
		{"given up", func(_ *Queue[Weight], stop context.CancelFunc) { stop() }, context.Canceled},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := newTest(1, 100)
			if err := q.Put(t.Context(), Weight{7, 1}); err != nil { // larger than the bound, but alone
				t.Fatal(err)
			}
			if !q.Add(Weight{}) {
				t.Error("a full queue refuses what does not wait")
			}
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			got := make(chan error, 1)
			go func() { got <- q.Put(ctx, Weight{1, 1}) }()
			blocked(t, q, 1)
			c.end(q, stop)
			if err := <-got; !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}
