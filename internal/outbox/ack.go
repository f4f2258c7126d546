package outbox

import "context"

// ack is one acknowledgement on its way to the committer.
type ack struct {
	q       *Queue
	lanes   [MaxKinds][]ackItem
	discard bool
}

type ackItem struct {
	seq  uint64
	size int64
}

// Ack removes items that Take handed out and that the upstream has now. Per kind they must be the first ones waiting, in
// order, as Take returned them: all of a Take, or its first n. Items that were acknowledged before are ignored. ErrOrder
// means that nothing was acknowledged.
//
// The next Take does not return them; on disk they go with the next group commit, which is not waited for. So after
// a crash they may be offered again.
func (q *Queue) Ack(items []Taken) error { return q.remove(items, false) }

// Discard is Ack for items that the upstream will never take; they count as Discarded.
func (q *Queue) Discard(items []Taken) error { return q.remove(items, true) }

func (q *Queue) remove(items []Taken, discard bool) error {
	a := &ack{q: q, discard: discard}
	n, err := q.accept(a, items)
	if err != nil || n == 0 {
		return err
	}
	return q.s.input.Put(context.Background(), op{ack: a, entries: 1})
}

// accept notes items as acknowledged.
func (q *Queue) accept(a *ack, items []Taken) (n int, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.gone {
		return 0, ErrGone
	}
	upTo := q.acked
	for i := range items {
		it := &items[i]
		if it.Kind >= MaxKinds || it.Seq > q.held[it.Kind] || it.prev > upTo[it.Kind] {
			return 0, ErrOrder
		}
		if it.Seq <= upTo[it.Kind] {
			continue
		}
		upTo[it.Kind] = it.Seq
		a.lanes[it.Kind] = append(a.lanes[it.Kind], ackItem{it.Seq, it.size()})
		n++
	}
	q.acked = upTo
	return n, nil
}

// fewAcks is up to how many items are deleted one by one. A range deletion costs reads until it is compacted.
const fewAcks = 32

// ack removes what is still there: after a reopened engine the same items may be acknowledged twice.
func (g *group) ack(a *ack) error {
	q := a.q
	if q.gone || q.leaving {
		return nil
	}
	g.touch(q)
	for k := range a.lanes {
		l := &q.next.lanes[k]
		items := a.lanes[k]
		for len(items) > 0 && items[0].seq < l.head {
			items = items[1:]
		}
		if len(items) == 0 {
			continue
		}
		last := items[len(items)-1].seq
		if err := g.deleteItems(q.id, uint8(k), items); err != nil {
			return err
		}
		for _, it := range items {
			l.bytes -= it.size
		}
		l.items -= int64(len(items))
		l.head = last + 1
		if a.discard {
			q.next.counts.Discarded += uint64(len(items))
		} else {
			q.next.counts.Acknowledged += uint64(len(items))
		}
	}
	return nil
}

func (g *group) deleteItems(id uint32, kind uint8, items []ackItem) error {
	if len(items) > fewAcks {
		lower := appendItemKey(nil, id, kind, items[0].seq)
		return g.batch.DeleteRange(lower, appendItemKey(nil, id, kind, items[len(items)-1].seq+1), nil)
	}
	for _, it := range items {
		g.buf = appendItemKey(g.buf[:0], id, kind, it.seq)
		if err := g.batch.Delete(g.buf, nil); err != nil {
			return err
		}
	}
	return nil
}

// sweep deletes once more, as a range, what was deleted one by one: the engine frees whole files for a range, and soon,
// but keeps single deletions for long.
func (g *group) sweep(queues []*Queue) error {
	for _, q := range queues {
		if q.gone || q.leaving {
			continue
		}
		for k := range uint8(MaxKinds) {
			head := q.cur.lanes[k].head // cur is written by this goroutine only; next may be ahead, which is fine
			if head <= q.swept[k] {
				continue
			}
			err := g.batch.DeleteRange(appendItemKey(nil, q.id, k, q.swept[k]), appendItemKey(nil, q.id, k, head), nil)
			if err != nil {
				return err
			}
			q.swept[k], g.swept = head, true
		}
	}
	return nil
}
