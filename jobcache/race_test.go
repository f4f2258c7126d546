package jobcache

import (
	"context"
	"sync"
	"testing"
	"time"
)

// TestStore_twoWritersOneWins: two goroutines save the same returns; exactly one of each pair is stored, and
// it is the one whose outcome says so.
func TestStore_twoWritersOneWins(t *testing.T) {
	s := openTest(t, t.TempDir(), Options{})
	const n = 500
	var won [2][n]bool
	var writers, answers sync.WaitGroup
	answers.Add(2 * n)
	for w := range 2 {
		writers.Go(func() {
			for i := range n {
				s.SaveReturn(Return{JID: testJID, MinionID: minionName(i), Body: []byte{byte(w)}}, func(o Outcome) {
					defer answers.Done()
					if o.Err != nil {
						t.Error(o.Err)
					}
					won[w][i] = !o.Duplicate
				})
			}
		})
	}
	writers.Wait()
	answers.Wait()
	there := returnsOf(t, s, testJID)
	for i := range n {
		if won[0][i] == won[1][i] {
			t.Fatalf("return %d: stored twice or never", i)
		}
		if w := there[minionName(i)][0]; !won[w][i] {
			t.Fatalf("return %d: the one that lost is stored", i)
		}
	}
}

// TestStore_readersBesideWriters: reads see whole jobs, also while the store closes.
func TestStore_readersBesideWriters(t *testing.T) {
	s := openTest(t, t.TempDir(), Options{MemTable: 64 << 10})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for s.Returns(testJID, func(r Return) error {
				if string(r.Body) != r.MinionID {
					t.Errorf("body of %s is %q", r.MinionID, r.Body)
				}
				return nil
			}) == nil {
				_, _, _ = s.Job(testJID) // fails only when closed, which Returns notices
				_ = s.Newest(3, func(Job) error { return nil })
				_ = s.Stats()
			}
		})
	}
	for w := range 2 {
		wg.Go(func() {
			for i := 0; ; i++ {
				id := minionName(w*100000 + i)
				if o := save(s, testJID, id, id); o.Err != nil {
					return
				}
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i%3)*100*time.Microsecond)
				_ = s.SaveLoad(ctx, Job{JID: testJID, Load: []byte(id)}) // may run out of time: that is the point
				cancel()
			}
		})
	}
	eventually(t, "some work is done", func() bool { return s.Stats().ReturnsStored > 300 })
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
}
