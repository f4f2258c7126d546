package outbox

import (
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// makeRoom drops the oldest items of the lowest kind until one more of kind and size fits. Only kinds up to the new
// one's give way, and nothing that is handed out.
func (g *group) makeRoom(q *Queue, kind uint8, size int64) (dropped int, room bool, err error) {
	o := &g.s.opts
	for {
		items, bytes := q.next.waiting()
		if items < o.MaxItems && bytes+size <= o.MaxBytes {
			return dropped, true, nil
		}
		ok, err := g.dropLowest(q, kind)
		if err != nil || !ok {
			return dropped, false, err
		}
		dropped++
		q.next.counts.DroppedFull++
		q.drops.full++
	}
}

func (g *group) dropLowest(q *Queue, upTo uint8) (bool, error) {
	for k := uint8(0); k <= upTo; k++ {
		if q.next.lanes[k].items == 0 {
			continue
		}
		if ok, err := g.dropOldest(q, k); err != nil || ok {
			return ok, err
		}
	}
	return false, nil
}

// dropOldest removes the oldest item of a lane that is not handed out; false when there is none.
func (g *group) dropOldest(q *Queue, kind uint8) (bool, error) {
	r, err := g.laneReader(q, kind)
	if err != nil {
		return false, err
	}
	for r.valid {
		if ok, err := g.dropAt(q, r); err != nil || ok {
			return ok, err
		}
	}
	fresh := q.fresh[kind]
	if len(fresh) == 0 {
		return false, nil
	}
	it := fresh[0]
	q.fresh[kind] = fresh[1:]
	held, _ := q.doom(kind, it.seq) // nobody could take it yet
	q.next.lanes[kind].dropped(it.seq, held)
	return true, g.removeItem(q, kind, it.seq, it.size, it.key)
}

// dropAt removes the item at which r stands, and moves on; false when it is handed out.
func (g *group) dropAt(q *Queue, r *laneReader) (bool, error) {
	held, ok := q.doom(r.id.kind, r.seq)
	if !ok {
		return false, r.seek(held + 1)
	}
	if err := g.removeItem(q, r.id.kind, r.seq, r.view.size(), string(r.view.key)); err != nil {
		return false, err
	}
	q.next.lanes[r.id.kind].dropped(r.seq, held)
	return true, r.next()
}

// dropped moves the head, unless items that are handed out stand before the dropped one.
func (l *lane) dropped(seq, held uint64) {
	if held < l.head {
		l.head = seq + 1
	}
}

// doom hides an item from Take, unless it is handed out already.
func (q *Queue) doom(kind uint8, seq uint64) (held uint64, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	held = q.held[kind]
	if seq <= held {
		return held, false
	}
	q.doomed[kind].add(seq, held)
	return held, true
}

// laneReader goes through the committed items of a lane, oldest first, for those that drop them. It lives as long as
// the group.
type laneReader struct {
	it    *pebble.Iterator
	id    laneID
	valid bool
	seq   uint64
	view  itemView
}

func (g *group) laneReader(q *Queue, kind uint8) (*laneReader, error) {
	id := laneID{q.id, kind}
	if r := g.oldest[id]; r != nil {
		return r, nil
	}
	it, err := g.eng.db.NewIter(&pebble.IterOptions{
		LowerBound: appendItemKey(nil, q.id, kind, 0),
		UpperBound: appendItemKey(nil, q.id, kind+1, 0),
	})
	if err != nil {
		return nil, err
	}
	r := &laneReader{it: it, id: id}
	g.oldest[id] = r
	q.mu.Lock()
	from := max(q.cur.lanes[kind].head, q.held[kind]+1, q.doomed[kind].end()+1)
	q.mu.Unlock()
	return r, r.seek(from)
}

func (r *laneReader) seek(seq uint64) error {
	r.valid = r.it.SeekGE(appendItemKey(nil, r.id.queue, r.id.kind, seq))
	return r.load()
}

func (r *laneReader) next() error {
	r.valid = r.it.Next()
	return r.load()
}

func (r *laneReader) load() error {
	if !r.valid {
		return r.it.Error()
	}
	v, err := r.it.ValueAndErr()
	if err != nil {
		return err
	}
	r.seq = lastSeq(r.it.Key())
	r.view, err = decodeItem(v)
	return err
}

func (r *laneReader) close() error { return r.it.Close() }

// expireStep is how many items of a queue one group drops for their age, so that writers never wait behind it.
const expireStep = 2000

// expire drops items that are too old; more is true when there may be others.
func (g *group) expire(q *Queue) (more bool, err error) {
	cutoff := g.now.Add(-g.s.opts.MaxAge)
	left := expireStep
	for k := range uint8(MaxKinds) {
		if q.cur.lanes[k].items == 0 { // cur is written by this goroutine only
			continue
		}
		r, err := g.laneReader(q, k)
		if err != nil {
			return false, err
		}
		for r.valid && r.view.stored.Before(cutoff) {
			if left == 0 {
				return true, nil
			}
			g.touch(q)
			ok, err := g.dropAt(q, r)
			if err != nil {
				return false, err
			}
			if !ok {
				continue
			}
			q.next.counts.DroppedAge++
			q.drops.age++
			left--
		}
	}
	return false, nil
}

// dropLog sums up losses of a queue for one line a minute.
type dropLog struct {
	full, age, refused uint64
	last               time.Time
}

const dropLogPause = time.Minute

func (q *Queue) logDrops(log *slog.Logger, now time.Time) {
	d := &q.drops
	if d.full+d.age+d.refused == 0 || !d.last.IsZero() && now.Sub(d.last) < dropLogPause && !now.Before(d.last) {
		return
	}
	items, bytes := q.cur.waiting()
	log.Warn("Items of an outbox queue were lost to its bounds", "queue", q.name, "dropped_full", d.full,
		"dropped_age", d.age, "refused_full", d.refused, "waiting", items, "waiting_bytes", bytes)
	*d = dropLog{last: now}
}
