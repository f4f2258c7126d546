package jobcache

import (
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// counters are written by the committer and read by Stats.
type counters struct {
	groups, writes, stored, duplicates, skipped, failed, expired atomic.Uint64
	largestGroup, commitNanos                                    atomic.Int64
}

func (c *counters) group(writes int, took time.Duration) {
	c.groups.Add(1)
	c.writes.Add(uint64(writes))
	c.commitNanos.Add(int64(took))
	if n := int64(writes); n > c.largestGroup.Load() {
		c.largestGroup.Store(n)
	}
}

func (c *counters) outcome(o Outcome) {
	switch {
	case o.Err != nil:
		c.failed.Add(1)
	case o.Duplicate:
		c.duplicates.Add(1)
	case o.Skipped:
		c.skipped.Add(1)
	default:
		c.stored.Add(1)
	}
}

// Stats is a snapshot of a store, for metrics and status pages. Counts are since Open.
type Stats struct {
	Groups       uint64        // group commits
	Writes       uint64        // writes in them
	LargestGroup int           // most writes in one
	CommitTime   time.Duration // spent building and syncing groups

	ReturnsStored     uint64
	ReturnsDuplicate  uint64
	ReturnsSkipped    uint64 // for jobs marked NoCache
	ReturnsFailed     uint64
	JobsExpired       uint64
	QueueDepth        int   // writes waiting now
	QueueBytes        int64 // their bodies
	QueueCapacity     int
	QueueFullWaits    uint64 // how often a caller had to wait for room
	DiskBytes         uint64 // all files, logs and leftovers included
	TableBytes        int64  // the sorted tables: what the stored jobs take
	MemTableBytes     uint64
	CacheBytes        int64
	FormatMajor       int // the engine's format on disk
	CompactionBacklog uint64
}

// Stats returns a snapshot. After Close only the counters are filled in.
func (s *Store) Stats() Stats {
	c := &s.counts
	st := Stats{
		Groups:           c.groups.Load(),
		Writes:           c.writes.Load(),
		LargestGroup:     int(c.largestGroup.Load()),
		CommitTime:       time.Duration(c.commitNanos.Load()),
		ReturnsStored:    c.stored.Load(),
		ReturnsDuplicate: c.duplicates.Load(),
		ReturnsSkipped:   c.skipped.Load(),
		ReturnsFailed:    c.failed.Load(),
		JobsExpired:      c.expired.Load(),
		QueueCapacity:    s.opts.QueueReturns,
	}
	waiting, blocked := s.queue.Depth()
	st.QueueDepth, st.QueueBytes, st.QueueFullWaits = waiting.Count, waiting.Bytes, blocked
	if s.read() != nil {
		return st
	}
	defer s.endRead()
	m := s.db.Metrics()
	st.DiskBytes = m.DiskSpaceUsage()
	st.TableBytes = tableBytes(m)
	st.MemTableBytes = m.MemTable.Size
	st.CacheBytes = m.BlockCache.Size
	st.CompactionBacklog = m.Compact.EstimatedDebt
	st.FormatMajor = int(s.db.FormatMajorVersion())
	return st
}

func tableBytes(m *pebble.Metrics) (n int64) {
	for i := range m.Levels {
		n += m.Levels[i].TablesSize
	}
	return n
}
