package jobcache

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// acked is what the store has promised: minion by minion of one job.
type acked struct {
	mu      sync.Mutex
	singles map[string]bool
	units   map[int]bool

	left    int           // acknowledgements until the power goes
	reached chan struct{} // closed then
}

// count notes one acknowledgement. Caller holds the lock.
func (a *acked) count() {
	if a.left--; a.left == 0 {
		close(a.reached)
	}
}

// TestCrash_losesNothingAcknowledged cuts the power at a random moment, 200 times: what was acknowledged is there, and units of
// SaveReturns are there as a whole or not at all.
func TestCrash_losesNothingAcknowledged(t *testing.T) {
	runs := 200
	if testing.Short() {
		runs = 20
	}
	var kept, unacknowledged int
	for seed := range runs {
		k, u := crashOnce(t, uint64(seed))
		kept += k
		unacknowledged += u
	}
	if kept == 0 {
		t.Error("no run acknowledged anything: the test shows nothing")
	}
	t.Logf("%d runs: %d acknowledged and there, %d there without acknowledgement", runs, kept, unacknowledged)
}

const unitSize = 3

func crashOnce(t *testing.T, seed uint64) (kept, extra int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 1))
	fs := vfs.NewCrashableMem()
	s, err := Open("jobs", Options{FS: fs, MemTable: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	// By acknowledgements, not by calls: a slow disk may take all calls before it acknowledges the first.
	a := acked{singles: map[string]bool{}, units: map[int]bool{}, left: 1 + rng.IntN(300), reached: make(chan struct{})}
	var writers sync.WaitGroup
	for w := range 2 {
		writers.Go(func() {
			for i := range 200 {
				writeOne(s, &a, w, i)
			}
		})
	}
	select {
	case <-a.reached:
	case <-waited(&writers):
	}
	// First the promises, then the crash: the other way round a promise could be made after it.
	a.mu.Lock()
	promised := acked{singles: maps.Clone(a.singles), units: maps.Clone(a.units)}
	a.mu.Unlock()
	clone := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
	writers.Wait()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return checkClone(t, clone, &promised, seed)
}

func waited(wg *sync.WaitGroup) <-chan struct{} {
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	return done
}

func writeOne(s *Store, a *acked, writer, i int) {
	if writer == 0 {
		name := minionName(i)
		s.SaveReturn(Return{JID: testJID, MinionID: name, Body: []byte(name)}, func(o Outcome) {
			if o == (Outcome{}) {
				a.mu.Lock()
				defer a.mu.Unlock()
				a.singles[name] = true
				a.count()
			}
		})
		return
	}
	batch := make([]Return, unitSize)
	for k := range batch {
		batch[k] = Return{JID: fmt.Sprintf("unit-%d-%d", i, k), MinionID: "m", Body: make([]byte, 700)}
	}
	s.SaveReturns(batch, func(out []Outcome) {
		for _, o := range out {
			if o != (Outcome{}) {
				return
			}
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		a.units[i] = true
		a.count()
	})
}

func checkClone(t *testing.T, clone vfs.FS, promised *acked, seed uint64) (kept, extra int) {
	t.Helper()
	s, err := Open("jobs", Options{FS: clone})
	if err != nil {
		t.Fatalf("seed %d: reopen: %v", seed, err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}()
	there := returnsOf(t, s, testJID)
	for name := range promised.singles {
		if there[name] != name {
			t.Errorf("seed %d: acknowledged return of %s is lost", seed, name)
		}
	}
	if _, ok, err := s.Job(testJID); err != nil || ok != (len(there) > 0) {
		t.Errorf("seed %d: job record without its returns, or the other way round: %v %v", seed, ok, err)
	}
	kept, extra = len(promised.singles), len(there)-len(promised.singles)
	for i := range 200 {
		n := 0
		for k := range unitSize {
			n += len(returnsOf(t, s, fmt.Sprintf("unit-%d-%d", i, k)))
		}
		switch {
		case n != 0 && n != unitSize:
			t.Errorf("seed %d: unit %d is torn: %d of %d", seed, i, n, unitSize)
		case n == 0 && promised.units[i]:
			t.Errorf("seed %d: acknowledged unit %d is lost", seed, i)
		case promised.units[i]:
			kept++
		case n > 0:
			extra++
		}
	}
	return kept, extra
}
