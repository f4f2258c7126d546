package outbox

import (
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// retry paces opening a failed engine anew.
type retry struct {
	at    time.Time
	pause time.Duration
}

// ready makes sure of a working engine, or tells why there is none.
func (c *committer) ready() error {
	s := c.s
	if st := s.health.status(); st.State == StateDead {
		return st.Err
	}
	if s.engine != nil && s.engine.err() == nil {
		return nil
	}
	if s.engine != nil {
		s.health.broken(s.engine.err(), s.opts.Clock())
		s.cause = s.engine.err()
		if err := s.dropEngine(); errors.Is(err, errStuck) {
			return c.die(fmt.Errorf("%w: %w: %w", ErrDead, err, s.cause))
		}
		c.retry = retry{at: time.Now().Add(s.opts.backoff), pause: s.opts.backoff}
	}
	if time.Now().Before(c.retry.at) {
		return s.cause
	}
	o := s.load()
	if o.err == nil {
		c.unsynced = false
		s.adopt(o)
		return nil
	}
	err := o.err
	if damaged(err) {
		return c.die(fmt.Errorf("%w: %w", ErrDead, err))
	}
	s.cause = classify(err)
	s.health.broken(s.cause, s.opts.Clock())
	c.retry.pause = min(2*c.retry.pause, maxBackoff)
	c.retry.at = time.Now().Add(c.retry.pause)
	return s.cause
}

// damaged tells whether trying again is pointless.
func damaged(err error) bool {
	for _, target := range []error{errStuck, pebble.ErrCorruption, ErrRecord, ErrFormat} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

func (c *committer) die(err error) error {
	c.s.health.set(StateDead, err, c.s.opts.Clock())
	return err
}

// dropEngine closes a failed engine. Readers end first; later ones are told.
func (s *Store) dropEngine() error {
	s.engineMu.Lock()
	defer s.engineMu.Unlock()
	e := s.engine
	s.engine = nil
	err := e.close()
	if err != nil {
		s.opts.Log.Debug("Failed outbox engine closed", "err", err)
	}
	return err
}

// opened is an engine and what it knows.
type opened struct {
	e      *engine
	queues map[string]foundQueue
	facts  int64
	err    error
}

// load opens the engine and reads what it knows. It changes nothing of the store.
func (s *Store) load() opened {
	e, err := openEngine(s.dir, &s.opts, s.lock, func(why error) { s.health.broken(why, s.opts.Clock()) })
	if err != nil {
		return opened{err: err}
	}
	o := opened{e: e}
	if o.queues, err = s.loadQueues(e); err == nil {
		o.facts, err = loadFactCount(e)
	}
	if err != nil {
		return opened{err: errors.Join(err, e.close())}
	}
	return o
}

// adopt makes an opened engine the store's, and gives the queues the states on disk. States of memory that were not
// committed end here. A queue whose creation or removal was answered with an error may be there or not.
func (s *Store) adopt(o opened) {
	s.factCount = o.facts
	s.adoptQueues(o.queues)
	s.engineMu.Lock()
	s.engine = o.e
	s.engineMu.Unlock()
	for _, q := range s.listQueues() {
		q.nudge()
	}
}

func (s *Store) adoptQueues(found map[string]foundQueue) {
	s.queuesMu.Lock()
	defer s.queuesMu.Unlock()
	for name, f := range found {
		if q := s.queues[name]; q != nil && q.id == f.id {
			q.reload(f.state)
			continue
		}
		s.queues[name] = newQueue(s, name, f.id, f.state)
	}
	for name, q := range s.queues {
		if f, ok := found[name]; !ok || f.id != q.id {
			q.mu.Lock()
			q.gone = true
			q.mu.Unlock()
			delete(s.queues, name)
		}
	}
}
