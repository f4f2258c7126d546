package outbox

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// promises is what the store has said before the crash.
type promises struct {
	mu     sync.Mutex
	stored map[string]bool // "writer/number" of single items
	units  map[int]bool    // units over two queues and a fact
	acked  map[string]bool // acknowledged by the consumer, perhaps not synced
	synced map[string]bool // acknowledged and synced
}

func (p *promises) clone() promises {
	p.mu.Lock()
	defer p.mu.Unlock()
	return promises{
		stored: maps.Clone(p.stored), units: maps.Clone(p.units), acked: maps.Clone(p.acked), synced: maps.Clone(p.synced),
	}
}

// TestCrash cuts the power at a random moment, 200 times.
func TestCrash(t *testing.T) {
	runs := 200
	if testing.Short() {
		runs = 20
	}
	var stored, synced, again int
	for seed := range runs {
		a, b, c := crashOnce(t, uint64(seed))
		stored, synced, again = stored+a, synced+b, again+c
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	if stored == 0 || synced == 0 {
		t.Error("no run promised anything: the test shows nothing")
	}
	t.Logf("%d runs: %d promised and there or acknowledged, %d acknowledged for good, %d offered again", runs, stored, synced, again)
}

func crashOnce(t *testing.T, seed uint64) (stored, synced, again int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 1))
	fs := vfs.NewCrashableMem()
	s, err := Open("outbox", Options{FS: fs, MemTable: 64 << 10, MaxKeys: 1000})
	if err != nil {
		t.Fatal(err)
	}
	q, other := openQueue(t, s, "mom"), openQueue(t, s, "other")
	p := promises{stored: map[string]bool{}, units: map[int]bool{}, acked: map[string]bool{}, synced: map[string]bool{}}
	crashAt := rng.IntN(120)
	reached := make(chan struct{})
	done := make(chan struct{})
	var writers, consumer sync.WaitGroup
	writers.Go(func() {
		for i := range 120 {
			if i == crashAt {
				close(reached)
			}
			crashSingle(q, &p, i)
		}
	})
	writers.Go(func() {
		for i := range 60 {
			crashUnit(q, other, &p, i)
		}
	})
	consumer.Go(func() { crashConsume(t, q, &p, done) })
	<-reached
	// First the promises, then the crash: the other way round a promise could be made after it.
	before := p.clone()
	clone := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
	after := p.clone()
	writers.Wait()
	close(done)
	consumer.Wait()
	audit(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return checkClone(t, clone, &before, &after)
}

func crashSingle(q *Queue, p *promises, i int) {
	name := fmt.Sprintf("single/%03d", i)
	answered := make(chan struct{})
	q.s.Put([]Entry{{q, Item{Kind: uint8(i % 3), Key: name, Body: []byte(name)}}}, func(out []Outcome) {
		defer close(answered)
		if out[0] == (Outcome{}) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.stored[name] = true
		}
	})
	if i%4 == 0 { // so that groups differ in size
		<-answered
	}
}

func unitName(i int) string { return fmt.Sprintf("unit/%03d", i) }

func crashUnit(q, other *Queue, p *promises, i int) {
	body := make([]byte, 700)
	copy(body, unitName(i))
	answered := make(chan struct{})
	item := Item{Kind: 1, Key: unitName(i), Body: body}
	q.s.Commit(Unit{
		Entries: []Entry{{q, item}, {other, item}},
		Facts:   []Fact{{Key: unitName(i), Value: []byte("x")}},
	}, func(out []Outcome) {
		defer close(answered)
		if out[0] == (Outcome{}) && out[1] == (Outcome{}) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.units[i] = true
		}
	})
	if i%3 == 0 {
		<-answered
	}
}

// crashConsume takes and acknowledges until done, and syncs now and then.
func crashConsume(t *testing.T, q *Queue, p *promises, done <-chan struct{}) {
	for round := 0; ; round++ {
		items, err := q.Take(7, 1<<20)
		if err != nil {
			t.Error(err)
			return
		}
		p.mu.Lock()
		for _, it := range items {
			if p.acked[it.Key] {
				t.Errorf("%s is offered after its acknowledgement", it.Key)
			}
			p.acked[it.Key] = true
		}
		p.mu.Unlock()
		if err := q.Ack(items); err != nil {
			t.Error(err)
			return
		}
		if round%4 == 3 {
			p.mu.Lock()
			upTo := maps.Clone(p.acked)
			p.mu.Unlock()
			if err := q.s.Sync(); err != nil {
				t.Error(err)
			}
			p.mu.Lock()
			maps.Copy(p.synced, upTo)
			p.mu.Unlock()
		}
		if len(items) > 0 {
			continue
		}
		select {
		case <-done:
			return
		default:
		}
	}
}

// checkClone: before holds the promises of a moment before the crash, after those of a moment after it.
func checkClone(t *testing.T, clone vfs.FS, before, after *promises) (stored, synced, again int) {
	t.Helper()
	s := openTest(t, "outbox", Options{FS: clone})
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	audit(t, s)
	q := openQueue(t, s, "mom")
	there := map[string]bool{}
	last := uint64(0)
	for _, it := range take(t, q, 10_000) {
		if there[it.Key] || it.Seq <= last {
			t.Errorf("%s is there twice or out of order", it.Key)
		}
		there[it.Key], last = true, it.Seq
		if before.synced[it.Key] {
			t.Errorf("%s was acknowledged and synced, and is offered again", it.Key)
		}
		if after.acked[it.Key] {
			again++
		}
	}
	for name := range before.stored {
		if !there[name] && !after.acked[name] {
			t.Errorf("%s was promised and is lost", name)
		}
		if o := putOne(q, 1, name, "again"); !o.Duplicate {
			t.Errorf("%s is not known any more: %+v", name, o)
		}
	}
	others := map[string]bool{}
	for _, it := range take(t, openQueue(t, s, "other"), 10_000) {
		others[it.Key] = true
	}
	for i := range 60 {
		name := unitName(i)
		_, fact, err := s.Fact(name)
		if err != nil {
			t.Error(err)
		}
		if fact != others[name] || there[name] && !fact || fact && !there[name] && !after.acked[name] {
			t.Errorf("%s is torn: fact %v, queues %v %v", name, fact, there[name], others[name])
		}
		if before.units[i] && !fact {
			t.Errorf("%s was promised and is lost", name)
		}
	}
	return len(before.stored), len(before.synced), again
}
