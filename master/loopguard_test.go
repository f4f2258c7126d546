package master

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/saltern-io/saltern/pki"
)

func TestLoopGuard(t *testing.T) {
	g := newLoopGuard()
	if got := g.take("a"); got != claimNone {
		t.Errorf("new: %v", got)
	}
	if got := g.take("a"); got != claimTaken {
		t.Errorf("again: %v", got)
	}
	g.failed("a")
	if got := g.take("a"); got != claimFailed {
		t.Errorf("after a failure: %v", got)
	}
	if got := g.take("a"); got != claimTaken {
		t.Errorf("after the second try: %v", got)
	}
	g.failed("nobody")
	for i := range maxGuardedJIDs {
		g.take(fmt.Sprint(i))
	}
	if len(g.jids) != maxGuardedJIDs || len(g.order) != maxGuardedJIDs {
		t.Errorf("%d and %d ids", len(g.jids), len(g.order))
	}
	if got := g.take("a"); got != claimNone {
		t.Errorf("the oldest is still there: %v", got)
	}
	if got := g.take(fmt.Sprint(maxGuardedJIDs - 1)); got != claimTaken {
		t.Errorf("the newest is gone: %v", got)
	}
}

func TestOrigins_bounded(t *testing.T) {
	o := newOrigins()
	for i := range int64(maxOrigins + 1) {
		if !o.fresh("syn1", i) {
			t.Fatalf("%d was here", i)
		}
	}
	if o.fresh("syn1", 1) || !o.fresh("syn1", 0) || !o.fresh("syn2", 1) || len(o.seen) != maxOrigins {
		t.Errorf("remembers %d", len(o.seen))
	}
}

func testShared(t *testing.T) *pki.SharedKey {
	t.Helper()
	k, err := pki.OpenSharedKey(filepath.Join(t.TempDir(), "aes"), func([]byte) ([]byte, error) { return nil, nil }, pki.SharedKeyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestPublisher_keepsTheOrder(t *testing.T) {
	shared, p := testShared(t), newPublisher(time.Now)
	var mu sync.Mutex
	var sent []uint64
	rotated := 0
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 50 {
				turn, err := p.number(shared)
				if err != nil {
					t.Error(err)
					return
				}
				if i%10 == 3 {
					p.leave(turn) // given up before its turn
					continue
				}
				p.wait(turn)
				if epoch, next := p.position(shared); epoch != turn.epoch || next != turn.serial {
					t.Errorf("position %d, want %d", next, turn.serial)
				}
				mu.Lock()
				if turn.epoch != shared.Current() {
					t.Error("rotated before everything was sent")
				}
				sent = append(sent, turn.serial)
				mu.Unlock()
				p.leave(turn)
			}
		})
	}
	for range 2 {
		wg.Go(func() {
			for range 5 {
				err := p.exclusive(func() error {
					mu.Lock()
					defer mu.Unlock()
					rotated++
					sent = append(sent, 0)
					return shared.Rotate(pki.RotateOptions{})
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	last := uint64(0)
	for _, serial := range sent {
		if serial != 0 && serial <= last {
			t.Fatalf("%d after %d", serial, last)
		}
		last = serial
	}
	if rotated != 10 || len(sent) != 8*45+10 {
		t.Errorf("%d rotations, %d in all", rotated, len(sent))
	}
	failure := errors.New("no")
	if err := p.exclusive(func() error { return failure }); !errors.Is(err, failure) {
		t.Error(err)
	}
	if _, next := p.position(shared); next < 1 {
		t.Error("no position with an empty line")
	}
}
