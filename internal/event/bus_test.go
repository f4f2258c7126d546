package event

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

func writeFile(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// eventually polls cond until it is true.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("did not happen in 20 s: %s", what)
		}
		time.Sleep(time.Millisecond) // between two polls
	}
}

func next(t testing.TB, s *Subscription) Event {
	t.Helper()
	select {
	case e, ok := <-s.C():
		if !ok {
			t.Fatal("subscription has ended")
		}
		return e
	case <-time.After(20 * time.Second):
		t.Fatal("no event in 20 s")
	}
	return Event{}
}

func TestBus_orderAndPrefixes(t *testing.T) {
	bus := NewBus(BusConfig{})
	all, some := bus.Subscribe(SubscribeOptions{}), bus.Subscribe(SubscribeOptions{Prefix: []string{"salt/job/", "minion/"}})
	defer all.Close()
	defer some.Close()
	tags := []string{"salt/auth", "salt/job/1/new", "minion_start", "minion/refresh/a", "salt/job/1/ret/a"}
	var events []Event
	for _, tag := range tags {
		events = append(events, mustNew(t, tag))
	}
	bus.Fire(events[:3]...)
	bus.Fire(append(events[3:], Event{Tag: "bad\n\ntag"})...)
	for _, want := range tags {
		if got := next(t, all); got.Tag != want {
			t.Errorf("all: %q, want %q", got.Tag, want)
		}
	}
	for _, want := range []string{tags[1], tags[3], tags[4]} {
		if got := next(t, some); got.Tag != want {
			t.Errorf("some: %q, want %q", got.Tag, want)
		}
	}
	if st := bus.Stats(); st.Fired != 5 || st.Subscriptions != 2 || st.Lost != 0 {
		t.Errorf("%+v", st)
	}
	all.Close()
	all.Close()
	if _, ok := <-all.C(); ok {
		t.Error("channel is open after Close")
	}
	bus.Fire(events...)
	if st := bus.Stats(); st.Subscriptions != 1 {
		t.Errorf("%+v", st)
	}
}

func TestBus_fullQueueLosesAndCounts(t *testing.T) {
	for name, c := range map[string]struct {
		bus BusConfig
		sub SubscribeOptions
	}{
		"events of the subscription": {BusConfig{}, SubscribeOptions{Queue: 10}},
		"events of the bus":          {BusConfig{QueueEvents: 10}, SubscribeOptions{}},
		"bytes":                      {BusConfig{QueueBytes: 10 * 100}, SubscribeOptions{}},
	} {
		t.Run(name, func(t *testing.T) {
			bus := NewBus(c.bus)
			sub := bus.Subscribe(c.sub)
			defer sub.Close()
			e := mustNew(t, "tag", "x", strings.Repeat("v", 100))
			const fired = 100
			for range fired {
				bus.Fire(e) // nobody reads: must not block
			}
			if sub.Lost() == 0 || bus.Stats().Lost != sub.Lost() {
				t.Errorf("lost %d, %+v", sub.Lost(), bus.Stats())
			}
			for range fired - sub.Lost() {
				next(t, sub)
			}
			bus.Fire(mustNew(t, "alive"))
			if got := next(t, sub); got.Tag != "alive" {
				t.Errorf("then %q", got.Tag)
			}
		})
	}
}

// TestBus_sameOrderForAll: two goroutines fire, two subscribers see one order, and each sender's own order is kept.
func TestBus_sameOrderForAll(t *testing.T) {
	bus := NewBus(BusConfig{})
	subs := []*Subscription{bus.Subscribe(SubscribeOptions{}), bus.Subscribe(SubscribeOptions{})}
	const n = 500
	var firing sync.WaitGroup
	for g := range 2 {
		firing.Go(func() {
			for i := range n {
				bus.Fire(Event{Tag: fmt.Sprintf("%d/%06d", g, i), Data: []byte{0x80}})
			}
		})
	}
	var got [2][]string
	for i, s := range subs {
		for range 2 * n {
			got[i] = append(got[i], next(t, s).Tag)
		}
		s.Close()
	}
	firing.Wait()
	last := map[byte]string{}
	for i := range got[0] {
		tag := got[0][i]
		if tag != got[1][i] {
			t.Fatalf("event %d: %s and %s", i, tag, got[1][i])
		}
		if tag <= last[tag[0]] {
			t.Fatalf("%s after %s", tag, last[tag[0]])
		}
		last[tag[0]] = tag
	}
}

func BenchmarkBusFire(b *testing.B) {
	for _, subs := range []int{0, 1, 10} {
		b.Run(fmt.Sprintf("subscribers=%d", subs), func(b *testing.B) {
			bus := NewBus(BusConfig{})
			var readers sync.WaitGroup
			var all []*Subscription
			for range subs {
				s := bus.Subscribe(SubscribeOptions{})
				all = append(all, s)
				readers.Go(func() {
					for range s.C() { //nolint:revive // takes events away
					}
				})
			}
			e := mustNew(b, "salt/job/20261120133948339640/ret/m1", "return", strings.Repeat("v", 200))
			b.ReportAllocs()
			for b.Loop() {
				bus.Fire(e)
			}
			for _, s := range all {
				s.Close()
			}
			readers.Wait()
		})
	}
}

func BenchmarkFrameReader(b *testing.B) {
	for _, f := range []Framing{FramingBare, FramingLength} {
		b.Run(f.String(), func(b *testing.B) {
			stream, tags := streamOf(b, f)
			b.SetBytes(int64(len(stream)))
			b.ReportAllocs()
			for b.Loop() {
				r := NewFrameReader(strings.NewReader(string(stream)), 0)
				for range tags {
					if _, err := r.Next(); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
