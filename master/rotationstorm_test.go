package master_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/swarm"
	"github.com/saltern-io/saltern/jobcache"
)

// TestRotation_jobsGoOn: the whole fleet signs in anew after each rotation while jobs run, and no return is lost. The long
// form has 1,000 minions; sign-ins per second are logged either way.
func TestRotation_jobsGoOn(t *testing.T) {
	n, rotations := 60, 2
	if os.Getenv(longEnv) != "" {
		n, rotations = 1000, 3
	}
	m := (&clock{}).start(t, func(c *config.Master) { c.AutoAccept, c.LoopInterval, c.PresenceEvents = true, time.Hour, false })
	s := startSwarm(t, m, swarm.Config{
		N: n, IDPrefix: "m", StartSequence: true, VerifyPublications: true,
		// Nothing here may give up before the test does.
		AuthTimeout: time.Minute, RequestTimeout: time.Minute, ReturnTimer: time.Minute, ReturnTimerMax: time.Minute + time.Second,
	})
	curve := newCurve(s)
	p, bus := newPublisher(t, m), m.Bus(t)
	var jids []string
	before := s.Stats()
	deadline := time.Now().Add(8 * time.Minute)
	watch := func(done func(swarm.Stats) bool) {
		for !done(s.Stats()) && time.Now().Before(deadline) {
			curve.look()
			time.Sleep(20 * time.Millisecond)
		}
	}
	for i := range rotations {
		jids = append(jids, p.job("m*"), p.job("m*"))
		dropfile(t, m, "", 0o400)
		bus.Until(t, "key")
		jids = append(jids, p.job("m*"), p.job("m*")) // under the new key, before anybody has it
		// A minion learns one key at a time: what is published under a key that is replaced before it has signed in, it
		// can never read.
		watch(func(now swarm.Stats) bool { return now.Reauths-before.Reauths >= uint64((i+1)*n) })
	}
	want := uint64(n * len(jids))
	watch(func(now swarm.Stats) bool { return now.ReturnsAcked-before.ReturnsAcked >= want })
	after := s.Stats()
	t.Logf("%d minions, %d rotations, %d jobs: %d sign-ins, %d returns acknowledged, %d sent again", n, rotations, len(jids),
		after.SignIns-before.SignIns, after.ReturnsAcked-before.ReturnsAcked, after.Retries-before.Retries)
	t.Logf("sign-ins per second, every %s: %s", curve.step, curve)
	t.Logf("a sign-in took p50 %v, p99 %v, at most %v", after.SignIn.P50, after.SignIn.P99, after.SignIn.Max)
	if again := after.Reauths - before.Reauths; again < uint64(n) {
		t.Errorf("only %d minions signed in anew", again)
	}
	m.Stop(t)
	store := openStore(t, m)
	for i, jid := range jids {
		returns := map[string]bool{}
		err := store.Returns(jid, func(r jobcache.Return) error { returns[r.MinionID] = true; return nil })
		if err != nil || len(returns) != n {
			t.Errorf("job %d: %d of %d returns stored, %v", i, len(returns), n, err)
		}
	}
}

// curve counts the sign-ins of a swarm over time.
type curve struct {
	swarm *swarm.Swarm
	step  time.Duration
	next  time.Time
	last  uint64
	rates []int
}

func newCurve(s *swarm.Swarm) *curve {
	c := &curve{swarm: s, step: 250 * time.Millisecond}
	c.last, c.next = s.Stats().SignIns, time.Now().Add(c.step)
	return c
}

func (c *curve) look() {
	for now := time.Now(); !now.Before(c.next); c.next = c.next.Add(c.step) {
		signIns := c.swarm.Stats().SignIns
		c.rates = append(c.rates, int(float64(signIns-c.last)/c.step.Seconds()))
		c.last = signIns
	}
}

// String leaves out nothing: a gap in the middle is what one looks for.
func (c *curve) String() string { return strings.Trim(fmt.Sprint(c.rates), "[]") }
