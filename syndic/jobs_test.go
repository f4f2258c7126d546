package syndic

import (
	"fmt"
	"testing"
)

// TestReturned_bounded: who returned is remembered of the newest jobs, and what is counted is what is there.
func TestReturned_bounded(t *testing.T) {
	f := NewForwarder(ForwarderConfig{ID: "syn1", Upstreams: []string{"a"}})
	const jobs = maxReturnedJobs + 50
	id := func(i int) string { return fmt.Sprintf("20261120150000%06d", i) }
	for i := range jobs {
		f.Note(id(i), "", 0)
		for _, minion := range []string{"m0", "m1", "m0"} {
			f.Sort("salt/job/"+id(i)+"/ret/"+minion, returned(t, id(i), minion))
		}
	}
	if f.returns != 2*maxReturnedJobs || len(f.returned) != maxReturnedJobs {
		t.Errorf("%d minions of %d jobs", f.returns, len(f.returned))
	}
	for i, want := range map[int]int{0: 0, 49: 0, 50: 2, jobs - 1: 2} {
		if got, others := f.returnedOf(id(i), []string{"m0", "m1", "m2"}); len(got) != want || len(others) != 3-want {
			t.Errorf("job %d: %q have returned", i, got)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forgot([]*knownJob{f.job(id(jobs - 1))})
	if f.returns != 2*maxReturnedJobs-2 {
		t.Errorf("%d after one was forgotten", f.returns)
	}
}
