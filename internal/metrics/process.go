package metrics

import (
	"runtime"
	rtm "runtime/metrics"
	"syscall"
	"time"
)

// started is close enough to the start of the process: packages are initialised within milliseconds.
var started = time.Now()

// Started is when the process began.
func Started() time.Time { return started }

// Process is the facts about this process. What the system does not tell is -1.
type Process struct {
	OpenFDs, MaxFDs int64
	ResidentBytes   int64
	HeapBytes       int64
	Goroutines      int
}

// ReadProcess looks now. It costs microseconds; on Linux before 6.2 it counts the descriptors one by one.
func ReadProcess() Process {
	p := Process{OpenFDs: openFDs(), MaxFDs: -1, ResidentBytes: residentBytes(), Goroutines: runtime.NumGoroutine()}
	var r syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r) == nil {
		p.MaxFDs = int64(min(r.Cur, 1<<62))
	}
	heap := []rtm.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	rtm.Read(heap)
	p.HeapBytes = int64(heap[0].Value.Uint64())
	return p
}

// Build names the binary.
type Build struct{ Program, Version, Commit string }

// AddProcess adds the facts about the process and the build.
func (b *Builder) AddProcess(p Process, build Build, now time.Time) {
	b.Add(BuildInfo, 1, build.Program, build.Version, build.Commit, runtime.Version())
	b.Add(StartTime, float64(started.UnixMilli())/1000)
	b.Add(Uptime, max(0, now.Sub(started).Seconds()))
	for _, f := range []struct {
		m *Metric
		v int64
	}{
		{OpenFDs, p.OpenFDs},
		{MaxFDs, p.MaxFDs},
		{ResidentBytes, p.ResidentBytes},
		{HeapBytes, p.HeapBytes},
		{Goroutines, int64(p.Goroutines)},
	} {
		if f.v >= 0 {
			b.Add(f.m, float64(f.v))
		}
	}
}
