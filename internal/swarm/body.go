package swarm

import "sync"

// rememberedJobs is how many jobs a minion remembers having run: stock's minion_jid_queue_hwm
// (spec: multi-master §1).
const rememberedJobs = 100

// body is what the connections of one minion to its masters share. A stock minion with a list of masters is the same:
// one connection each, one memory of jobs, one set of processes.
type body struct {
	legs int // connections it is made of

	mu      sync.Mutex
	up      int // of them ready
	refused bool
	seen    []*job // ring of the jobs it was given
	next    int
	running map[string]*publication // by jid, for saltutil.find_job; nil while idle
}

// first reports whether the minion has not been given this job yet, by whichever master, and remembers it.
func (b *body) first(j *job) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, known := range b.seen {
		if known == j {
			return false
		}
	}
	if len(b.seen) < rememberedJobs {
		b.seen = append(b.seen, j)
		return true
	}
	b.seen[b.next] = j
	b.next = (b.next + 1) % rememberedJobs
	return true
}

// leg notes that one connection became ready or was lost; what the minion as a whole did with that: 1, -1 or 0.
func (b *body) leg(d int) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := b.up
	b.up += d
	switch {
	case b.up == b.legs:
		return 1
	case before == b.legs:
		return -1
	}
	return 0
}

// refuse notes that a master refused the minion; true the first time.
func (b *body) refuse() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	first := !b.refused
	b.refused = true
	return first
}

func (b *body) setRunning(pub *publication, on bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if on {
		if b.running == nil {
			b.running = make(map[string]*publication, 1)
		}
		b.running[pub.jid] = pub
		return
	}
	delete(b.running, pub.jid)
	if len(b.running) == 0 {
		b.running = nil // idle minions cost nothing
	}
}

// runs returns the publication that the minion works on under a job id, nil when it does not.
func (b *body) runs(jid string) *publication {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.running[jid]
}
