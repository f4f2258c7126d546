package jobcache

import (
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// committer is the one goroutine that writes.
type committer struct {
	s       *Store
	g       group
	writes  []write
	results []result
}

// result holds what a write gets told after the commit.
type result struct {
	one  Outcome
	many []Outcome
	err  error
}

func newCommitter(s *Store) *committer {
	return &committer{s: s, g: newGroup(s.db, &s.export)}
}

// run takes groups until the queue is closed and empty.
func (c *committer) run() {
	defer close(c.s.done)
	for {
		c.writes = c.s.queue.Take(c.writes[:0])
		if len(c.writes) == 0 {
			return
		}
		c.commit()
		// Bodies and callbacks must not live on in the slices of an idle committer.
		clear(c.writes)
		clear(c.results)
		if cap(c.writes) > 2*groupReturns {
			c.writes, c.results = nil, nil
		}
	}
}

// commit writes one group with one sync and then answers everybody in it.
func (c *committer) commit() {
	c.results = c.results[:0]
	if err := c.s.log.err(); err != nil {
		c.answerAll(err)
		return
	}
	started := time.Now()
	c.g.begin(c.s.opts.Clock())
	for i := range c.writes {
		c.results = append(c.results, c.g.apply(&c.writes[i]))
	}
	err := c.sync()
	if err != nil {
		c.g.forget()
		c.answerAll(err)
		return
	}
	c.s.counts.group(len(c.writes), time.Since(started))
	if c.g.noted {
		c.g.noted = false
		c.s.export.signal()
	}
	for i := range c.writes {
		c.answer(&c.writes[i], &c.results[i])
	}
}

// sync makes the batch durable. The engine reports a failed write by Fatalf only and then returns nil: the
// store's own mark decides.
func (c *committer) sync() error {
	defer c.g.end()
	if c.g.batch.Empty() {
		return nil
	}
	err := c.g.batch.Commit(pebble.Sync)
	if dead := c.s.log.err(); dead != nil {
		return dead
	}
	return err
}

// answerAll tells everybody in the group that nothing was stored.
func (c *committer) answerAll(err error) {
	for i := range c.writes {
		w := &c.writes[i]
		r := result{one: Outcome{Err: err}, err: err}
		if w.doneMany != nil {
			r.many = sameOutcome(len(w.rets), err)
		}
		c.answer(w, &r)
	}
}

func (c *committer) answer(w *write, r *result) {
	switch {
	case w.doneOne != nil:
		c.s.counts.outcome(r.one)
		w.doneOne(r.one)
	case w.doneMany != nil:
		for _, o := range r.many {
			c.s.counts.outcome(o)
		}
		w.doneMany(r.many)
	default:
		w.doneErr(r.err)
	}
}
