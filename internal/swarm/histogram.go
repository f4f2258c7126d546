package swarm

import (
	"math"
	"sync/atomic"
	"time"
)

// Histogram buckets: eight to each doubling from 1 µs, so a quantile is at most 9 % above the truth.
const (
	bucketsPerDoubling = 8
	bucketCount        = 28*bucketsPerDoubling + 1 // up to 268 s; the last takes the rest
)

// histogram counts durations without a lock. The zero value is ready.
type histogram struct {
	buckets [bucketCount]atomic.Uint64
	max     atomic.Int64
}

func (h *histogram) observe(d time.Duration) {
	d = max(d, 0)
	i := 0
	if us := float64(d) / float64(time.Microsecond); us > 1 {
		i = min(bucketCount-1, int(math.Ceil(math.Log2(us)*bucketsPerDoubling)))
	}
	h.buckets[i].Add(1)
	for {
		old := h.max.Load()
		if int64(d) <= old || h.max.CompareAndSwap(old, int64(d)) {
			return
		}
	}
}

// summary returns the quantiles of what was observed so far.
func (h *histogram) summary() Latency {
	var counts [bucketCount]uint64
	var total uint64
	for i := range counts {
		counts[i] = h.buckets[i].Load()
		total += counts[i]
	}
	top := time.Duration(h.max.Load())
	quantile := func(q float64) time.Duration {
		want := uint64(math.Ceil(q * float64(total)))
		var seen uint64
		for i, n := range counts {
			if seen += n; seen >= want && n > 0 {
				bound := math.Exp2(float64(i)/bucketsPerDoubling) * float64(time.Microsecond)
				return min(time.Duration(bound), top)
			}
		}
		return 0
	}
	return Latency{Count: total, P50: quantile(0.50), P99: quantile(0.99), Max: top}
}
