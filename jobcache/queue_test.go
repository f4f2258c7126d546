package jobcache

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"
)

func discard() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func TestSaveReturn_fullQueueMakesTheCallerWait(t *testing.T) {
	for _, c := range []struct {
		name string
		opts Options
	}{
		{"returns", Options{QueueReturns: 4}},
		{"bytes", Options{QueueBytes: 4 * int64(len(testJID)+len(minionName(0))+returnHeader+100)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := openTest(t, t.TempDir(), c.opts)
			release := hold(t, s)
			defer release()
			const n = 10
			outcomes := make(chan Outcome, n)
			var queued atomic.Int32
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				for i := range n {
					s.SaveReturn(Return{JID: testJID, MinionID: minionName(i), Body: make([]byte, 100)}, func(o Outcome) { outcomes <- o })
					queued.Add(1)
				}
			}()
			eventually(t, "the sender waits", func() bool { return s.Stats().QueueFullWaits > 0 })
			if got := queued.Load(); got != 4 {
				t.Errorf("%d returns were let in, want 4", got)
			}
			// A publication waits as well, but not longer than its caller wants.
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
			defer cancel()
			if c.opts.QueueReturns > 0 {
				if err := s.SaveLoad(ctx, Job{JID: "other"}); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("SaveLoad on a full queue: %v", err)
				}
			}
			release()
			<-sent
			for range n {
				if o := <-outcomes; o != (Outcome{}) {
					t.Errorf("%+v", o)
				}
			}
		})
	}
}

func TestWriteQueue_groupBounds(t *testing.T) {
	q := newWriteQueue(1<<20, 1<<40)
	put := func(returns int, bytes int64) {
		t.Helper()
		if err := q.put(context.Background(), write{returns: returns, bytes: bytes}); err != nil {
			t.Fatal(err)
		}
	}
	take := func(want int) {
		t.Helper()
		if got := len(q.take(nil)); got != want {
			t.Errorf("took %d writes, want %d", got, want)
		}
	}
	for range groupReturns + 1 {
		put(1, 1)
	}
	take(groupReturns)
	take(1)
	put(1, groupBytes+1) // larger than a group: alone
	put(1, groupBytes)
	put(1, 1)
	take(1)
	take(1)
	take(1)
	put(3*groupReturns, 1) // a unit is never split
	put(1, 1)
	take(1)
	take(1)
	q.close(ErrClosed)
	take(0)
	if err := q.put(context.Background(), write{}); !errors.Is(err, ErrClosed) {
		t.Errorf("put after close: %v", err)
	}
}

func TestWriteQueue_closeWakesWaitingPut(t *testing.T) {
	q := newWriteQueue(1, 1<<20)
	if err := q.put(context.Background(), write{returns: 1}); err != nil {
		t.Fatal(err)
	}
	got := make(chan error, 1)
	go func() { got <- q.put(context.Background(), write{returns: 1}) }()
	eventually(t, "the second put waits", func() bool { _, _, blocked := q.depth(); return blocked == 1 })
	q.close(ErrClosed)
	if err := <-got; !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
}
