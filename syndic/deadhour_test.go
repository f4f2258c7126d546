package syndic

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/event"
	"github.com/saltern-io/saltern/internal/status"
	"github.com/saltern-io/saltern/internal/wire"
)

// memory is what a process of a test uses.
type memory struct{ heap, resident, descriptors, goroutines float64 }

func (c *childSetup) memory(t testing.TB) (m memory) {
	t.Helper()
	r := c.report(t)
	for _, f := range r.Metrics.Families {
		for name, into := range map[string]*float64{
			"saltern_process_heap_bytes": &m.heap, "saltern_process_resident_memory_bytes": &m.resident,
			"salt_process_open_fds": &m.descriptors, "saltern_process_goroutines": &m.goroutines,
		} {
			if f.Name == name {
				*into = f.Samples[0].Value
			}
		}
	}
	return m
}

func (c *childSetup) report(t testing.TB) (r status.Report) {
	t.Helper()
	eventually(t, "the syndic answers", func() (ok bool) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		var err error
		r, err = status.NewClient(c.statusSocket()).Report(ctx)
		return err == nil
	})
	return r
}

// lowest keeps the lowest figures of a part of the hour: what is left between two collections.
func (m *memory) lowest(n memory) {
	if m.heap == 0 {
		*m = n
		return
	}
	m.heap, m.resident = min(m.heap, n.heap), min(m.resident, n.resident)
	m.descriptors, m.goroutines = min(m.descriptors, n.descriptors), min(m.goroutines, n.goroutines)
}

func (m memory) String() string {
	return fmt.Sprintf("heap %.1f MiB, resident %.1f MiB, %.0f descriptors, %.0f goroutines", m.heap/(1<<20), m.resident/(1<<20), m.descriptors, m.goroutines)
}

// answers asks n times from tops in turn and returns how long each answer took to be complete.
func answers(t testing.TB, n, minions int, tops ...*top) []time.Duration {
	t.Helper()
	times := make([]time.Duration, n)
	for i := range n {
		m := tops[i%len(tops)]
		began := time.Now()
		m.exactly(t, m.publish(t, wire.PublishRequest{}), minions)
		times[i] = time.Since(began)
	}
	return times
}

// spread is the median and the longest of some times.
func spread(times []time.Duration) string {
	slices.Sort(times)
	return fmt.Sprintf("median %v, longest %v", times[len(times)/2].Round(time.Millisecond), times[len(times)-1].Round(time.Millisecond))
}

// TestDeadHour: one of three masters of masters is dead for an hour of the syndic's time, while returns to its jobs and
// events for all keep coming: the syndic's memory is flat, its queue stays within its bound and says what that cost, and
// the others are served as before.
func TestDeadHour(t *testing.T) {
	const minions, bound = 3, 2000
	a, b, dead, local := startTop(t, 0, nil), startTop(t, 1, nil), startTop(t, 0, nil), startLocal(t)
	runSwarm(t, local, minions)
	cfg := testConfig(t, local, dead.up())
	setup := setupOf(cfg)
	setup.More, setup.MaxItems = append(setup.More, a.up(), b.up()), bound
	speed := 900 // an hour in 4 s
	if long {
		speed = 60
	}
	setup.Speed = speed
	hour := time.Hour / time.Duration(speed)
	startChild(t, setup)
	for _, m := range []*top{a, b, dead} {
		m.ping(t, minions)
	}
	jid := dead.publish(t, wire.PublishRequest{})
	dead.exactly(t, jid, minions)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var wg sync.WaitGroup
	fired := 0
	wg.Go(func() { fired = fireUntil(t, ctx, local, jid) })
	calm := answers(t, 40, minions, a, b)
	before := setup.memory(t)
	dead.Stop(t)

	var quarters [4]memory
	var times []time.Duration
	for begin := time.Now(); ; {
		passed := time.Since(begin)
		if passed >= hour && quarters[3].heap > 0 {
			break
		}
		times = append(times, answers(t, 2, minions, a, b)...)
		quarters[min(int(4*passed/hour), 3)].lowest(setup.memory(t))
	}
	stop()
	wg.Wait()
	t.Logf("answers of the others: %s before, %s in the hour", spread(calm), spread(times))
	t.Logf("%d returns for the dead one and as many events for all; the syndic before: %v", fired, before)
	for i, q := range quarters {
		t.Logf("quarter %d: %v", i+1, q)
	}
	early, late := quarters[0], quarters[3]
	for _, q := range quarters[1:3] {
		if q.heap > 0 { // what fills at first has filled
			early = q
			break
		}
	}
	// Resident memory is only shown: under the race detector it says nothing.
	if late.heap > early.heap*1.25+6<<20 || late.descriptors > early.descriptors+16 || late.goroutines > early.goroutines+16 {
		t.Errorf("not flat: %v early, %v in the last quarter", early, late)
	}
	report := setup.report(t)
	for _, p := range report.Problems {
		if p.Kind == status.SumOff {
			t.Errorf("%s: %s", p.Upstream, p.Text)
		}
	}
	for _, section := range report.Sections {
		for _, q := range section.Queues {
			if q.Depth > bound {
				t.Errorf("%d items wait for %s, the bound is %d", q.Depth, section.Upstream, bound)
			}
			if section.Upstream == dead.up().Entry {
				t.Logf("%d items wait for the dead one", q.Depth)
			}
		}
	}
}

// fireUntil fires returns to a job and events on the bus of a master, evenly until ctx ends, and returns how many of each.
func fireUntil(t testing.TB, ctx context.Context, m *top, jid string) (n int) {
	t.Helper()
	w, err := event.DialPull(context.WithoutCancel(ctx), filepath.Join(m.Config.SockDir, event.PullSocket))
	if err != nil {
		t.Error(err)
		return 0
	}
	defer w.Close()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return n
		case <-tick.C:
		}
		for range 10 {
			id := fmt.Sprint("x", n)
			err := w.Fire(context.WithoutCancel(ctx), event.Event{Tag: event.TagJobReturn(jid, id), Data: returned(t, jid, id)})
			if err == nil {
				err = w.Fire(context.WithoutCancel(ctx), newEvent(t, "my/app/"+id))
			}
			if err != nil {
				t.Error(err)
				return n
			}
			n++
		}
	}
}
