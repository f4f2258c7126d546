package zmtp

import (
	"testing"
	"time"
)

func TestRareLog_pass(t *testing.T) {
	l := NewRareLog(nil)
	start := time.Unix(1000, 0)
	for _, step := range []struct {
		after   time.Duration
		ok      bool
		skipped uint64
	}{
		{0, true, 0},
		{300 * time.Millisecond, false, 0},
		{999 * time.Millisecond, false, 0},
		{time.Second, true, 2},
		{1500 * time.Millisecond, false, 0},
		{10 * time.Second, true, 1},
		{20 * time.Second, true, 0},
	} {
		if skipped, ok := l.pass(start.Add(step.after)); ok != step.ok || skipped != step.skipped {
			t.Errorf("after %v: %d left out, %v; want %d, %v", step.after, skipped, ok, step.skipped, step.ok)
		}
	}
	l.Warn("to nobody")
}
