package syndic

import (
	"testing"
	"time"
)

// settle sends full batches to an upstream that needs perItem for each and trip for any, and returns the largest that
// it was given and the last.
func settle(p *pace, batches int, trip, perItem time.Duration) (largest, last int) {
	p.acknowledged(1, trip+perItem)
	for range batches {
		last = p.limit
		largest = max(largest, last)
		p.acknowledged(last, trip+time.Duration(last)*perItem)
	}
	return largest, last
}

func TestPace(t *testing.T) {
	for _, test := range []struct {
		name                string
		trip, perItem       time.Duration
		largest, last, most int
	}{
		{"a saltern master grows to the full batch", time.Millisecond, 20 * time.Microsecond, maxBatchItems, maxBatchItems, maxBatchItems},
		{"a long way is no slow master", 400 * time.Millisecond, 20 * time.Microsecond, maxBatchItems, maxBatchItems, maxBatchItems},
		{"a stock master gets what it can do at once", 5 * time.Millisecond, 4 * time.Millisecond, paceStart, 50, 100},
		{"a busy stock master gets little", 20 * time.Millisecond, 100 * time.Millisecond, paceStart, 1, 4},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPace()
			largest, last := settle(&p, 20, test.trip, test.perItem)
			if largest > test.largest || last < test.last || last > test.most {
				t.Errorf("at most %d, %d in the end, want at most %d, and %d to %d", largest, last, test.largest, test.last, test.most)
			}
		})
	}
}

func TestPace_failures(t *testing.T) {
	p := newPace()
	settle(&p, 20, time.Millisecond, 0)
	for n := maxBatchItems; n > 1; n = p.limit {
		before := p.limit
		if p.failed(n); p.limit >= before {
			t.Fatalf("%d items allowed after %d were not acknowledged", p.limit, n)
		}
	}
	if p.failed(1); p.limit != 1 {
		t.Errorf("limit %d, want 1", p.limit)
	}
	// A small batch that went through says nothing about a large one; full ones do.
	p = newPace()
	p.acknowledged(1, time.Millisecond)
	if p.limit != paceStart {
		t.Errorf("one item raised the limit to %d", p.limit)
	}
	if _, last := settle(&p, 20, time.Millisecond, 0); last != maxBatchItems {
		t.Errorf("limit %d in the end, want %d", last, maxBatchItems)
	}
}
