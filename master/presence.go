package master

import (
	"slices"
	"sync"
	"time"
)

// presence remembers when each minion was last heard of. It holds at most one entry per accepted
// key, since only requests proven to come from one get here.
type presence struct {
	mu   sync.Mutex
	seen map[string]time.Time
}

func newPresence() *presence { return &presence{seen: map[string]time.Time{}} }

// heard notes a proven request of the minion.
func (p *presence) heard(id string, now time.Time) {
	p.mu.Lock()
	p.seen[id] = now
	p.mu.Unlock()
}

// forget drops a minion whose key is gone.
func (p *presence) forget(id string) {
	p.mu.Lock()
	delete(p.seen, id)
	p.mu.Unlock()
}

// has reports whether the minion was heard of since the master started.
func (p *presence) has(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.seen[id]
	return ok
}

// count is how many minions were heard of since the master started.
func (p *presence) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.seen)
}

// since lists, sorted, the minions heard of after t.
func (p *presence) since(t time.Time) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var ids []string
	for id, at := range p.seen {
		if at.After(t) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}
