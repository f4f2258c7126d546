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
	err := s.reopen()
	if err == nil {
		c.unsynced = false
		return nil
	}
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

// reopen opens the engine and reads what it knows of the queues. States of memory that were not committed end here.
func (s *Store) reopen() error {
	e, err := openEngine(s.dir, &s.opts, s.lock)
	if err != nil {
		return err
	}
	found, err := s.loadQueues(e)
	if err == nil {
		err = s.adopt(e, found)
	}
	if err != nil {
		return errors.Join(err, e.close())
	}
	s.engineMu.Lock()
	s.engine = e
	s.engineMu.Unlock()
	for _, q := range s.listQueues() {
		q.nudge()
	}
	return nil
}

// adopt gives the queues the states on disk. A queue whose creation or removal was answered with an error may be there
// or not.
func (s *Store) adopt(e *engine, found map[string]foundQueue) error {
	count, err := loadFactCount(e)
	if err != nil {
		return err
	}
	s.factCount = count
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
	return nil
}
