package syndic

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/saltern-io/saltern/internal/wire"
)

// TestStockLooks: a gap that follows another closely waits for its turn and is not given up; a list serves all gaps
// before it.
func TestStockLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var looks, settled []time.Duration
		begun := time.Now()
		s := stockLooks{
			losses: make(chan loss, maxLosses), now: time.Now,
			list: func(context.Context) (*wire.Map, error) {
				looks = append(looks, time.Since(begun))
				return wire.NewMap("20261120150000000091", wire.NewMap()), nil
			},
			settle: func(_ context.Context, _ loss, jobs *wire.Map, _ string) {
				if jobs.Len() != 1 {
					t.Errorf("settled with %d jobs", jobs.Len())
				}
				settled = append(settled, time.Since(begun))
			},
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.run(ctx)
		}()
		gap := func() {
			s.losses <- loss{gap: gap{count: 1, after: "20261120150000000001", before: "20261120150000000099"}, seen: time.Now()}
		}
		time.Sleep(time.Second)
		gap()
		time.Sleep(4 * time.Second)
		gap()
		time.Sleep(time.Second)
		gap()
		time.Sleep(time.Minute)
		cancel()
		<-done
		if want := []time.Duration{time.Second, time.Second + stockEvery}; !slices.Equal(looks, want) {
			t.Errorf("looks at %s, want %s", looks, want)
		}
		if want := []time.Duration{time.Second, time.Second + stockEvery, time.Second + stockEvery}; !slices.Equal(settled, want) {
			t.Errorf("gaps settled at %s, want %s", settled, want)
		}
	})
}

// TestStockLooks_linkEnds: a gap that waits when the link ends is there in its next life.
func TestStockLooks_linkEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reasons []string
		s := stockLooks{
			losses: make(chan loss, maxLosses), now: time.Now,
			list:   func(context.Context) (*wire.Map, error) { return nil, errors.New("no") },
			settle: func(_ context.Context, _ loss, _ *wire.Map, reason string) { reasons = append(reasons, reason) },
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.run(ctx)
		}()
		s.losses <- loss{gap: gap{before: "20261120150000000099"}} // nothing before it is known
		for range 2 {
			s.losses <- loss{gap: gap{after: "20261120150000000001", before: "20261120150000000099"}, seen: time.Now()}
			time.Sleep(time.Second)
		}
		cancel()
		<-done
		if len(s.losses) != 1 {
			t.Errorf("%d gaps wait, want 1", len(s.losses))
		}
		want := []string{
			"the master of masters keeps no journal, and no job before the gap is known",
			"the master of masters keeps no journal, and did not list its jobs: no",
		}
		if !slices.Equal(reasons, want) {
			t.Errorf("reasons %q", reasons)
		}
	})
}
