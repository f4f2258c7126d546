package syndic

import "time"

const (
	// paceStart is the first batch's bound: a stock master of masters needs 3 to 10 ms for each return, and a batch
	// that takes it longer than the request's time limit is sent, and taken, once more.
	paceStart = 64
	// paceTarget is how long a batch may keep an upstream busy. What is under way when a link is cut has to be sent
	// again, and a stock master of masters fires again what had arrived.
	paceTarget = 300 * time.Millisecond
	// paceCareful is the same for paceCarefulFor batches after one that was not acknowledged: links that break do so
	// again. It is at least half the way there and back, for a batch is under way for that long, however small.
	paceCareful    = 60 * time.Millisecond
	paceCarefulFor = 64
	// paceMemory is the weight of what was known against a new batch.
	paceMemory = 0.75
	// paceProbe: every eighth batch may be twice as large, to learn whether the upstream has become faster.
	paceProbe = 8
)

// pace bounds the items of the next batch by what the upstream needs for each, which is the slope of a line through
// the times and sizes of the last batches; where the line begins is the way there and back, which a smaller batch
// would not shorten. It belongs to the goroutine that sends.
type pace struct {
	limit   int
	perItem float64 // seconds
	trip    float64 // the same for the way there and back
	batches int
	careful int // so many batches more
	// Weighted sums over the last batches: weights, items, seconds, and their products.
	w, x, y, xx, xy float64
}

func newPace() pace { return pace{limit: paceStart} }

// acknowledged takes in a batch that went through.
func (p *pace) acknowledged(items int, took time.Duration) {
	x, y := float64(items), took.Seconds()
	p.w, p.x, p.y = p.w*paceMemory+1, p.x*paceMemory+x, p.y*paceMemory+y
	p.xx, p.xy = p.xx*paceMemory+x*x, p.xy*paceMemory+x*y
	mean := p.x / p.w
	// Batches of one size say nothing about a slope: the one known stays.
	if spread := p.xx/p.w - mean*mean; spread > mean*mean/16 {
		p.perItem = max(0, (p.xy/p.w-mean*p.y/p.w)/spread)
	}
	full := items >= p.limit/2
	p.batches++
	p.trip = max(0, mean*(p.y/p.x-p.perItem))
	p.careful = max(0, p.careful-1)
	allowed := p.allowed()
	if p.batches%paceProbe == 0 {
		allowed *= 2
	}
	if full { // only a batch about as large as allowed says anything about a larger one
		allowed = min(allowed, 2*p.limit)
	} else {
		allowed = min(allowed, p.limit)
	}
	p.limit = min(allowed, maxBatchItems)
}

// allowed is what an upstream takes in the time that a batch may need there.
func (p *pace) allowed() int {
	target := paceTarget.Seconds()
	if p.careful > 0 {
		target = min(max(paceCareful.Seconds(), p.trip/2), target)
	}
	if p.perItem*maxBatchItems <= target {
		return maxBatchItems
	}
	return max(int(target/p.perItem), 1)
}

// failed takes in a batch that was not acknowledged: the next is half as large, so that what may have arrived is
// soon behind, and an item that the upstream refuses stands alone in the end.
func (p *pace) failed(items int) {
	p.careful = paceCarefulFor
	p.limit = max(min(items/2, p.limit, p.allowed()), 1)
}
