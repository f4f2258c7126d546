package outbox

import (
	"fmt"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// Queue is what waits for one upstream. See the package comment for its rules.
type Queue struct {
	s    *Store
	name string
	id   uint32
	wake chan struct{}

	mu     sync.Mutex
	cur    queueState       // as of the last commit
	failed uint64           // entries refused by failed commits, not yet in cur
	acked  [MaxKinds]uint64 // up to here acknowledged; the disk may lag behind
	held   [MaxKinds]uint64 // up to here handed out: never dropped by a bound
	doomed [MaxKinds]spans  // dropped or being dropped
	gone   bool             // dropped by Store.Drop

	work // of the committer alone
}

// work is what the committer changes while it builds a group.
type work struct {
	next    queueState
	touched bool                  // next is valid
	folded  uint64                // of failed, already in next
	before  [MaxKinds]spans       // doomed as it was
	fresh   [MaxKinds][]freshItem // put in this group, so not readable yet
	stored  bool
	leaving bool // Drop is in this group
	swept   [MaxKinds]uint64
	drops   dropLog
}

type freshItem struct {
	seq  uint64
	size int64
	key  string
}

func newQueue(s *Store, name string, id uint32, st queueState) *Queue {
	q := &Queue{s: s, name: name, id: id, wake: make(chan struct{}, 1), cur: st}
	q.rewind()
	if items, _ := st.waiting(); items > 0 {
		q.wake <- struct{}{}
	}
	return q
}

// Name is the name given to Store.Queue.
func (q *Queue) Name() string { return q.name }

// Wake delivers a token when items were stored since the last token, and after Open when some are waiting.
func (q *Queue) Wake() <-chan struct{} { return q.wake }

func (q *Queue) nudge() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// touch begins the committer's work on q, if it has not.
func (q *Queue) touch() {
	if q.touched {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.touched = true
	q.next, q.folded = q.cur, q.failed
	for k := range q.doomed {
		q.before[k] = append(q.before[k][:0], q.doomed[k]...)
	}
	q.next.counts.Received += q.folded
	q.next.counts.Refused += q.folded
}

// settle ends the work on q after its group was committed.
func (q *Queue) settle() {
	q.mu.Lock()
	q.cur = q.next
	q.failed -= q.folded
	q.gone = q.gone || q.leaving
	for k := range q.cur.lanes {
		q.acked[k] = max(q.acked[k], q.cur.below(k))
		q.doomed[k].forget(q.cur.below(k))
	}
	q.mu.Unlock()
	if q.stored {
		q.nudge()
	}
	q.rest()
}

// undo ends the work on q after its group failed: what was to be dropped or acknowledged waits again.
func (q *Queue) undo() {
	q.mu.Lock()
	for k := range q.doomed {
		q.doomed[k] = append(q.doomed[k][:0], q.before[k]...)
	}
	q.rewind()
	q.mu.Unlock()
	q.swept = [MaxKinds]uint64{}
	q.rest()
}

// rewind offers again what is acknowledged but not on disk. Caller holds the lock.
func (q *Queue) rewind() {
	for k := range q.cur.lanes {
		q.acked[k] = q.cur.below(k)
	}
}

func (q *Queue) rest() {
	q.touched, q.stored, q.leaving = false, false, false
	for k := range q.fresh {
		clear(q.fresh[k])
		q.fresh[k] = q.fresh[k][:0]
		if cap(q.fresh[k]) > groupEntries {
			q.fresh[k] = nil
		}
	}
}

// reload takes the state that a newly opened engine has.
func (q *Queue) reload(st queueState) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.cur = st
	q.doomed = [MaxKinds]spans{}
	q.rewind()
}

// Stats of a queue.
type Stats struct {
	Counts
	Name   string
	Items  int64              // waiting, those handed out included
	Bytes  int64              // of them, ItemOverhead included
	Kinds  [MaxKinds]LaneSize // the same by kind
	Keys   int64              // remembered for the duplicate check
	Oldest time.Time          // when the oldest waiting item was stored; zero when none waits
}

// LaneSize is what waits of one kind.
type LaneSize struct {
	Items, Bytes int64
}

// Stats returns the counters as of the last commit. It reads the oldest items; when that fails, the error comes with
// everything else filled in.
func (q *Queue) Stats() (Stats, error) {
	q.mu.Lock()
	st, failed := q.cur, q.failed
	q.mu.Unlock()
	out := Stats{Name: q.name, Counts: st.counts, Keys: st.keys}
	out.Received += failed
	out.Refused += failed
	out.Items, out.Bytes = st.waiting()
	for k := range st.lanes {
		out.Kinds[k] = LaneSize{st.lanes[k].items, st.lanes[k].bytes}
	}
	e, err := q.s.read()
	if err != nil {
		return out, err
	}
	defer q.s.endRead()
	for k := range st.lanes {
		if st.lanes[k].items == 0 {
			continue
		}
		err := e.scan(appendItemKey(nil, q.id, uint8(k), st.lanes[k].head), appendItemKey(nil, q.id, uint8(k), st.seq+1),
			func(_, value []byte) error {
				v, err := decodeItem(value)
				if err != nil {
					return err
				}
				if out.Oldest.IsZero() || v.stored.Before(out.Oldest) {
					out.Oldest = v.stored
				}
				return ErrStop
			})
		if err != nil {
			return out, fmt.Errorf("oldest item of queue %q: %w", q.name, err)
		}
	}
	return out, nil
}

// Balance checks the equations of Counts. It costs nothing.
func (q *Queue) Balance() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.cur.balance(q.name)
}

