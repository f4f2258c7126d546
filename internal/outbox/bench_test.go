package outbox

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

func benchStore(b *testing.B) (*Store, *Queue) {
	b.Helper()
	s := openTest(b, b.TempDir(), Options{})
	return s, openQueue(b, s, "mom")
}

func benchItem(i int) Item {
	return Item{Kind: 1, Key: fmt.Sprintf("20261120131415123456\x00minion-%d", i), Body: make([]byte, 400)}
}

// BenchmarkPut_1 is one caller that waits for every sync.
func BenchmarkPut_1(b *testing.B) {
	s, q := benchStore(b)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if o := put(s, Entry{q, benchItem(i)}); o[0] != (Outcome{}) {
			b.Fatal(o)
		}
		i++
	}
}

// BenchmarkPut_64 is 64 callers that wait for every sync.
func BenchmarkPut_64(b *testing.B) {
	s, q := benchStore(b)
	b.ReportAllocs()
	work := make(chan int)
	var putters sync.WaitGroup
	for range 64 {
		putters.Go(func() {
			for i := range work {
				if o := put(s, Entry{q, benchItem(i)}); o[0] != (Outcome{}) {
					b.Error(o)
				}
			}
		})
	}
	i := 0
	for b.Loop() {
		work <- i
		i++
	}
	close(work)
	putters.Wait()
}

// BenchmarkPut_stream is one caller that does not wait, as the reader of the bus does.
func BenchmarkPut_stream(b *testing.B) {
	s, q := benchStore(b)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		s.Put([]Entry{{q, benchItem(i)}}, func(out []Outcome) {
			if out[0] != (Outcome{}) {
				b.Error(out)
			}
		})
		i++
	}
	mustSync(b, s)
}

func fill(b *testing.B, s *Store, q *Queue, items int, keyed bool) {
	b.Helper()
	const per = 500
	for at := 0; at < items; at += per {
		entries := make([]Entry, min(per, items-at))
		for k := range entries {
			it := benchItem(at + k)
			if !keyed {
				it.Key = ""
			}
			entries[k] = Entry{q, it}
		}
		s.Put(entries, func(out []Outcome) {
			if out[0] != (Outcome{}) {
				b.Error(out)
			}
		})
	}
	mustSync(b, s)
}

// BenchmarkTakeAck empties a queue in batches of 2000.
func BenchmarkTakeAck(b *testing.B) {
	s, q := benchStore(b)
	const items = 100_000
	b.ReportAllocs()
	taken := 0
	var spent time.Duration
	round := 0
	for b.Loop() {
		b.StopTimer()
		fill(b, s, q, items, false)
		round++
		b.StartTimer()
		start := time.Now()
		for {
			batch, err := q.Take(2000, 4<<20)
			if err != nil {
				b.Fatal(err)
			}
			if len(batch) == 0 {
				break
			}
			taken += len(batch)
			mustAck(b, q, batch)
		}
		mustSync(b, s)
		spent += time.Since(start)
	}
	if taken != round*items {
		b.Errorf("%d items taken, want %d", taken, round*items)
	}
	b.ReportMetric(float64(taken)/spent.Seconds(), "items/s")
}

func BenchmarkDecodeItem(b *testing.B) {
	it := benchItem(1)
	record := appendItem(nil, &it, time.Now())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decodeItem(record); err != nil {
			b.Fatal(err)
		}
	}
}
