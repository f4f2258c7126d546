package main

import "testing"

func TestReturnOf(t *testing.T) {
	for _, c := range []struct {
		tag, jid string
		ok       bool
	}{
		{"salt/job/20261130011958455334/ret/m-1", "20261130011958455334", true},
		{"salt/job/20261130011958455334/ret/a/b", "20261130011958455334", true},
		{"salt/job/20261130011958455334/new", "", false},
		{"salt/job/20261130011958455334", "", false},
		{"20261130011958455334", "", false},
		{"syndic/mid-1/salt/job/20261130011958455334/ret/m-1", "", false},
	} {
		if jid, ok := returnOf(c.tag); ok != c.ok || ok && jid != c.jid {
			t.Errorf("%s: %q %v", c.tag, jid, ok)
		}
	}
}

func TestTally_short(t *testing.T) {
	tally := &tally{jobs: map[string]int{"1": 40, "2": 39}}
	n, err := tally.short([]string{"1", "2", "3"}, 40)
	if n != 2 || err != nil {
		t.Errorf("%d of 3 jobs are short, want 2: %v", n, err)
	}
}
