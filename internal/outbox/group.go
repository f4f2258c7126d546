package outbox

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// group builds the batch of one commit. It belongs to the committer.
//
// The batch is not readable before its commit; so seen, fresh items and facts tell what the group itself has
// changed, and everything else is asked from the engine. An error of the engine while building fails the group as
// a whole: nothing of it is committed.
type group struct {
	s     *Store
	eng   *engine
	batch *pebble.Batch
	now   time.Time
	full  bool // the disk is full: nothing new is accepted

	touched []*Queue
	seen    map[dedupKey]bool // keys added (true) or removed (false)
	oldest  map[laneID]*laneReader
	facts   factWork
	births  []*Queue // made in this group
	swept   bool     // the group deletes ranges of gone items
	promise bool     // the group holds what must be synced before it is answered
	buf     []byte
	val     []byte
}

type dedupKey struct {
	queue uint32
	key   string
}

type laneID struct {
	queue uint32
	kind  uint8
}

func newGroup(s *Store) group {
	return group{
		s:      s,
		seen:   make(map[dedupKey]bool),
		oldest: make(map[laneID]*laneReader),
		facts:  factWork{changed: make(map[string]uint64)},
	}
}

func (g *group) begin(e *engine, now time.Time, full bool) {
	g.eng, g.now, g.full, g.promise, g.swept = e, now, full, false, false
	g.batch = e.db.NewBatch()
	g.facts.count = g.s.factCount
}

// end releases what the group held, after its commit or without one.
func (g *group) end(committed bool) error {
	// The batch holds no file or lock; Close only returns its memory, and its error says "closed twice".
	_ = g.batch.Close()
	g.batch = nil
	var err error
	for _, r := range g.oldest {
		err = errors.Join(err, r.close())
	}
	clear(g.oldest)
	for _, q := range g.touched {
		if committed {
			q.settle()
		} else {
			q.undo()
		}
	}
	if committed {
		g.s.register(g.births, g.touched)
		g.s.factCount = g.facts.count
	}
	clear(g.touched)
	g.touched, g.births = g.touched[:0], nil
	if len(g.seen) > groupEntries || len(g.facts.changed) > groupEntries {
		g.seen, g.facts.changed = make(map[dedupKey]bool), make(map[string]uint64)
	}
	clear(g.seen)
	clear(g.facts.changed)
	return err
}

// finish trims what grew, and writes the states that changed.
func (g *group) finish() error {
	for _, q := range g.touched {
		if q.leaving {
			continue
		}
		if err := g.trimKeys(q, trimStep, false); err != nil {
			return err
		}
		g.val = appendState(g.val[:0], &q.next)
		g.buf = appendPart(g.buf[:0], q.id, partCounters)
		if err := g.batch.Set(g.buf, g.val, nil); err != nil {
			return err
		}
	}
	if g.facts.count > g.s.opts.MaxFacts {
		if _, err := g.expireFacts(); err != nil {
			return err
		}
	}
	if g.facts.count == g.s.factCount {
		return nil
	}
	return g.batch.Set([]byte(factCountKey), binary.AppendUvarint([]byte{recordVersion}, uint64(g.facts.count)), nil)
}

func (g *group) touch(q *Queue) {
	if !q.touched {
		q.touch()
		g.touched = append(g.touched, q)
	}
}

// unit puts the entries and facts of one call.
func (g *group) unit(u *Unit) (result, error) {
	if g.full {
		return result{err: ErrDiskFull}, nil
	}
	r := result{many: make([]Outcome, len(u.Entries))}
	for i := range u.Entries {
		var err error
		if r.many[i], err = g.entry(&u.Entries[i]); err != nil {
			return result{}, err
		}
	}
	for i := range u.Facts {
		if err := g.fact(&u.Facts[i]); err != nil {
			return result{}, err
		}
	}
	g.promise = true
	return r, nil
}

// refused counts a whole unit as refused and makes its outcomes.
func (u *Unit) refused(cause error) []Outcome {
	for i := range u.Entries {
		u.Entries[i].Queue.fail()
	}
	return sameOutcome(len(u.Entries), cause)
}

// sameOutcome also has a place for the error of a unit without entries.
func sameOutcome(n int, err error) []Outcome {
	out := make([]Outcome, max(n, 1))
	for i := range out {
		out[i].Err = err
	}
	return out
}

// fail counts an entry that was refused outside of a group.
func (q *Queue) fail() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.failed++
}

