package jobcache

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
)

// BenchmarkSaveReturn measures durable returns with so many senders that each wait for their answer. It needs
// a real disk: the directory is the one of the test.
func BenchmarkSaveReturn(b *testing.B) {
	body := make([]byte, 500)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range body {
		body[i] = byte(rng.Uint32())
	}
	for _, waiters := range []int{1, 64, 512} {
		b.Run(fmt.Sprintf("waiters=%d", waiters), func(b *testing.B) {
			s := openTest(b, b.TempDir(), Options{})
			slots := make(chan struct{}, waiters)
			var failed atomic.Uint64
			var wg sync.WaitGroup
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			done := func(o Outcome) {
				if o != (Outcome{}) {
					failed.Add(1)
				}
				<-slots
				wg.Done()
			}
			i := 0
			for b.Loop() {
				slots <- struct{}{}
				wg.Add(1)
				s.SaveReturn(Return{JID: testJID, MinionID: minionName(i), Body: body}, done)
				i++
			}
			wg.Wait()
			if n := failed.Load(); n != 0 {
				b.Errorf("%d returns failed", n)
			}
			st := s.Stats()
			b.ReportMetric(float64(st.Writes)/float64(st.Groups), "returns/sync")
		})
	}
}

func BenchmarkReturns(b *testing.B) {
	s := openTest(b, b.TempDir(), Options{})
	const n = 10000
	var wg sync.WaitGroup
	wg.Add(n)
	for i := range n {
		s.SaveReturn(Return{JID: testJID, MinionID: minionName(i), Body: make([]byte, 500)}, func(Outcome) { wg.Done() })
	}
	wg.Wait()
	b.ReportAllocs()
	for b.Loop() {
		rows := 0
		if err := s.Returns(testJID, func(Return) error { rows++; return nil }); err != nil || rows != n {
			b.Fatal(rows, err)
		}
	}
}
