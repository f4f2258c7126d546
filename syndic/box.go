package syndic

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/saltern-io/saltern/internal/outbox"
	"github.com/saltern-io/saltern/internal/wire"
)

// box is the sender's view of one upstream's queue in the outbox. What take handed out stays, and is handed out again
// with the same content, until ack; after a crash what was acknowledged last may come once more.
//
//	committed ─▶ wake ─▶ take ─▶ flight (both kinds, in order) ─▶ a batch of one kind ─▶ ack
//
// Each kind keeps its order, since one request carries only one kind. A return never overtakes the announcement of a
// job that stood before it.
type box struct {
	q    *outbox.Queue
	wake chan struct{} // one token: there is something

	items, bytes atomic.Int64 // committed since the last take
	urgent       atomic.Bool  // one of them is
	more         atomic.Bool  // there may be more behind what take saw

	// Of the sender alone.
	flight []flying
	picked int // how many of the flight, first of their kind, the last take dealt with
	events bool
	doubt  int // so many returns, first of the queue, may have arrived: see unsure

	mu       sync.Mutex
	inFlight int
}

// flying is an item that take handed out.
type flying struct {
	taken   outbox.Taken
	item    Item
	arrived bool // the upstream has it: it is not handed out again, and goes with those before it
}

func newBox(q *outbox.Queue) *box {
	b := &box{q: q, wake: make(chan struct{}, 1)}
	b.more.Store(true) // of the life before
	if st, err := q.Stats(); err != nil || st.Kinds[kindReturn].Items > 0 {
		b.doubt = doubtAtStart
	}
	b.nudge()
	return b
}

// nudge wakes the sender.
func (b *box) nudge() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// committed notes items that are on disk now.
func (b *box) committed(items, bytes int, urgent bool) {
	b.items.Add(int64(items))
	b.bytes.Add(int64(bytes))
	if urgent {
		b.urgent.Store(true)
	}
	b.nudge()
}

// waiting tells what the sender has to do: nothing, soon, or now.
type waiting uint8

const (
	waitingNone   waiting = iota
	waitingEvents         // nobody upstream waits for what is there
	waitingUrgent         // somebody does
	waitingFull           // a batch is full, or comes back after a failure
)

func (b *box) state() waiting {
	n := b.items.Load()
	switch {
	case len(b.flight) > 0, b.more.Load(), n >= maxBatchItems, b.bytes.Load() >= maxBatchBytes:
		return waitingFull
	case b.urgent.Load():
		return waitingUrgent
	case n > 0:
		return waitingEvents
	}
	return waitingNone
}

// take hands out the next items of one kind, at most limit of them, in order. They stay until ack.
// After a failure it hands out the same items again, or with a lower limit the first of them.
func (b *box) take(limit int) (batch, error) {
	if len(b.flight) == 0 {
		if err := b.fill(); err != nil {
			return batch{}, err
		}
	}
	list := b.pick(limit)
	return makeBatch(list), nil
}

// fill reads the next items. What cannot be read is discarded: it would hold up everything behind it.
func (b *box) fill() error {
	b.items.Store(0)
	b.bytes.Store(0)
	b.urgent.Store(false)
	taken, err := b.q.Take(maxBatchItems, maxBatchBytes)
	if err != nil {
		b.more.Store(true)
		return err
	}
	b.more.Store(len(taken) > 0)
	bad := error(nil)
	for _, t := range taken {
		item, err := readItem(t.Kind, t.Body)
		if err != nil {
			bad = errors.Join(bad, err, b.q.Discard([]outbox.Taken{t}))
			if len(b.flight) > 0 {
				break // the order of acknowledgements: the rest next time
			}
			continue
		}
		b.flight = append(b.flight, flying{taken: t, item: item})
	}
	b.setFlight()
	return bad
}

func (b *box) setFlight() {
	b.mu.Lock()
	b.inFlight = len(b.flight)
	b.mu.Unlock()
}

// pick chooses the batch: the kind of the first item; returns only up to the next announcement.
func (b *box) pick(limit int) []*Item {
	b.picked = 0
	if len(b.flight) == 0 {
		return nil
	}
	b.events = b.flight[0].item.Return == nil
	list := make([]*Item, 0, min(limit, len(b.flight)))
	for i := range b.flight {
		f := &b.flight[i]
		if !b.events && f.item.Return == nil && f.item.Urgent {
			break
		}
		if (f.item.Return == nil) != b.events {
			continue
		}
		if !f.arrived {
			if len(list) >= limit {
				break
			}
			list = append(list, &f.item)
		}
		b.picked++
	}
	return list
}

// ack removes what the last take handed out: the upstream has it.
func (b *box) ack() error { return b.remove(b.q.Ack) }

// discard removes what the last take handed out: the upstream will never take it.
func (b *box) discard() error { return b.remove(b.q.Discard) }

func (b *box) remove(with func([]outbox.Taken) error) error {
	taken := make([]outbox.Taken, 0, b.picked)
	rest := b.flight[:0]
	for _, f := range b.flight {
		if len(taken) < b.picked && (f.item.Return == nil) == b.events {
			taken = append(taken, f.taken)
			continue
		}
		rest = append(rest, f)
	}
	clear(b.flight[len(rest):])
	b.flight, b.picked = rest, 0
	b.setFlight()
	err := with(taken)
	switch {
	case b.events:
	case err != nil: // they will be read again
		b.doubt = max(b.doubt, len(taken))
	default:
		b.doubt = max(0, b.doubt-len(taken))
	}
	return err
}

// forget lets the flight go without removing anything: the next take reads it again.
func (b *box) forget() {
	returns := 0
	for i := range b.flight {
		if f := &b.flight[i]; f.item.Return != nil {
			if returns++; f.arrived {
				b.doubt = max(b.doubt, returns) // what is known of it goes with the flight
			}
		}
	}
	clear(b.flight)
	b.flight, b.picked = b.flight[:0], 0
	b.more.Store(true)
	b.setFlight()
}

// unanswered notes that nobody knows whether what take gave out has arrived.
func (b *box) unanswered() {
	if !b.events {
		b.doubt = max(b.doubt, b.picked)
	}
}

// unsure returns the returns that may have arrived.
func (b *box) unsure() ([]*wire.SyndicReturn, error) {
	if b.doubt > 0 && len(b.flight) == 0 {
		if err := b.fill(); err != nil {
			return nil, err
		}
	}
	var list []*wire.SyndicReturn
	left := b.doubt
	for i := range b.flight {
		f := &b.flight[i]
		if left == 0 {
			break
		}
		if f.item.Return == nil {
			continue
		}
		if left--; !f.arrived {
			list = append(list, f.item.Return)
		}
	}
	return list, nil
}

// settle ends the doubt: of the returns in question those have arrived whose key is given. They are not handed out any
// more, and leave the queue in their turn.
func (b *box) settle(arrived map[string]bool) {
	left := b.doubt
	for i := range b.flight {
		f := &b.flight[i]
		if left == 0 {
			break
		}
		if r := f.item.Return; r != nil {
			left--
			f.arrived = f.arrived || arrived[returnKey(r.JID, r.Minions[0].ID)]
		}
	}
	b.doubt = 0
}

// idle reports whether nothing is known to wait.
func (b *box) idle() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.inFlight == 0 && !b.more.Load() && b.items.Load() == 0
}
