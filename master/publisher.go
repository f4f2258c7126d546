package master

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/pki"
)

// publisher keeps publications in the order of their serials (spec: transport §4.1) while several of them are being
// stored and sealed at once:
//
//	number ─▶ store, with others in one commit ─▶ seal ─▶ wait for the one before ─▶ send ─▶ let the next one go
//
// So a publication is in the journal under its serial before anybody can see it, and none waits for more than commits.
type publisher struct {
	mu     sync.Mutex
	moved  sync.Cond // the line got shorter, or closed changed
	line   []*turn   // numbered and not yet sent, in order
	closed bool      // exclusive waits: nobody is numbered
	ended  bool      // nobody is numbered any more

	now   func() time.Time
	epoch *pki.KeyEpoch // of the last number
	first time.Time     // when the first one of it was taken, by this process
}

// errStopping refuses a publication while the master stops.
var errStopping = errors.New("the master is stopping")

// turn is the place of one publication in the line.
type turn struct {
	epoch  *pki.KeyEpoch
	serial uint64
}

func newPublisher(now func() time.Time) *publisher {
	p := &publisher{now: now}
	p.moved.L = &p.mu
	return p
}

// number takes the next serial and the place that goes with it. Every turn needs its leave.
func (p *publisher) number(shared *pki.SharedKey) (*turn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.closed && !p.ended {
		p.moved.Wait()
	}
	if p.ended {
		return nil, errStopping
	}
	epoch, serial, err := shared.Next()
	if err != nil {
		return nil, err
	}
	if p.epoch != epoch {
		p.epoch, p.first = epoch, p.now()
	}
	t := &turn{epoch: epoch, serial: serial}
	p.line = append(p.line, t)
	return t, nil
}

// firstUnder is when the first publication under an epoch was numbered here; zero when none was.
func (p *publisher) firstUnder(epoch *pki.KeyEpoch) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.epoch != epoch {
		return time.Time{}
	}
	return p.first
}

// wait returns when t is the first in the line.
func (p *publisher) wait(t *turn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.line[0] != t {
		p.moved.Wait()
	}
}

// leave takes a turn out of the line, sent or given up.
func (p *publisher) leave(t *turn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.line = slices.DeleteFunc(p.line, func(one *turn) bool { return one == t })
	p.moved.Broadcast()
}

// position is the current epoch and the serial below which everything has been sent.
func (p *publisher) position(shared *pki.SharedKey) (*pki.KeyEpoch, uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.line) > 0 {
		return p.line[0].epoch, p.line[0].serial
	}
	return shared.Position()
}

// stop refuses further publications and returns when those before are sent, or after limit.
func (p *publisher) stop(limit time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	p.moved.Broadcast()
	late := false
	timer := time.AfterFunc(limit, func() {
		p.mu.Lock()
		late = true
		p.moved.Broadcast()
		p.mu.Unlock()
	})
	defer timer.Stop()
	for len(p.line) > 0 && !late {
		p.moved.Wait()
	}
}

// exclusive runs change when everything that was numbered is sent, and before anything else is numbered.
func (p *publisher) exclusive(change func() error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.closed {
		p.moved.Wait()
	}
	p.closed = true
	for len(p.line) > 0 {
		p.moved.Wait()
	}
	err := change()
	p.closed = false
	p.moved.Broadcast()
	return err
}

// epochName names an epoch without telling its key.
func epochName(e *pki.KeyEpoch) string {
	sum := sha256.Sum256([]byte("saltern epoch" + e.KeyString))
	return hex.EncodeToString(sum[:])[:wire.EpochLen]
}
