package master

import (
	"hash/maphash"
	"sync"
)

// stripes is a fixed set of locks chosen by name: sign-ins of one id are serialised without a lock
// per id.
type stripes struct {
	seed maphash.Seed
	mu   [64]sync.Mutex
}

func newStripes() *stripes { return &stripes{seed: maphash.MakeSeed()} }

// lock takes the lock of name and returns what gives it back.
func (s *stripes) lock(name string) (unlock func()) {
	mu := &s.mu[maphash.String(s.seed, name)%uint64(len(s.mu))]
	mu.Lock()
	return mu.Unlock
}
