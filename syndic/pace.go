package syndic

import "time"

const (
	// paceStart is the first batch's bound: a stock master of masters needs 3 to 10 ms for each return, and a batch
	// that takes it longer than the request's time limit is sent, and taken, once more.
	paceStart = 128
	// paceTarget is how long a batch may keep an upstream busy. What is under way when a link is cut has to be sent
	// again, and a stock master of masters fires again what had arrived.
	paceTarget = 300 * time.Millisecond
)

// pace bounds the items of the next batch by how fast the upstream acknowledged those before. The shortest request
// of the link's life stands for the way there and back, which a smaller batch would not shorten. It belongs to the
// goroutine that sends.
type pace struct {
	limit int
	trip  time.Duration // 0 until there was a request
}

func newPace() pace { return pace{limit: paceStart} }

// acknowledged takes in a batch that went through.
func (p *pace) acknowledged(items int, took time.Duration) {
	took = max(took, 1)
	if p.trip == 0 || took < p.trip {
		p.trip = took
	}
	work, target := took-p.trip, max(paceTarget, p.trip)
	switch {
	case work > target:
		p.limit = max(int(int64(items)*int64(target)/int64(work)), 1)
	case work <= target/2 && items >= p.limit/2:
		// Only a batch about as large as allowed says anything about a larger one.
		p.limit = min(2*p.limit, maxBatchItems)
	}
}

// failed takes in a batch that was not acknowledged: the next is half as large, so that what may have arrived is
// soon behind, and an item that the upstream refuses stands alone in the end.
func (p *pace) failed(items int) { p.limit = max(min(items/2, p.limit), 1) }
