package outbox

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// Take returns the oldest items, in the order in which they were stored, without removing them: until Ack the next Take
// returns them again. It stops before maxItems or maxBytes (of keys and bodies) would be passed, but returns at least
// one item when one waits. With kinds given, items of other kinds are passed over. What Take handed out is
// not dropped by any bound: keep maxItems small beside MaxItems.
//
// The queue has one consumer. The bodies are the caller's.
func (q *Queue) Take(maxItems, maxBytes int, kinds ...uint8) ([]Taken, error) {
	e, err := q.s.read()
	if err != nil {
		return nil, err
	}
	defer q.s.endRead()
	for {
		items, err := q.readHead(e, maxItems, maxBytes, kinds)
		if err != nil {
			return nil, fmt.Errorf("take from queue %q: %w", q.name, err)
		}
		held, err := q.hold(items)
		if err != nil || len(held) > 0 || len(items) == 0 {
			return held, err
		}
		// All of it was dropped while it was read: look at what is left.
	}
}

// taking merges the lanes of a queue.
type taking struct {
	q         *Queue
	lanes     []*takeLane
	doomed    [MaxKinds]spans
	slab      []byte
	items     []Taken
	bytes     int
	maxItems  int
	maxBytes  int
	committed uint64
}

type takeLane struct {
	laneReader
	kind uint8
	prev uint64
}

func (q *Queue) readHead(e *engine, maxItems, maxBytes int, kinds []uint8) (items []Taken, err error) {
	q.mu.Lock()
	st, acked, gone := q.cur, q.acked, q.gone
	t := taking{q: q, maxItems: maxItems, maxBytes: maxBytes, committed: st.seq}
	for k := range q.doomed {
		t.doomed[k] = append(spans(nil), q.doomed[k]...)
	}
	q.mu.Unlock()
	if gone {
		return nil, ErrGone
	}
	defer func() {
		for _, l := range t.lanes {
			err = errors.Join(err, l.close())
		}
	}()
	for k := range uint8(MaxKinds) {
		if st.lanes[k].items == 0 || !wanted(kinds, k) {
			continue
		}
		if err := t.open(e, k, max(st.lanes[k].head, acked[k]+1)); err != nil {
			return nil, err
		}
	}
	for len(t.items) < maxItems {
		more, err := t.step()
		if err != nil || !more {
			return t.items, err
		}
	}
	return t.items, nil
}

func wanted(kinds []uint8, kind uint8) bool {
	for _, k := range kinds {
		if k == kind {
			return true
		}
	}
	return len(kinds) == 0
}

func (t *taking) open(e *engine, kind uint8, from uint64) error {
	// Up to the last commit seen above: a later one could show in one lane and not in the other.
	it, err := e.db.NewIter(&pebble.IterOptions{
		LowerBound: appendItemKey(nil, t.q.id, kind, from),
		UpperBound: appendItemKey(nil, t.q.id, kind, t.committed+1),
	})
	if err != nil {
		return err
	}
	l := &takeLane{kind: kind, prev: from - 1, laneReader: laneReader{it: it, id: laneID{t.q.id, kind}}}
	t.lanes = append(t.lanes, l)
	l.valid = it.First()
	if err := l.load(); err != nil {
		return err
	}
	return t.skipDoomed(l)
}

func (t *taking) skipDoomed(l *takeLane) error {
	for l.valid {
		last, doomed := t.doomed[l.kind].find(l.seq)
		if !doomed {
			break
		}
		if err := l.seek(last + 1); err != nil {
			return err
		}
	}
	return nil
}

// step copies the oldest item of all lanes.
func (t *taking) step() (more bool, err error) {
	var l *takeLane
	for _, other := range t.lanes {
		if other.valid && (l == nil || other.seq < l.seq) {
			l = other
		}
	}
	if l == nil {
		return false, nil
	}
	size := len(l.view.key) + len(l.view.body)
	if t.bytes += size; t.bytes > t.maxBytes && len(t.items) > 0 {
		return false, nil
	}
	t.items = append(t.items, Taken{
		Item: Item{Kind: l.kind, Key: string(l.view.key), Body: t.copyBody(l.view.body), Stored: l.view.stored},
		Seq:  l.seq,
		prev: l.prev,
	})
	l.prev = l.seq
	if err := l.next(); err != nil {
		return false, err
	}
	return true, t.skipDoomed(l)
}

const slabSize = 64 << 10

// copyBody copies small bodies into common slabs: items of a Take live and die together.
func (t *taking) copyBody(body []byte) []byte {
	if len(body) > slabSize/8 {
		return append([]byte(nil), body...)
	}
	if len(t.slab)+len(body) > cap(t.slab) {
		t.slab = make([]byte, 0, slabSize)
	}
	at := len(t.slab)
	t.slab = append(t.slab, body...)
	return t.slab[at:len(t.slab):len(t.slab)]
}

// hold protects the items from being dropped, and leaves out those that were meanwhile.
func (q *Queue) hold(items []Taken) ([]Taken, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.gone {
		return nil, ErrGone
	}
	held := items[:0]
	var prev, met [MaxKinds]uint64
	for _, it := range items {
		if met[it.Kind]++; met[it.Kind] == 1 {
			prev[it.Kind] = it.prev
		}
		if _, doomed := q.doomed[it.Kind].find(it.Seq); doomed {
			continue
		}
		it.prev, prev[it.Kind] = prev[it.Kind], it.Seq
		q.held[it.Kind] = max(q.held[it.Kind], it.Seq)
		held = append(held, it)
	}
	return held, nil
}
