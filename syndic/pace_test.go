package syndic

import (
	"testing"
	"time"
)

// settle sends batches as large as allowed to an upstream that needs perItem for each item and trip for any batch. It
// tells the largest of the first half and the middle of the last eight.
func settle(p *pace, trip, perItem time.Duration) (largest, last int) {
	const batches = 40
	var tail int
	for i := range batches {
		n := p.limit
		if i < batches/2 {
			largest = max(largest, n)
		}
		if i >= batches-paceProbe {
			tail += n
		}
		p.acknowledged(n, trip+time.Duration(n)*perItem)
	}
	return largest, tail / paceProbe
}

func TestPace(t *testing.T) {
	const saltern = 20 * time.Microsecond
	for _, test := range []struct {
		name          string
		trip, perItem time.Duration
		largest       int
		least, most   int
	}{
		{"a saltern master grows to the full batch", time.Millisecond, saltern, maxBatchItems, maxBatchItems, maxBatchItems},
		{"a long way is no slow master", 400 * time.Millisecond, saltern, maxBatchItems, maxBatchItems, maxBatchItems},
		{"a stock master gets what it can do at once", 5 * time.Millisecond, 4 * time.Millisecond, 150, 60, 100},
		{"over a long way, too", 400 * time.Millisecond, 4 * time.Millisecond, 150, 60, 100},
		{"a busy stock master gets little", 20 * time.Millisecond, 100 * time.Millisecond, 2 * paceStart, 1, 6},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPace()
			check := func(after string) {
				t.Helper()
				largest, last := settle(&p, test.trip, test.perItem)
				if after == "from the start" && largest > test.largest || last < test.least || last > test.most {
					t.Errorf("%s: at most %d, %d in the end, want at most %d, and %d to %d", after, largest, last, test.largest, test.least, test.most)
				}
			}
			check("from the start")
			// What it was before must not count for ever.
			settle(&p, time.Millisecond, 50*time.Millisecond)
			check("after a slow time")
			settle(&p, 500*time.Millisecond, 10*time.Millisecond)
			check("after a slow time over a long way")
		})
	}
}

func TestPace_failures(t *testing.T) {
	p := newPace()
	settle(&p, time.Millisecond, 0)
	for n := maxBatchItems; n > 1; n = p.limit {
		before := p.limit
		if p.failed(n); p.limit >= before {
			t.Fatalf("%d items allowed after %d were not acknowledged", p.limit, n)
		}
	}
	if p.failed(1); p.limit != 1 {
		t.Errorf("limit %d, want 1", p.limit)
	}
	if _, last := settle(&p, time.Millisecond, 0); last != maxBatchItems {
		t.Errorf("limit %d in the end, want %d", last, maxBatchItems)
	}
	// A small batch that went through says nothing about a large one.
	p = newPace()
	p.acknowledged(1, time.Millisecond)
	if p.limit != paceStart {
		t.Errorf("one item raised the limit to %d", p.limit)
	}
}

// TestPace_careful: a stock master of masters behind a link that has just broken gets little at once for a while, over a
// long way not so little that it would wait most of the time.
func TestPace_careful(t *testing.T) {
	const perItem = 4 * time.Millisecond
	for _, test := range []struct {
		name        string
		trip        time.Duration
		least, most int
	}{
		{"near", 5 * time.Millisecond, 8, 15},
		{"far", 400 * time.Millisecond, 40, 60},
		{"on the moon", 2500 * time.Millisecond, 60, 100},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPace()
			settle(&p, test.trip, perItem)
			p.failed(p.limit)
			for i := range paceCarefulFor {
				n := p.limit
				p.acknowledged(n, test.trip+time.Duration(n)*perItem)
				// Growing takes some batches, and every eighth looks for more.
				if most := 2 * test.most; n > most || i > paceProbe && n < test.least {
					t.Fatalf("batch %d after the failure has %d items, want %d to %d", i, n, test.least, most)
				}
			}
			if _, last := settle(&p, test.trip, perItem); last < 60 {
				t.Errorf("%d items at once in the end, want 60 or more", last)
			}
		})
	}
}
