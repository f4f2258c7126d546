package master

import (
	"hash/maphash"
	"sync"
)

// maxOrigins is how many forwarded events are remembered as seen.
const maxOrigins = 100_000

// origins remembers which forwarded events were here, so that one that comes by two ways, or again because the answer
// to its batch was lost, is fired once.
type origins struct {
	seed maphash.Seed
	mu   sync.Mutex
	seen map[originKey]struct{}
	ring []originKey
	next int
}

// originKey is the name of the first syndic, hashed, and its number: a hundred thousand names would take memory for
// nothing.
type originKey struct {
	id uint64
	n  int64
}

func newOrigins() *origins {
	return &origins{seed: maphash.MakeSeed(), seen: map[originKey]struct{}{}}
}

// fresh reports whether an event was not here before, and remembers it.
func (o *origins) fresh(id string, n int64) bool {
	k := originKey{maphash.String(o.seed, id), n}
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, known := o.seen[k]; known {
		return false
	}
	o.seen[k] = struct{}{}
	if len(o.ring) < maxOrigins {
		o.ring = append(o.ring, k)
		return true
	}
	delete(o.seen, o.ring[o.next])
	o.ring[o.next] = k
	o.next = (o.next + 1) % maxOrigins
	return true
}
