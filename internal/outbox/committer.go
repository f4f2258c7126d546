package outbox

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// committer is the one goroutine that writes, and that replaces an engine that failed.
type committer struct {
	s        *Store
	g        group
	ops      []op
	results  []result
	space    space
	unsynced bool // acknowledgements were committed without a sync
	kept     time.Time
	retry    retry
}

// result holds what a request gets told after the commit.
type result struct {
	many []Outcome
	err  error
}

func newCommitter(s *Store) *committer {
	return &committer{s: s, g: newGroup(s), space: space{fs: s.opts.FS, dir: s.dir, min: s.opts.MinFree}}
}

// run takes groups until the input is closed and empty.
func (c *committer) run() {
	defer close(c.s.done)
	for {
		c.ops = c.s.input.Take(c.ops[:0])
		if len(c.ops) == 0 {
			c.lastWords()
			return
		}
		if slices.ContainsFunc(c.ops, func(o op) bool { return o.tick }) {
			c.s.ticking.Store(false)
		}
		c.commit()
		// Bodies and callbacks must not live on in the slices of an idle committer.
		clear(c.ops)
		clear(c.results)
		if cap(c.ops) > groupEntries {
			c.ops, c.results = nil, nil
		}
	}
}

// commit writes one group and then answers everybody in it.
func (c *committer) commit() {
	if err := c.ready(); err != nil {
		c.answerAll(err)
		return
	}
	full := c.space.low(c.s.engine)
	if c.s.engine.err() == nil {
		c.s.health.space(full, c.s.opts.Clock())
	}
	c.results = c.results[:0]
	c.g.begin(c.s.engine, c.s.opts.Clock(), full)
	err := c.build()
	if err == nil {
		err = c.write()
	}
	if err != nil {
		err = c.failed(err)
	}
	if err == nil && c.g.swept && c.g.full {
		_, err = c.s.engine.db.AsyncFlush() // it gives space back only then
		if err != nil {
			err = c.failed(err)
		}
	}
	touched := append([]*Queue(nil), c.g.touched...)
	if cerr := c.g.end(err == nil); cerr != nil && err == nil {
		// What was promised is on disk; the engine is replaced before the next group.
		_ = c.failed(cerr)
	}
	if err != nil {
		c.answerAll(err)
		return
	}
	for _, q := range touched {
		q.logDrops(c.s.opts.Log, c.g.now)
	}
	for i := range c.ops {
		c.answer(&c.ops[i], &c.results[i])
	}
}

// failed notes why a group could not be committed, and returns what those in it are told.
func (c *committer) failed(err error) error {
	c.s.engine.fail(classify(err))
	if damaged(err) {
		return c.die(fmt.Errorf("%w: %w", ErrDead, err))
	}
	return c.s.engine.err()
}

// build applies everything that waits to the batch. Its error is the engine's: nothing may be committed.
func (c *committer) build() error {
	for i := range c.ops {
		o := &c.ops[i]
		var r result
		var err error
		switch {
		case o.done != nil:
			r, err = c.g.unit(&o.unit)
		case o.ack != nil:
			err = c.g.ack(o.ack)
		case o.tick:
			err = c.keepHouse()
		default:
			r.err = o.apply(&c.g)
			c.g.promise = c.g.promise || o.sync
		}
		if err != nil {
			return err
		}
		c.results = append(c.results, r)
	}
	return c.g.finish()
}

// write commits the batch, synced when somebody waits for it.
func (c *committer) write() error {
	e, b := c.s.engine, c.g.batch
	c.space.written += int64(b.Len())
	if !c.g.promise {
		if b.Empty() {
			return e.err()
		}
		c.unsynced = true
		return e.commit(b, pebble.NoSync)
	}
	if b.Empty() {
		if !c.unsynced {
			return e.err()
		}
		if err := b.LogData(nil, nil); err != nil {
			return err
		}
	}
	if err := e.commit(b, pebble.Sync); err != nil {
		return err
	}
	c.unsynced = false
	return nil
}

// answerAll tells everybody in the group that nothing was stored.
func (c *committer) answerAll(err error) {
	for i := range c.ops {
		o := &c.ops[i]
		c.answer(o, &result{err: err})
	}
}

func (c *committer) answer(o *op, r *result) {
	switch {
	case o.done != nil && r.err != nil:
		o.done(o.unit.refused(r.err))
	case o.done != nil:
		o.done(r.many)
	case o.doneErr != nil:
		o.doneErr(r.err)
	}
}

// houseStep is how often ages and gone items are looked at.
const houseStep = 10 * time.Second

// keepHouse is what a tick does within a group.
func (c *committer) keepHouse() error {
	if c.unsynced {
		c.g.promise = true
	}
	queues := c.s.listQueues()
	for _, q := range queues {
		q.mu.Lock()
		failed := q.failed
		q.mu.Unlock()
		if failed > 0 && !q.gone && !q.leaving {
			c.g.touch(q)
		}
		q.logDrops(c.s.opts.Log, c.g.now)
	}
	if time.Since(c.kept) < houseStep && !c.g.full {
		return nil
	}
	c.kept = time.Now()
	if _, err := c.g.expireAll(queues); err != nil {
		return err
	}
	return c.g.sweep(queues)
}

// expireAll drops what is too old, in one step; more tells that it was not all.
func (g *group) expireAll(queues []*Queue) (more bool, err error) {
	for _, q := range queues {
		if q.gone || q.leaving {
			continue
		}
		if g.s.opts.MaxAge > 0 {
			again, err := g.expire(q)
			if err != nil {
				return false, err
			}
			more = more || again
		}
		g.touch(q)
		before := q.next.keyHead
		if err := g.trimKeys(q, trimStep, true); err != nil {
			return false, err
		}
		more = more || q.next.keyHead > before
	}
	again, err := g.expireFacts()
	return more || again, err
}

// lastWords writes, on the way out, the counts that only memory has, and syncs.
func (c *committer) lastWords() {
	if c.s.engine == nil || c.s.engine.err() != nil {
		return
	}
	failed := make(chan error, 1)
	c.kept = time.Now() // counts only: ages wait for the next Open
	c.ops = append(c.ops[:0], op{tick: true}, op{
		apply: func(*group) error { return nil }, sync: true, doneErr: func(err error) { failed <- err },
	})
	c.commit()
	if err := <-failed; err != nil && !errors.Is(err, ErrDiskFull) {
		c.s.opts.Log.Warn("Outbox did not write its last counts", "err", err)
	}
}
