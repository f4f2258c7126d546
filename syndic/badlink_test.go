package syndic

import (
	"sync"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/badlink"
	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/wire"
)

// badTier is a syndic under two masters of masters, the first over a bad line.
type badTier struct {
	a, b, local *top
	line        cutter
	syndic      *running
	minions     int
	executed    func() int // jobs run by minions since the start
	jobs        map[*top][]string
}

func startBadTier(t testing.TB, minions int) *badTier {
	t.Helper()
	return startBadTierOver(t, minions, cutLink)
}

// startBadTierOver takes the line to the first master of masters from link.
func startBadTierOver(t testing.TB, minions int, link func(testing.TB, *top) (cutter, config.Upstream)) *badTier {
	t.Helper()
	tier := &badTier{
		a: startTop(t, 0, nil), b: startTop(t, 1, nil), local: startLocal(t), minions: minions, jobs: map[*top][]string{},
	}
	sw := runSwarm(t, tier.local, minions)
	line, up := link(t, tier.a)
	tier.line = line
	cfg := testConfig(t, tier.local, up, tier.b.up())
	cfg.ReturnRetryTimerMax = 3 * time.Second
	tier.syndic = run(t, cfg, func(s *Syndic) {
		for _, u := range s.upstreams {
			u.heartbeat = time.Second
		}
	})
	tier.a.ping(t, minions)
	tier.b.ping(t, minions)
	before := executions(sw)
	tier.executed = func() int { return int(executions(sw) - before) }
	return tier
}

// ask publishes a job at m.
func (tier *badTier) ask(t testing.TB, m *top) string {
	t.Helper()
	jid := m.publish(t, wire.PublishRequest{})
	tier.jobs[m] = append(tier.jobs[m], jid)
	return jid
}

// settled wants every job's returns once at its origin, nowhere else, from one execution each; more is how many returns
// a job has beyond its minions'.
func (tier *badTier) settled(t testing.TB, more map[string]int) {
	t.Helper()
	check := func() {
		for m, list := range tier.jobs {
			for _, jid := range list {
				m.exactly(t, jid, tier.minions+more[jid])
			}
		}
	}
	check()
	tier.syndic.balanced(t)
	check() // and no more came
	runs := 0
	for m, other := range map[*top]*top{tier.a: tier.b, tier.b: tier.a} {
		runs += len(tier.jobs[m]) * tier.minions
		for _, jid := range tier.jobs[m] {
			if n, _ := other.log.returns(jid); n != 0 {
				t.Errorf("%d returns of %s at the other master of masters", n, jid)
			}
		}
	}
	if n := tier.executed(); n != runs {
		t.Errorf("%d executions, want %d", n, runs)
	}
	st := tier.syndic.Stats()
	if u := st.Upstreams[0]; st.Lost != 0 || st.Dropped != 0 || u.Unrecovered != 0 || u.Refused != 0 {
		t.Errorf("%+v", st)
	}
	u := st.Upstreams[0]
	t.Logf("over the bad line: %d publications, %d of them missed and recovered; %d returns and events acknowledged, %d sent", u.Publications, u.Recovered, u.Acknowledged, u.Forwarded)
}

// lasts keeps a phase until a condition holds, and in the long form for a time.
func lasts(t testing.TB, whole time.Duration, what string, ok func() bool) {
	t.Helper()
	end := time.Now().Add(whole)
	eventuallyWithin(t, max(patience, 2*whole), what, func() bool { return (!long || time.Now().After(end)) && ok() })
}

