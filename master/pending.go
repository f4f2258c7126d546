package master

import (
	"sync"
	"time"
)

// pendingEvery is how old the count of pending keys may be: strangers must not make the master list
// a directory of thousands of keys with each sign-in.
const pendingEvery = time.Second

// pendingCount is the number of pending keys, counted at most once a second. Keys added here in
// between are counted along; those an operator takes away show at the next count.
type pendingCount struct {
	mu sync.Mutex
	at time.Time
	n  int
}

func (p *pendingCount) count(now time.Time, list func() (int, error)) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if age := now.Sub(p.at); !p.at.IsZero() && age >= 0 && age < pendingEvery {
		return p.n, nil
	}
	n, err := list()
	if err != nil {
		return 0, err
	}
	p.n, p.at = n, now
	return n, nil
}

// added counts a key that was stored as pending.
func (p *pendingCount) added() {
	p.mu.Lock()
	p.n++
	p.mu.Unlock()
}