// Audit checks Balance and counts every item and key on disk against it. It reads all of the queue, but keeps nothing
// in memory; the queue may be in use.
func (q *Queue) Audit() error {
	e, err := q.s.read()
	if err != nil {
		return err
	}
	defer q.s.endRead()
	snap := e.db.NewSnapshot()
	defer func() { _ = snap.Close() }() // its error says "closed twice"
	st, found, err := loadState(snap, q.id)
	if err != nil || !found {
		return err
	}
	if err := st.balance(q.name); err != nil {
		return err
	}
	var seen queueState
	ageKeys := int64(0)
	err = scanReader(snap, appendPart(nil, q.id, 0), appendPart(nil, q.id, 0xff), func(key, value []byte) error {
		switch key[5] {
		case partItem:
			v, err := decodeItem(value)
			if err != nil || len(key) != 15 || key[6] >= MaxKinds {
				return fmt.Errorf("%w: item %x", ErrRecord, key)
			}
			l := &seen.lanes[key[6]]
			l.items++
			l.bytes += v.size()
			if seq := lastSeq(key); seq < st.lanes[key[6]].head || seq > st.seq {
				return fmt.Errorf("%w: queue %q: item %d of kind %d is out of its lane", ErrBalance, q.name, seq, key[6])
			}
		case partKey:
			seen.keys++
		case partKeyAge:
			ageKeys++
		}
		return nil
	})
	if err != nil {
		return err
	}
	for k := range st.lanes {
		if a, b := st.lanes[k], seen.lanes[k]; a.items != b.items || a.bytes != b.bytes {
			return fmt.Errorf("%w: queue %q, kind %d: %d items (%d bytes) counted, %d (%d) on disk",
				ErrBalance, q.name, k, a.items, a.bytes, b.items, b.bytes)
		}
	}
	if seen.keys != st.keys || ageKeys != st.keys {
		return fmt.Errorf("%w: queue %q: %d keys counted, %d and %d on disk", ErrBalance, q.name, st.keys, seen.keys, ageKeys)
	}
	return nil
}

// loadState reads a queue's record.
func loadState(r pebble.Reader, id uint32) (st queueState, found bool, err error) {
	err = scanReader(r, appendPart(nil, id, partCounters), appendPart(nil, id, partCounters+1), func(_, value []byte) error {
		found = true
		var err error
		st, err = decodeState(value)
		return err
	})
	return st, found, err
}