// entry judges and stores one item. Its error is the engine's.
func (g *group) entry(en *Entry) (Outcome, error) {
	q, it := en.Queue, &en.Item
	if q.gone || q.leaving { // gone is written by this goroutine only
		return Outcome{Err: ErrGone}, nil
	}
	g.touch(q)
	q.next.counts.Received++
	if err := checkItem(it, g.s.opts.MaxBytes); err != nil {
		q.next.counts.Refused++
		return Outcome{Err: err}, nil
	}
	known, err := g.known(q, it.Key)
	if err != nil {
		return Outcome{}, err
	}
	if known {
		q.next.counts.Duplicates++
		return Outcome{Duplicate: true}, nil
	}
	dropped, room, err := g.makeRoom(q, it.Kind, it.size())
	if err != nil {
		return Outcome{}, err
	}
	if !room {
		q.next.counts.Refused++
		q.drops.refused++
		return Outcome{Dropped: dropped, Err: ErrFull}, nil
	}
	return Outcome{Dropped: dropped}, g.putItem(q, it)
}

func checkItem(it *Item, maxBytes int64) error {
	switch {
	case it.Kind >= MaxKinds:
		return fmt.Errorf("%w: kind %d", ErrItem, it.Kind)
	case len(it.Key) > MaxKey:
		return fmt.Errorf("%w: key of %d bytes", ErrItem, len(it.Key))
	case len(it.Body) > MaxBody || it.size() > maxBytes:
		return fmt.Errorf("%w: body of %d bytes", ErrItem, len(it.Body))
	}
	return nil
}

// known tells whether a key was seen before.
func (g *group) known(q *Queue, key string) (bool, error) {
	if key == "" {
		return false, nil
	}
	if added, ok := g.seen[dedupKey{q.id, key}]; ok {
		return added, nil
	}
	g.buf = appendDedupKey(g.buf[:0], q.id, key)
	return g.eng.get(g.buf, nil)
}

// putItem writes an item, its key and the key's age. An empty batch only returns the errors of an index, which it does
// not have.
func (g *group) putItem(q *Queue, it *Item) error {
	st := &q.next
	st.seq++
	l := &st.lanes[it.Kind]
	if l.items == 0 {
		l.head = st.seq
	}
	l.items++
	l.bytes += it.size()
	st.counts.Stored++
	q.stored = true
	if err := g.setItem(q.id, it, st.seq); err != nil {
		return err
	}
	q.fresh[it.Kind] = append(q.fresh[it.Kind], freshItem{st.seq, it.size(), it.Key})
	if it.Key == "" {
		return nil
	}
	g.seen[dedupKey{q.id, it.Key}] = true
	if st.keys == 0 {
		st.keyHead = st.seq
	}
	st.keys++
	g.buf = appendDedupKey(g.buf[:0], q.id, it.Key)
	g.val = binary.BigEndian.AppendUint64(g.val[:0], st.seq)
	if err := g.batch.Set(g.buf, g.val, nil); err != nil {
		return err
	}
	g.buf = appendDedupAge(g.buf[:0], q.id, st.seq)
	g.val = appendAge(g.val[:0], g.now, it.Key)
	return g.batch.Set(g.buf, g.val, nil)
}

// setItem encodes the item in place: a large body is copied once, not twice.
func (g *group) setItem(id uint32, it *Item, seq uint64) error {
	g.buf = appendItemKey(g.buf[:0], id, it.Kind, seq)
	size := 1 + 8 + uvarintLen(len(it.Key)) + len(it.Key) + len(it.Body)
	w := g.batch.SetDeferred(len(g.buf), size)
	copy(w.Key, g.buf)
	appendItem(w.Value[:0], it, g.now)
	return w.Finish()
}

func uvarintLen(n int) int {
	size := 1
	for ; n >= 0x80; n >>= 7 {
		size++
	}
	return size
}

// removeItem deletes a waiting item and, so that it can be stored again, its key.
func (g *group) removeItem(q *Queue, kind uint8, seq uint64, size int64, key string) error {
	st := &q.next
	l := &st.lanes[kind]
	l.items--
	l.bytes -= size
	if err := g.batch.Delete(appendItemKey(g.buf[:0], q.id, kind, seq), nil); err != nil || key == "" {
		return err
	}
	return g.removeKey(q, seq, key)
}

// removeKey forgets a key, unless its time was over before the item's.
func (g *group) removeKey(q *Queue, seq uint64, key string) error {
	g.buf = appendDedupAge(g.buf[:0], q.id, seq)
	if seq < q.next.keyHead {
		return nil
	}
	g.seen[dedupKey{q.id, key}] = false
	q.next.keys--
	if err := g.batch.Delete(g.buf, nil); err != nil {
		return err
	}
	g.buf = appendDedupKey(g.buf[:0], q.id, key)
	return g.batch.Delete(g.buf, nil)
}
