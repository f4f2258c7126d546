package outbox

import (
	"github.com/cockroachdb/pebble/v2"
)

// trimStep is how many keys of a queue one group forgets at most; more than one group adds.
const trimStep = 2 * groupEntries

// trimKeys forgets the oldest keys: beyond MaxKeys, and with byAge those older than KeyAge. The key of a waiting item
// is kept for as long as it waits, unless that made more than MaxKeys and MaxItems together.
func (g *group) trimKeys(q *Queue, limit int, byAge bool) error {
	st, o := &q.next, &g.s.opts
	if st.keys <= o.MaxKeys && !byAge || st.keys == 0 {
		return nil
	}
	it, err := g.eng.db.NewIter(&pebble.IterOptions{
		LowerBound: appendDedupAge(nil, q.id, st.keyHead),
		UpperBound: appendPart(nil, q.id, partKeyAge+1),
	})
	if err != nil {
		return err
	}
	err = g.trimFrom(it, q, limit, byAge)
	if cerr := it.Close(); err == nil {
		err = cerr
	}
	return err
}

func (g *group) trimFrom(it *pebble.Iterator, q *Queue, limit int, byAge bool) error {
	st, o := &q.next, &g.s.opts
	cutoff := g.now.Add(-o.KeyAge)
	waiting := st.firstWaiting()
	for ok := it.First(); ok && limit > 0; ok = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		at, key, err := decodeAge(value)
		if err != nil {
			return err
		}
		seq := lastSeq(it.Key())
		over := st.keys > o.MaxKeys || byAge && at.Before(cutoff)
		if !over || seq >= waiting && st.keys <= o.MaxKeys+o.MaxItems {
			break
		}
		// Its item may have been dropped in this very group, and the key with it.
		if kept, changed := g.seen[dedupKey{q.id, string(key)}]; !changed || kept {
			if err := g.removeKey(q, seq, string(key)); err != nil {
				return err
			}
		}
		st.keyHead = seq + 1
		limit--
	}
	return it.Error()
}
