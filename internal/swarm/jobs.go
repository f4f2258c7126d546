package swarm

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// maxJobs bounds the jobs remembered for Job and WaitJob; the oldest is forgotten first.
const maxJobs = 4096

// JobStats is what the swarm knows about one job. Times are of this process's clock; zero = not yet.
type JobStats struct {
	Seen      int       `json:"seen"`       // minions that decrypted and accepted the publication
	Targeted  int       `json:"targeted"`   // of those, minions the target matched
	Sent      int       `json:"sent"`       // returns written at least once
	Acked     int       `json:"acked"`      // returns the master answered
	FirstSeen time.Time `json:"first_seen"` // first minion saw it
	LastSeen  time.Time `json:"last_seen"`
	LastAcked time.Time `json:"last_acked"`
}

// job is the book of one jid.
type job struct {
	jid string

	mu      sync.Mutex
	stats   JobStats
	waiters []jobWaiter
}

type jobWaiter struct {
	seen, acked int
	done        chan struct{}
}

// note changes the book and wakes who waited for it.
func (j *job) note(change func(s *JobStats)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	change(&j.stats)
	kept := j.waiters[:0]
	for _, w := range j.waiters {
		if j.stats.Seen >= w.seen && j.stats.Acked >= w.acked {
			close(w.done)
			continue
		}
		kept = append(kept, w)
	}
	j.waiters = kept
}

func (j *job) snapshot() JobStats {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.stats
}

// jobBook keeps the newest maxJobs jobs.
type jobBook struct {
	mu    sync.Mutex
	byJID map[string]*job
	order []string // ring of jids, oldest at next once full
	next  int
}

// get returns the job of jid, a new one when it is unknown.
func (b *jobBook) get(jid string) *job {
	b.mu.Lock()
	defer b.mu.Unlock()
	if j, ok := b.byJID[jid]; ok {
		return j
	}
	if b.byJID == nil {
		b.byJID = make(map[string]*job)
	}
	j := &job{jid: jid}
	b.byJID[jid] = j
	if len(b.order) < maxJobs {
		b.order = append(b.order, jid)
		return j
	}
	delete(b.byJID, b.order[b.next])
	b.order[b.next] = jid
	b.next = (b.next + 1) % maxJobs
	return j
}

func (b *jobBook) lookup(jid string) (*job, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	j, ok := b.byJID[jid]
	return j, ok
}

// Job returns what is known about jid; false when no minion saw it and nobody waits for it.
func (s *Swarm) Job(jid string) (JobStats, bool) {
	j, ok := s.jobs.lookup(jid)
	if !ok {
		return JobStats{}, false
	}
	return j.snapshot(), true
}

// WaitJob waits until at least seen minions saw the publication jid and at least acked returns of it were
// acknowledged. It may be called before the publication arrives. On the end of ctx it returns the
// counts so far with the error.
func (s *Swarm) WaitJob(ctx context.Context, jid string, seen, acked int) (JobStats, error) {
	j := s.jobs.get(jid)
	done := make(chan struct{})
	j.mu.Lock()
	j.waiters = append(j.waiters, jobWaiter{seen: seen, acked: acked, done: done})
	j.mu.Unlock()
	j.note(func(*JobStats) {})
	select {
	case <-done:
		return j.snapshot(), nil
	case <-ctx.Done():
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for i, w := range j.waiters {
		if w.done == done {
			j.waiters = append(j.waiters[:i], j.waiters[i+1:]...)
			break
		}
	}
	return j.stats, fmt.Errorf("job %s: %d of %d saw it, %d of %d returns acknowledged: %w",
		jid, j.stats.Seen, seen, j.stats.Acked, acked, context.Cause(ctx))
}
