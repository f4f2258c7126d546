package broker

import (
	"math"
	"os"
	"runtime/debug"
	"runtime/metrics"
)

// spareHeap is how much garbage may gather before it is collected, however small the live heap is. What a broker
// holds is a few megabytes and what passes through is all garbage: with Go's default, which is as much garbage as
// there is live heap, a fifth of its CPU time goes into collecting.
const spareHeap = 32 << 20

// tuneGC follows the live heap: garbage may be as much as that, or spareHeap if that is more. GOGC in the
// environment is left in charge.
func tuneGC() {
	if os.Getenv("GOGC") != "" {
		return
	}
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return // not known to this Go
	}
	debug.SetGCPercent(gcPercent(sample[0].Value.Uint64()))
}

// gcPercent is the garbage allowed in percent of the live heap, 100 … 1000.
func gcPercent(live uint64) int {
	if live == 0 {
		return 1000
	}
	return int(math.Min(1000, math.Max(100, 100*spareHeap/float64(live))))
}