// TestBadLink_cut cuts the line to one of two masters of masters around a publication and during 1,000 returns: with a
// reset of every connection, in silence, and for good for the connections of that moment.
func TestBadLink_cut(t *testing.T) {
	for _, mode := range []struct {
		name       string
		begin, end func(cutter)
	}{
		{"reset", cutter.cut, cutter.heal},
		{"silence", cutter.silence, cutter.heal},
		{"forgotten connections", cutter.forget, func(cutter) {}},
	} {
		t.Run(mode.name, func(t *testing.T) {
			tier := startBadTier(t, 5)
			big := tier.ask(t, tier.a)
			tier.a.exactly(t, big, tier.minions)
			const returns = 1000
			var wg sync.WaitGroup
			wg.Go(func() { fireReturns(t, tier.local, big, returns) })
			eventually(t, "the returns are on their way", func() bool { _, n := tier.a.log.returns(big); return n > returns/10 })
			subscriptions := tier.line.pub.Connections()
			mode.begin(tier.line)
			missed := tier.ask(t, tier.a)
			for range 3 {
				tier.b.exactly(t, tier.ask(t, tier.b), tier.minions) // not disturbed
			}
			wg.Wait()
			lasts(t, 10*time.Second, "all returns are at the syndic", func() bool { _, n := tier.local.log.returns(big); return n >= returns+tier.minions })
			if _, n := tier.a.log.returns(missed); n != 0 && mode.name != "forgotten connections" {
				t.Errorf("%d returns over a cut line", n)
			}
			mode.end(tier.line)
			eventually(t, "a subscription that is alive", func() bool { return tier.line.pub.Connections() > subscriptions || mode.name == "silence" })
			tier.ask(t, tier.a)
			tier.settled(t, map[string]int{big: returns})
		})
	}
}

// TestBadLink_flapping: the line comes and goes every second for a minute, now with a reset, now in silence.
func TestBadLink_flapping(t *testing.T) {
	tier := startBadTier(t, 10)
	period, rounds := 50*time.Millisecond, size(20, 60)
	if long {
		period = time.Second
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(done)
		tick := time.NewTicker(period / 2)
		defer tick.Stop()
		for i := range rounds {
			if i%2 == 0 {
				tier.line.cut()
			} else {
				tier.line.silence()
			}
			<-tick.C
			tier.line.heal()
			<-tick.C
		}
	})
	for flapping := true; flapping; {
		tier.ask(t, tier.a)
		tier.b.exactly(t, tier.ask(t, tier.b), tier.minions)
		select {
		case <-done:
			flapping = false
		default:
		}
	}
	wg.Wait()
	t.Logf("%d jobs while the line flapped", len(tier.jobs[tier.a]))
	tier.settled(t, nil)
}

// TestBadLink_lossy: 200 ms away in both directions, and 5 % of all segments are lost.
func TestBadLink_lossy(t *testing.T) {
	tier := startBadTier(t, 5)
	delay := 50 * time.Millisecond
	if long {
		delay = 200 * time.Millisecond
	}
	q := badlink.Quality{Delay: delay, Loss: 0.05, Bandwidth: 4 << 20}
	tier.line.req.Set(q)
	tier.line.pub.Set(q)
	tier.line.cut() // it also signs in over the bad line
	tier.syndic.await(t, 0, LinkAway)
	tier.line.heal()
	tier.syndic.await(t, 0, LinkServing)
	tier.load(t)
}

// load publishes jobs from both sides while 1,000 returns go over the line.
func (tier *badTier) load(t testing.TB) {
	t.Helper()
	big := tier.ask(t, tier.a)
	tier.a.exactly(t, big, tier.minions)
	const returns = 1000
	var wg sync.WaitGroup
	wg.Go(func() { fireReturns(t, tier.local, big, returns) })
	for range size(5, 50) {
		began := time.Now()
		jid := tier.ask(t, tier.a)
		tier.a.exactly(t, jid, tier.minions)
		t.Logf("complete after %v", time.Since(began).Round(time.Millisecond))
		tier.b.exactly(t, tier.ask(t, tier.b), tier.minions)
	}
	wg.Wait()
	tier.settled(t, map[string]int{big: returns})
}

func (c cutter) silence() { c.req.Silence(); c.pub.Silence() }
func (c cutter) forget()  { c.req.Forget(); c.pub.Forget() }
