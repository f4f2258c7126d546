package jobcache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/saltern-io/saltern/jobcache/durable"
)

// expireChunk is how many jobs are dropped by one write, so that returns never wait behind cleaning.
const expireChunk = 100

// aged is a job whose entry in the expiry index is due.
type aged struct {
	jid      string
	indexed  time.Time // its place in the expiry index
	received time.Time // its place in the arrival index
	newest   time.Time // when the job was last written to
	size     int64     // bytes of all its records
}

// garbage sums up what was dropped since the engine was last made to give space back.
type garbage struct {
	bytes        int64
	lower, upper []byte // key range that holds it
}

func (g *garbage) add(a *aged) {
	lower, upper := jobRange(a.jid)
	if g.lower == nil || bytes.Compare(lower, g.lower) < 0 {
		g.lower = lower
	}
	if bytes.Compare(upper, g.upper) > 0 {
		g.upper = upper
	}
	g.bytes += a.size
}

// reclaimMin is how much garbage is not worth a compaction.
const reclaimMin = 1 << 20

// Expire drops every job that was not written to for Options.Keep before now, with its returns, and returns
// how many. Ages are receive times of this store: job ids of other masters, or typed by hand, do not matter.
// A return prolongs its job, as in stock Salt (spec: job-cache §2.1). With Keep 0 nothing happens.
// Space is given back when what was dropped is half of the disk space in use; Expire waits for that. It runs beside
// all other calls, in small steps.
func (s *Store) Expire(now time.Time) (n int, err error) {
	if s.opts.Keep <= 0 {
		return 0, nil
	}
	s.expiring.Lock()
	defer s.expiring.Unlock()
	cutoff := now.Add(-s.opts.Keep)
	for {
		due, err := s.due(cutoff, expireChunk)
		if err == nil && len(due) == 0 {
			err = s.reclaim()
		}
		if err != nil || len(due) == 0 {
			return n, expireError(err)
		}
		dropped, err := s.expireJobs(due, cutoff)
		n += dropped
		if err != nil {
			return n, expireError(err)
		}
	}
}

func expireError(err error) error {
	if err != nil {
		return fmt.Errorf("expire jobs: %w", err)
	}
	return nil
}

// due returns the oldest entries of the expiry index that are older than cutoff.
func (s *Store) due(cutoff time.Time, limit int) ([]aged, error) {
	var due []aged
	lower, upper := timeBounds(prefixAlive, time.Unix(0, 0), cutoff)
	err := s.scan(lower, upper, func(it *pebble.Iterator) error {
		at, jid, ok := parseTimeKey(prefixAlive, it.Key())
		if !ok {
			return fmt.Errorf("%w: expiry index", ErrRecord)
		}
		due = append(due, aged{jid: jid, indexed: at})
		if len(due) == limit {
			return ErrStop
		}
		return nil
	})
	return due, err
}

// expireJobs drops those of due that are old indeed and moves the others to their place in the index. A job
// that is written to while this looks at it is left for the next round.
func (s *Store) expireJobs(due []aged, cutoff time.Time) (dropped int, err error) {
	ctx := context.Background()
	// First the committer is told, then the ages are read: a write in between is noticed.
	err = s.do(ctx, 0, func(g *group) error {
		for _, a := range due {
			g.expiring[a.jid] = struct{}{}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	for i := range due {
		if err := s.lookAge(&due[i]); err != nil {
			return 0, err
		}
	}
	gone := make(chan []aged, 1)
	err = s.do(ctx, 0, func(g *group) error {
		jobs, err := g.drop(due, cutoff)
		gone <- jobs
		return err
	})
	if err != nil {
		return 0, err
	}
	jobs := <-gone
	for i := range jobs {
		s.garbage.add(&jobs[i])
	}
	s.counts.expired.Add(uint64(len(jobs)))
	return len(jobs), nil
}

// reclaim compacts the range of what was dropped, once it is worth it. Left alone the engine does so only when a
// level outgrows its size, which a small store never does. Doing it at half garbage rewrites each byte about once.
func (s *Store) reclaim() error {
	if s.garbage.bytes < reclaimMin {
		return nil
	}
	if err := s.read(); err != nil {
		return err
	}
	defer s.endRead()
	if s.garbage.bytes < tableBytes(s.db.Metrics())/2 {
		return nil
	}
	err := s.db.Compact(s.closing, s.garbage.lower, s.garbage.upper, false)
	if errors.Is(err, context.Canceled) {
		return ErrClosed
	}
	s.garbage = garbage{}
	return err
}

// lookAge reads when a job was last written to.
func (s *Store) lookAge(a *aged) error {
	lower, upper := jobRange(a.jid)
	a.received, a.newest = a.indexed, a.indexed
	return s.scan(lower, upper, func(it *pebble.Iterator) error {
		v, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		kind, _ := splitJobKey(a.jid, it.Key())
		d := durable.Reader{Rest: v}
		d.Version(recordVersion)
		a.size += int64(len(it.Key()) + len(v))
		switch kind {
		case kindJob:
			d.Byte()
			a.received = d.Time()
		case kindReturn, kindSyndic:
			if at := d.Time(); at.After(a.newest) {
				a.newest = at
			}
		}
		return nil // a damaged record ages as the rest does
	})
}

// drop is the writing half of expireJobs.
func (g *group) drop(due []aged, cutoff time.Time) (gone []aged, err error) {
	for _, a := range due {
		_, untouched := g.expiring[a.jid]
		delete(g.expiring, a.jid)
		if err := g.batch.Delete(appendTimeKey(nil, prefixAlive, a.indexed, a.jid), nil); err != nil {
			return nil, err
		}
		if !untouched || !a.newest.Before(cutoff) {
			if !untouched {
				a.newest = g.now
			}
			if err := g.batch.Set(appendTimeKey(nil, prefixAlive, a.newest, a.jid), nil, nil); err != nil {
				return nil, err
			}
			continue
		}
		lower, upper := jobRange(a.jid)
		if err := g.batch.DeleteRange(lower, upper, nil); err != nil {
			return nil, err
		}
		if err := g.batch.Delete(appendTimeKey(nil, prefixArrival, a.received, a.jid), nil); err != nil {
			return nil, err
		}
		g.dropped[a.jid] = struct{}{}
		g.know(a.jid, jobState{})
		gone = append(gone, a)
	}
	return gone, nil
}
