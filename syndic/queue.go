package syndic

import (
	"sync"

	"github.com/saltern-io/saltern/internal/wire"
)

// Bounds of one upstream's queue, in memory. When it is full the oldest event goes first; with
// nothing but returns waiting, the oldest return. Both are counted and logged: a dead master of
// masters must not fill the memory.
const (
	maxQueueItems = 100_000
	maxQueueBytes = 64 << 20
	maxItemBytes  = 32 << 20 // a larger item would not pass the frame limit of a master of masters
	maxBatchItems = 2000
	maxBatchBytes = 256 << 10
)

// outbox keeps what waits for one upstream. It is the seam for a store on disk: what take handed out
// stays, and is handed out again with the same content, until ack.
//
//	put ─▶ events  ─┐ take: the kind whose first item is the oldest
//	    ─▶ returns ─┴▶ flight ─▶ ack
//
// Each kind keeps its order, since one request carries only one kind. A return never overtakes the
// announcement of a job that stood before it.
type outbox struct {
	mu      sync.Mutex
	events  lane
	returns lane
	flight  []entry // handed out by take, not yet acknowledged; all of one kind
	marks   []uint64
	urgent  int // urgent items in the two lanes
	bytes   int
	seq     uint64

	wake chan struct{} // one token: there is something

	droppedEvents, droppedReturns uint64
}

// entry is an item with its place in the order.
type entry struct {
	item Item
	seq  uint64
	size int
}

// lane is a queue whose both ends cost the same whatever its length.
type lane struct {
	list []entry
	head int
}

func (l *lane) len() int      { return len(l.list) - l.head }
func (l *lane) first() *entry { return &l.list[l.head] }
func (l *lane) push(e entry)  { l.list = append(l.list, e) }

func (l *lane) pop() entry {
	e := l.list[l.head]
	l.list[l.head] = entry{} // lets the content go
	l.head++
	if l.head > 1024 && 2*l.head > len(l.list) || l.head == len(l.list) {
		n := copy(l.list, l.list[l.head:])
		clear(l.list[n:])
		l.list, l.head = l.list[:n], 0
	}
	return e
}

func newOutbox() *outbox { return &outbox{wake: make(chan struct{}, 1)} }

// put appends an item, making room first; dropped tells how many items had to go, the new one
// included when everything else is in flight or when it is larger than maxItemBytes.
func (o *outbox) put(item Item) (dropped int) {
	e := entry{item: item, size: item.Size()}
	o.mu.Lock()
	if e.size > maxItemBytes {
		o.countDrop(&e)
		o.mu.Unlock()
		return 1
	}
	for o.full(e.size) {
		if !o.dropOne() {
			o.countDrop(&e)
			o.mu.Unlock()
			return dropped + 1
		}
		dropped++
	}
	o.seq++
	e.seq = o.seq
	o.bytes += e.size
	if item.Urgent {
		o.urgent++
	}
	if item.Return != nil {
		o.returns.push(e)
	} else {
		o.events.push(e)
		if item.Urgent {
			o.marks = append(o.marks, e.seq)
		}
	}
	o.mu.Unlock()
	o.nudge()
	return dropped
}

// nudge wakes the sender.
func (o *outbox) nudge() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

func (o *outbox) full(more int) bool {
	return o.count() >= maxQueueItems || o.bytes+more > maxQueueBytes
}

func (o *outbox) count() int { return o.events.len() + o.returns.len() + len(o.flight) }

func (o *outbox) countDrop(e *entry) {
	if e.item.Return != nil {
		o.droppedReturns++
	} else {
		o.droppedEvents++
	}
}

// dropOne removes the oldest event, or else the oldest return, that is not in flight. Caller holds
// the lock.
func (o *outbox) dropOne() bool {
	l := &o.events
	if l.len() == 0 {
		l = &o.returns
	}
	if l.len() == 0 {
		return false
	}
	e := o.leave(l)
	o.bytes -= e.size
	o.countDrop(&e)
	return true
}

// leave takes the first entry out of a lane. Its bytes still count.
func (o *outbox) leave(l *lane) entry {
	e := l.pop()
	if e.item.Urgent {
		o.urgent--
		if l == &o.events {
			o.marks = o.marks[1:]
		}
	}
	return e
}

// waiting tells what the sender has to do: nothing, soon, or now.
type waiting uint8

const (
	waitingNone   waiting = iota
	waitingEvents         // nobody upstream waits for what is there
	waitingUrgent         // somebody does
	waitingFull           // a batch is full, or comes back after a failure
)

func (o *outbox) state() waiting {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := o.events.len() + o.returns.len()
	switch {
	case len(o.flight) > 0, n >= maxBatchItems, o.bytes >= maxBatchBytes:
		return waitingFull
	case o.urgent > 0:
		return waitingUrgent
	case n > 0:
		return waitingEvents
	}
	return waitingNone
}

// batch is one request's worth of items, of one kind.
type batch struct {
	returns []wire.SyndicReturn
	events  []wire.EventItem
	items   int
	bytes   int
}

// take hands out the next items of one kind, at most limit of them, in order. They stay until ack.
// After a failure it hands out the same items again, or with a lower limit the first of them.
func (o *outbox) take(limit int) batch {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.flight) == 0 {
		o.load()
	}
	return makeBatch(o.flight[:min(limit, len(o.flight))])
}

// load moves the next items into the flight. Caller holds the lock.
func (o *outbox) load() {
	l := &o.events
	if o.events.len() == 0 || o.returns.len() > 0 && o.returns.first().seq < o.events.first().seq {
		l = &o.returns
	}
	last := o.seq
	if l == &o.returns && len(o.marks) > 0 {
		last = o.marks[0]
	}
	size := 0
	for l.len() > 0 && len(o.flight) < maxBatchItems && l.first().seq <= last {
		if size += l.first().size; len(o.flight) > 0 && size > maxBatchBytes {
			break
		}
		o.flight = append(o.flight, o.leave(l))
	}
}

// makeBatch merges the returns of one job under one head into one element. A minion that returns
// twice to one job makes a second element, since one map cannot hold it twice.
func makeBatch(entries []entry) batch {
	var b batch
	at := map[string]int{}
	seen := map[string]struct{}{}
	for i := range entries {
		item := &entries[i].item
		b.items++
		b.bytes += entries[i].size
		if item.Return == nil {
			b.events = append(b.events, wire.EventItem{Tag: item.Event.Tag, Data: item.Event.Data})
			continue
		}
		r := item.Return
		head := r.JID + "\x00" + r.MasterID + "\x00" + string(r.Out) + "\x00" + string(r.Fun)
		minion := head + "\x00" + r.Minions[0].ID
		n, known := at[head]
		if _, twice := seen[minion]; !known || twice || len(r.Load) > 0 {
			at[head] = len(b.returns)
			one := *r
			one.Minions = append([]wire.MinionReturn(nil), r.Minions...)
			b.returns = append(b.returns, one)
		} else {
			b.returns[n].Minions = append(b.returns[n].Minions, r.Minions...)
		}
		seen[minion] = struct{}{}
	}
	return b
}

// ack removes the first n items that take handed out: the upstream has them.
func (o *outbox) ack(n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range o.flight[:n] {
		o.bytes -= o.flight[i].size
	}
	rest := copy(o.flight, o.flight[n:])
	clear(o.flight[rest:])
	o.flight = o.flight[:rest]
}

// depth is how many items and bytes wait, and what was dropped so far.
func (o *outbox) depth() (items, bytes int, droppedEvents, droppedReturns uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.count(), o.bytes, o.droppedEvents, o.droppedReturns
}
