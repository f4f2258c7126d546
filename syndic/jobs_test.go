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

// TestLoads_followTheReturns: an upstream that gets the rest of a local job's returns, because the one before is away, gets
// the job's load with the first of them. Loads that were sent are bounded by themselves.
func TestLoads_followTheReturns(t *testing.T) {
	f := NewForwarder(ForwarderConfig{ID: "syn1", Upstreams: []string{"a", "b", "c"}, Ordered: true})
	up := uint64(0b111)
	f.serving = func() uint64 { return up }
	f.Sort("salt/job/"+jidA+"/new", announcement(t, jidA, "m1", "m2", "m3", "m4"))
	for i, step := range []struct {
		up, to uint64
		load   bool
	}{
		{0b111, 0b001, true}, {0b111, 0b001, false}, {0b110, 0b010, true}, {0b110, 0b010, false}, {0b101, 0b001, false}, {0b100, 0b100, true},
	} {
		up = step.up
		r := one(t, f.sortReturnOf(t, jidA, fmt.Sprint("m", i)))
		if r.To != step.to || (r.Item.Return.Load != nil) != step.load {
			t.Errorf("step %d: to %b, load %v; want %b, %v", i, r.To, r.Item.Return.Load != nil, step.to, step.load)
		}
	}
	if f.loadBytes != 0 || f.sentBytes != 0 {
		t.Errorf("every upstream has it: %d and %d bytes kept", f.loadBytes, f.sentBytes)
	}
	up = 0b111
	for i := range 2 * maxSentLoads {
		id := fmt.Sprintf("20261120150000%06d", i)
		f.Sort("salt/job/"+id+"/new", announcement(t, id, "m1"))
		f.sortReturnOf(t, id, "m1")
	}
	kept := 0
	for _, j := range f.local.jobs {
		if j.load != nil {
			kept += len(j.load.body)
		}
	}
	if len(f.sent) != maxSentLoads || f.loadBytes != 0 || f.sentBytes != kept || kept == 0 || kept > maxSentBytes {
		t.Errorf("%d loads, %d bytes counted, %d kept, %d waiting", len(f.sent), f.sentBytes, kept, f.loadBytes)
	}
}
