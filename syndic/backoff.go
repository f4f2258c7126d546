package syndic

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff paces retries: doubling from low to high, each wait shortened by up to a quarter at
// random, so that many syndics do not come back in step.
type backoff struct {
	low, high, next time.Duration
	tries           int
}

func newBackoff(low, high time.Duration) *backoff { return &backoff{low: low, high: high, next: low} }

// first reports whether no retry was made since the last success.
func (b *backoff) first() bool { return b.tries == 0 }

// reset is for a success.
func (b *backoff) reset() { b.next, b.tries = b.low, 0 }

// delay returns the next wait and doubles the one after it.
func (b *backoff) delay() time.Duration {
	d := b.next
	b.next = min(2*b.next, b.high)
	b.tries++
	return d - time.Duration(rand.Int64N(int64(d)/4+1))
}

// sleep waits for d, or shorter when early has something; false means that ctx ended meanwhile.
func sleep(ctx context.Context, d time.Duration, early <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-early:
		return true
	case <-t.C:
		return true
	}
}
