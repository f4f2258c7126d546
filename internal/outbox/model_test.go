package outbox

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"
)

// model says in the simplest way what a queue does.
type model struct {
	waiting []modelItem
	held    map[string]bool
	keys    map[string]bool
	counts  Counts
	now     time.Time
}

type modelItem struct {
	kind   uint8
	key    string
	body   string
	stored time.Time
}

const (
	modelMaxItems = 12
	modelMaxAge   = time.Hour
)

func (m *model) put(it modelItem) (o Outcome) {
	m.counts.Received++
	if it.key != "" && m.keys[it.key] {
		m.counts.Duplicates++
		return Outcome{Duplicate: true}
	}
	for len(m.waiting) >= modelMaxItems {
		victim := -1
		for i, w := range m.waiting {
			if w.kind <= it.kind && !m.held[w.body] && (victim < 0 || w.kind < m.waiting[victim].kind) {
				victim = i
			}
		}
		if victim < 0 {
			m.counts.Refused++
			o.Err = ErrFull
			return o
		}
		m.remove(victim)
		m.counts.DroppedFull++
		o.Dropped++
	}
	it.stored = m.now
	m.waiting = append(m.waiting, it)
	if it.key != "" {
		m.keys[it.key] = true
	}
	m.counts.Stored++
	return o
}

// remove drops: the key may come again.
func (m *model) remove(i int) {
	delete(m.keys, m.waiting[i].key)
	m.waiting = slices.Delete(m.waiting, i, i+1)
}

func (m *model) take(n int, kinds ...uint8) (out []modelItem) {
	for _, w := range m.waiting {
		if len(out) < n && wanted(kinds, w.kind) {
			m.held[w.body] = true
			out = append(out, w)
		}
	}
	return out
}

func (m *model) ack(items []modelItem) {
	for _, it := range items {
		m.waiting = slices.DeleteFunc(m.waiting, func(w modelItem) bool { return w.body == it.body })
		m.counts.Acknowledged++
	}
}

func (m *model) expire() {
	for i := 0; i < len(m.waiting); i++ {
		if w := m.waiting[i]; w.stored.Before(m.now.Add(-modelMaxAge)) && !m.held[w.body] {
			m.remove(i)
			m.counts.DroppedAge++
			i--
		}
	}
}

// TestModel does the same random things to a queue and to the model.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		clock := newTestClock()
		fs := vfs.NewMem()
		// No ticks: expiry happens when the model says so.
		opts := Options{FS: fs, Clock: clock.Now, tick: time.Hour, MaxItems: modelMaxItems, MaxAge: modelMaxAge, KeyAge: 1000 * time.Hour}
		s, err := Open("outbox", opts)
		if err != nil {
			rt.Fatal(err)
		}
		defer func() {
			if err := s.Close(); err != nil {
				rt.Error(err)
			}
		}()
		q, err := s.Queue("mom")
		if err != nil {
			rt.Fatal(err)
		}
		m := &model{held: map[string]bool{}, keys: map[string]bool{}, now: clock.Now()}
		serial := 0
		rt.Repeat(map[string]func(*rapid.T){
			"put": func(rt *rapid.T) {
				var entries []Entry
				var want []Outcome
				for range rapid.IntRange(1, 6).Draw(rt, "unit") {
					serial++
					it := modelItem{
						kind: uint8(rapid.IntRange(0, 2).Draw(rt, "kind")),
						key:  rapid.SampledFrom([]string{"", "", "a", "b", "c", "d", "e", "f", "g"}).Draw(rt, "key"),
						body: fmt.Sprintf("body %d", serial),
					}
					entries = append(entries, Entry{q, Item{Kind: it.kind, Key: it.key, Body: []byte(it.body)}})
					want = append(want, m.put(it))
				}
				if got := put(s, entries...); !slices.Equal(got, want) {
					rt.Fatalf("outcomes %+v, want %+v", got, want)
				}
			},
			"take and ack": func(rt *rapid.T) {
				n := rapid.IntRange(0, 8).Draw(rt, "n")
				var kinds []uint8
				if k := rapid.IntRange(-1, 2).Draw(rt, "kind"); k >= 0 {
					kinds = []uint8{uint8(k)}
				}
				got, err := q.Take(n, 1<<20, kinds...)
				if err != nil {
					rt.Fatal(err)
				}
				want := m.take(n, kinds...)
				checkTaken(rt, got, want)
				upTo := rapid.IntRange(0, len(got)).Draw(rt, "ack")
				if err := q.Ack(got[:upTo]); err != nil {
					rt.Fatal(err)
				}
				m.ack(want[:upTo])
			},
			"expire": func(rt *rapid.T) {
				clock.add(time.Duration(rapid.IntRange(0, 40).Draw(rt, "minutes")) * time.Minute)
				m.now = clock.Now()
				m.expire()
				if err := s.Expire(); err != nil {
					rt.Fatal(err)
				}
			},
			"restart": func(rt *rapid.T) {
				if err := s.Close(); err != nil {
					rt.Fatal(err)
				}
				if s, err = Open("outbox", opts); err != nil {
					rt.Fatal(err)
				}
				if q, err = s.Queue("mom"); err != nil {
					rt.Fatal(err)
				}
				m.held = map[string]bool{}
			},
			"": func(rt *rapid.T) {
				if err := s.Sync(); err != nil {
					rt.Fatal(err)
				}
				if err := q.Audit(); err != nil {
					rt.Fatal(err)
				}
				st, err := q.Stats()
				if err != nil {
					rt.Fatal(err)
				}
				if st.Counts != m.counts || st.Items != int64(len(m.waiting)) || st.Keys != int64(len(m.keys)) {
					rt.Fatalf("%+v, want %+v, %d waiting, keys %v", st, m.counts, len(m.waiting), m.keys)
				}
			},
		})
	})
}

func checkTaken(rt *rapid.T, got []Taken, want []modelItem) {
	if len(got) != len(want) {
		rt.Fatalf("%d items, want %d", len(got), len(want))
	}
	for i, w := range want {
		if g := got[i]; g.Kind != w.kind || g.Key != w.key || string(g.Body) != w.body || !g.Stored.Equal(w.stored) {
			rt.Fatalf("item %d: %+v, want %+v", i, g, w)
		}
	}
}
