package syndic

import (
	"sync"

	"github.com/saltern-io/saltern/internal/wire"
)

// Bounds of one upstream's queue. When it is full the oldest event that is no return goes first;
// with nothing but returns in it, the oldest return. Both are counted and logged: this queue lives
// in memory, and a dead master of masters must not fill it.
const (
	maxQueueItems = 100_000
	maxQueueBytes = 64 << 20
	maxBatchItems = 2000
	maxBatchBytes = 256 << 10
)

// outbox keeps what waits for one upstream, in order. It is the seam for a store on disk: what take
// handed out stays until ack.
type outbox struct {
	mu    sync.Mutex
	items []Item
	bytes int
	taken int // how many of the first items the batch in flight has

	wake chan struct{} // one token: there is something

	droppedEvents, droppedReturns uint64
}

func newOutbox() *outbox { return &outbox{wake: make(chan struct{}, 1)} }

// put appends an item, making room first; dropped tells how many items had to go.
func (o *outbox) put(item Item) (dropped int) {
	size := item.Size()
	o.mu.Lock()
	for len(o.items) > 0 && (len(o.items) >= maxQueueItems || o.bytes+size > maxQueueBytes) {
		if !o.dropOne() {
			break
		}
		dropped++
	}
	if len(o.items) >= maxQueueItems || o.bytes+size > maxQueueBytes && len(o.items) > 0 {
		// Everything that waits is in flight: the new one is what goes.
		if item.Return != nil {
			o.droppedReturns++
		} else {
			o.droppedEvents++
		}
		o.mu.Unlock()
		return dropped + 1
	}
	o.items = append(o.items, item)
	o.bytes += size
	o.mu.Unlock()
	select {
	case o.wake <- struct{}{}:
	default:
	}
	return dropped
}

// dropOne removes the oldest event, or else the oldest return, that is not in flight. Caller holds
// the lock.
func (o *outbox) dropOne() bool {
	victim := -1
	// Looking for an event is bounded: a queue full of returns must not cost a walk per item.
	for i := o.taken; i < len(o.items) && i < o.taken+1000; i++ {
		if o.items[i].Return == nil {
			victim = i
			break
		}
	}
	if victim < 0 {
		victim = o.taken
	}
	if victim >= len(o.items) {
		return false
	}
	if o.items[victim].Return != nil {
		o.droppedReturns++
	} else {
		o.droppedEvents++
	}
	o.bytes -= o.items[victim].Size()
	o.items = append(o.items[:victim], o.items[victim+1:]...)
	return true
}

// urgent reports whether something waits that should not linger; any whether anything does.
func (o *outbox) urgent() (urgent, anything bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range min(len(o.items), 64) {
		if o.items[i].Urgent {
			return true, true
		}
	}
	return false, len(o.items) > 0
}

// batch is one request's worth of items, of one kind.
type batch struct {
	returns []wire.SyndicReturn
	events  []Event
	items   int
}

// kind tells which request form an item needs: only items of one kind share a request.
func (i *Item) kind() int {
	switch {
	case i.Return != nil:
		return 0
	case i.Event.Text != "":
		return 1
	default:
		return 2
	}
}

// take hands out the next items of one kind, in order, without removing them. Returns of one job
// and the same head are merged into one element.
func (o *outbox) take() batch {
	o.mu.Lock()
	defer o.mu.Unlock()
	var b batch
	size := 0
	index := map[string]int{}
	for i := range o.items {
		item := &o.items[i]
		if b.items > 0 && (size+item.Size() > maxBatchBytes || b.items >= maxBatchItems) {
			break
		}
		if i > 0 && item.kind() != o.items[0].kind() {
			break
		}
		if i > 0 && item.Event.Text != "" {
			break
		}
		size += item.Size()
		b.items++
		if item.Return == nil {
			b.events = append(b.events, item.Event)
			continue
		}
		r := item.Return
		key := r.JID + "\x00" + r.MasterID + "\x00" + string(r.Out) + "\x00" + string(r.Fun)
		at, known := index[key]
		if !known || len(r.Load) > 0 {
			index[key] = len(b.returns)
			one := *r
			one.Minions = append([]wire.MinionReturn(nil), r.Minions...)
			b.returns = append(b.returns, one)
			continue
		}
		b.returns[at].Minions = append(b.returns[at].Minions, r.Minions...)
	}
	o.taken = b.items
	return b
}

// ack removes the items of the batch in flight: the upstream has them.
func (o *outbox) ack() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range o.taken {
		o.bytes -= o.items[i].Size()
	}
	rest := copy(o.items, o.items[o.taken:])
	clear(o.items[rest:])
	o.items = o.items[:rest]
	o.taken = 0
}

// depth is how many items and bytes wait, and what was dropped so far.
func (o *outbox) depth() (items, bytes int, droppedEvents, droppedReturns uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.items), o.bytes, o.droppedEvents, o.droppedReturns
}
