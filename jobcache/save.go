package jobcache

import (
	"context"
	"fmt"
)

// SaveLoad stores a published job; it is durable when SaveLoad returns nil. A load that is there already is
// replaced (a job id can be used again by hand); the time of the job stays that of its first mention, its
// returns stay. When ctx ends first the job may still be stored. Spec: job-cache §1 (prep_jid, save_load).
func (s *Store) SaveLoad(ctx context.Context, job Job) error {
	_, err := s.saveLoad(ctx, job, replaceLoad)
	return err
}

// SaveLoadIfAbsent stores the job only if no load is known for its id, and tells whether it did: the rule
// for loads that are made up from a return (spec: job-cache §1.1, step 6).
func (s *Store) SaveLoadIfAbsent(ctx context.Context, job Job) (stored bool, err error) {
	return s.saveLoad(ctx, job, keepLoad)
}

type loadRule uint8

const (
	replaceLoad loadRule = iota
	keepLoad
)

func (s *Store) saveLoad(ctx context.Context, job Job, rule loadRule) (stored bool, err error) {
	if err := checkJID(job.JID); err != nil {
		return false, err
	}
	if job.Load == nil {
		job.Load = []byte{} // a saved job has a load, be it empty
	}
	// Encoded here, so that nothing of the caller's is read after ctx has ended; the time is filled in later.
	record := appendJob(nil, &job)
	outcome := make(chan bool, 1)
	err = s.do(ctx, len(record), func(g *group) error {
		wrote, err := g.putJob(job.JID, record, rule)
		outcome <- wrote
		return err
	})
	if err != nil {
		return false, fmt.Errorf("save load of job %q: %w", job.JID, err)
	}
	return <-outcome, nil
}

// AddMinions stores the list of minions that a syndic reported for a job, replacing that syndic's earlier
// list (spec: job-cache §1, save_minions). Durable when it returns nil.
func (s *Store) AddMinions(ctx context.Context, jid, syndicID string, minions []string) error {
	if err := checkJID(jid); err != nil {
		return err
	}
	if err := checkID(syndicID); err != nil {
		return err
	}
	record := appendSyndic(nil, s.opts.Clock(), minions)
	err := s.do(ctx, len(record), func(g *group) error {
		if err := g.putPart(appendJobKey(nil, jid, kindSyndic, syndicID), jid, record); err != nil {
			return err
		}
		return g.export.note(g, jid, "")
	})
	if err != nil {
		return fmt.Errorf("save minions of syndic %q for job %q: %w", syndicID, jid, err)
	}
	return nil
}

// SetEndTime stores the text that tells when the job had its last return (spec: job-cache §4.3).
func (s *Store) SetEndTime(ctx context.Context, jid, text string) error {
	if err := checkJID(jid); err != nil {
		return err
	}
	record := appendEndTime(nil, text)
	err := s.do(ctx, len(record), func(g *group) error {
		return g.putPart(appendJobKey(nil, jid, kindEndTime, ""), jid, record)
	})
	if err != nil {
		return fmt.Errorf("save end time of job %q: %w", jid, err)
	}
	return nil
}

// SaveReturn queues one return. It waits while the queue is full. done is called exactly once: by the
// committer after the sync that made the return durable, or at once, by the caller's goroutine, when the
// return is refused (bad id, store closed or dead). A return for an unknown job makes the job known, without
// a load (spec: job-cache §1.1). r.Body is not copied before it is written: leave it alone until done.
func (s *Store) SaveReturn(r Return, done func(Outcome)) {
	if err := s.checkReturn(&r); err != nil {
		done(Outcome{Err: err})
		return
	}
	w := write{ret: r, doneOne: done, returns: 1, bytes: returnSize(&r)}
	if w.bytes > MaxUnit {
		done(Outcome{Err: ErrTooLarge})
		return
	}
	if err := s.queue.Put(context.Background(), w); err != nil {
		done(Outcome{Err: err})
	}
}

// SaveReturns queues several returns as one unit: after a crash all of them are there or none. Outcomes come
// in the order of batch. The slice and the bodies belong to the store until done. One bad id refuses all.
func (s *Store) SaveReturns(batch []Return, done func([]Outcome)) {
	w := write{rets: batch, doneMany: done, returns: len(batch)}
	for i := range batch {
		if err := s.checkReturn(&batch[i]); err != nil {
			done(sameOutcome(len(batch), err))
			return
		}
		w.bytes += returnSize(&batch[i])
	}
	if w.bytes > MaxUnit {
		done(sameOutcome(len(batch), ErrTooLarge))
		return
	}
	if err := s.queue.Put(context.Background(), w); err != nil {
		done(sameOutcome(len(batch), err))
	}
}

func (s *Store) checkReturn(r *Return) error {
	if err := checkJID(r.JID); err != nil {
		return err
	}
	if err := checkID(r.MinionID); err != nil {
		return err
	}
	return s.log.err()
}

func sameOutcome(n int, err error) []Outcome {
	out := make([]Outcome, n)
	for i := range out {
		out[i].Err = err
	}
	return out
}

func returnSize(r *Return) int64 {
	return int64(len(r.Body) + len(r.JID) + len(r.MinionID) + returnHeader)
}
