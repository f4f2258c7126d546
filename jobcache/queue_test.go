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
