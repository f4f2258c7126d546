package broker

import (
	"testing"
	"time"
)

func TestElect(t *testing.T) {
	start := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	at := func(s float64) time.Time { return start.Add(time.Duration(s * float64(time.Second))) }
	up := func(s float64) standing { return standing{up: true, since: at(s)} }
	down := func(s float64) standing { return standing{since: at(s)} }
	silent := func(s float64) standing { return standing{silent: true, since: at(s)} }
	for _, tc := range []struct {
		name     string
		all      []standing
		active   int
		failback time.Duration
		now      float64
		want     int
		again    float64 // -1: none
	}{
		{"start, nobody", []standing{down(0), down(0)}, -1, 0, 5, -1, -1},
		{"start, the first", []standing{up(0.1), up(0.1)}, -1, 0, 0.1, 0, -1},
		{"start, only the second yet", []standing{down(0), up(0.1)}, -1, 0, 0.1, -1, 1},
		{"start, only the second", []standing{down(0), up(0.1)}, -1, 0, 1, 1, -1},
		{"up", []standing{up(0), up(0)}, 0, 0, 9, 0, -1},
		{"second up, no failback", []standing{up(0), up(0)}, 1, 0, 9999, 1, -1},
		{"failback not due", []standing{up(2), up(0)}, 1, 10 * time.Second, 9, 1, 12},
		{"failback due", []standing{up(2), up(0)}, 1, 10 * time.Second, 12, 0, -1},
		{"failback to the first that is due", []standing{down(2), up(2), up(1), up(0)}, 3, 10 * time.Second, 11, 2, -1},
		{"failback, soonest is looked at", []standing{up(4), up(2), up(0)}, 2, 10 * time.Second, 11, 2, 12},
		{"just lost", []standing{down(7), up(0)}, 0, 0, 7, 0, 8},
		{"lost", []standing{down(7), up(0)}, 0, 0, 8, 1, -1},
		{"lost by silence", []standing{silent(7), up(0)}, 0, 0, 7, 1, -1},
		{"lost, third is next", []standing{down(7), down(0), up(0)}, 0, 0, 8, 2, -1},
		{"second lost, first is up", []standing{up(3), down(7), up(0)}, 1, 0, 8, 0, -1},
		{"all lost", []standing{down(7), down(6)}, 0, 0, 99, 0, -1},
		{"one only", []standing{down(7)}, 0, 0, 99, 0, -1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, again := elect(tc.all, tc.active, start, rules{failoverAfter: time.Second, failback: tc.failback}, at(tc.now))
			want := time.Time{}
			if tc.again >= 0 {
				want = at(tc.again)
			}
			if got != tc.want || !again.Equal(want) {
				t.Errorf("elected %d, again %v; want %d, %v", got, again, tc.want, want)
			}
		})
	}
}
