package outbox

import (
	"fmt"
)

// Counts of a queue, since it was created; they survive restarts and crashes.
//
//	Received = Stored + Duplicates + Refused
//	Stored   = Acknowledged + DroppedAge + DroppedFull + Discarded + waiting
type Counts struct {
	Received     uint64 // entries given to Put
	Stored       uint64
	Duplicates   uint64 // their key was known
	Refused      uint64 // not acceptable, queue full of held items, disk full or failed
	Acknowledged uint64
	DroppedAge   uint64 // too old
	DroppedFull  uint64 // gave way to newer items
	Discarded    uint64 // by Queue.Discard
}

func (c *Counts) fields() []*uint64 {
	return []*uint64{
		&c.Received, &c.Stored, &c.Duplicates, &c.Refused,
		&c.Acknowledged, &c.DroppedAge, &c.DroppedFull, &c.Discarded,
	}
}

// lane holds the waiting items of one kind.
type lane struct {
	head  uint64 // no item waits below it
	items int64
	bytes int64
}

// queueState is all that is remembered of a queue in memory, and its record on disk.
type queueState struct {
	seq     uint64 // last one given out
	keys    int64  // remembered keys, those of waiting items included
	keyHead uint64 // no age entry is below it
	counts  Counts
	lanes   [MaxKinds]lane
}

func (st *queueState) waiting() (items, bytes int64) {
	for i := range st.lanes {
		items += st.lanes[i].items
		bytes += st.lanes[i].bytes
	}
	return items, bytes
}

// firstWaiting is a seq below which no item waits.
func (st *queueState) firstWaiting() uint64 {
	first := st.seq + 1
	for i := range st.lanes {
		if l := &st.lanes[i]; l.items > 0 {
			first = min(first, l.head)
		}
	}
	return first
}

func (st *queueState) balance(name string) error {
	items, bytes := st.waiting()
	c := &st.counts
	if c.Received != c.Stored+c.Duplicates+c.Refused {
		return fmt.Errorf("%w: queue %q: received %d, but stored %d, duplicates %d, refused %d",
			ErrBalance, name, c.Received, c.Stored, c.Duplicates, c.Refused)
	}
	gone := c.Acknowledged + c.DroppedAge + c.DroppedFull + c.Discarded
	if items < 0 || bytes < 0 || c.Stored != gone+uint64(items) {
		return fmt.Errorf("%w: queue %q: stored %d, but acknowledged %d, dropped %d, waiting %d (%d bytes)",
			ErrBalance, name, c.Stored, c.Acknowledged, gone-c.Acknowledged, items, bytes)
	}
	return nil
}

// below is the last seq of a kind that surely does not wait.
func (st *queueState) below(kind int) uint64 {
	return max(st.lanes[kind].head, 1) - 1
}
