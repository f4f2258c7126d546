package syndic

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/saltern-io/saltern/internal/wire"
)

// BenchmarkJobMemory shows what a full memory of jobs takes, and what of that is there from the start.
func BenchmarkJobMemory(b *testing.B) {
	heap := func() float64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc)
	}
	for b.Loop() {
		before := heap()
		f := newForwarder(3)
		empty := heap()
		for i := range maxUpstreamJobs {
			id := fmt.Sprintf("20261130%012d", i)
			f.Note(id, "", i%3)
			f.change(id, func(j *knownJob) { j.down, j.mark = true, wire.JobMark("test.ping", i, "glob") })
		}
		b.ReportMetric((empty-before)/(1<<20), "MiB/empty")
		b.ReportMetric((heap()-empty)/(1<<20), "MiB/jobs")
		runtime.KeepAlive(f)
	}
}
