package swarm

import (
	"testing"
	"time"
)

func TestHistogram(t *testing.T) {
	var h histogram
	if got := h.summary(); got != (Latency{}) {
		t.Fatalf("empty: %+v", got)
	}
	for i := 1; i <= 1000; i++ {
		h.observe(time.Duration(i) * time.Millisecond)
	}
	got := h.summary()
	within := func(name string, d, want time.Duration) {
		t.Helper()
		if d < want || float64(d) > 1.095*float64(want) {
			t.Errorf("%s: %v, want %v or up to 9 %% more", name, d, want)
		}
	}
	within("p50", got.P50, 500*time.Millisecond)
	within("p99", got.P99, 990*time.Millisecond)
	if got.Max != time.Second || got.Count != 1000 {
		t.Errorf("%+v", got)
	}
	h.observe(time.Hour)
	h.observe(-time.Second)
	if got := h.summary(); got.Max != time.Hour || got.Count != 1002 {
		t.Errorf("%+v", got)
	}
}
