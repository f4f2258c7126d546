package syndic

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/wire"
)

// long makes scenarios as large as the promises are.
var long = os.Getenv("SALTERN_LONG") != ""

// size is a scenario's size, short or long.
func size(short, whole int) int {
	if long {
		return whole
	}
	return short
}

// both cuts or heals the two connections of a link.
type cutter struct{ req, pub *wireTap }

func cutLink(t testing.TB, m *top) (cutter, config.Upstream) {
	t.Helper()
	c := cutter{tap(t, m.Host, m.RetPort), tap(t, m.Host, m.PublishPort)}
	return c, config.Upstream{Host: "127.0.0.1", Port: c.req.port(), PublishPort: c.pub.port(), Entry: "mom-" + itoa(m.RetPort)}
}

func (c cutter) cut()  { c.req.cut(); c.pub.cut() }
func (c cutter) heal() { c.req.heal(); c.pub.heal() }

// exactly wants a job's returns once each.
func (m *top) exactly(t testing.TB, jid string, n int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d returns of %s", n, jid), func() bool { _, got := m.log.returns(jid); return got >= n })
	if events, minions := m.log.returns(jid); events != n || minions != n {
		t.Errorf("%d return events of %d minions to %s, want %d", events, minions, jid, n)
	}
}

// balanced wants the sums of every upstream to be right when nothing waits.
func (r *running) balanced(t testing.TB) {
	t.Helper()
	eventually(t, "nothing waits", func() bool {
		for _, u := range r.Stats().Upstreams {
			if u.State == LinkServing && u.Waiting > 0 {
				return false
			}
		}
		return true
	})
	for _, u := range r.Stats().Upstreams {
		if u.Received != u.Stored+u.Duplicate+u.Rejected || u.Stored != u.Acknowledged+u.Refused+u.DroppedAge+u.DroppedFull+int64(u.Waiting) {
			t.Errorf("numbers of %s do not balance: %+v", u.Entry, u)
		}
	}
	for _, section := range r.Status().Sections {
		for _, sum := range section.Sums {
			if d := sum.Difference(); d != 0 {
				t.Errorf("sum %s of %s is off by %d: %+v", sum.Name, section.Upstream, d, sum)
			}
		}
	}
}

// TestRecover_cutAroundPublications: jobs that are published while one of two links is cut, and right after it is back,
// run once each; their returns reach the master that asked.
func TestRecover_cutAroundPublications(t *testing.T) {
	a, b, local := startTop(t, 0, nil), startTop(t, 1, nil), startLocal(t)
	const minions = 5
	sw := runSwarm(t, local, minions)
	cut, up := cutLink(t, a)
	s := run(t, testConfig(t, local, up, b.up()))
	a.ping(t, minions)
	b.ping(t, minions)
	before := executions(sw)
	jobs := 0
	for range size(4, 50) {
		cut.cut()
		s.await(t, 0, LinkAway)
		missed := []string{a.publish(t, wire.PublishRequest{}), a.publish(t, wire.PublishRequest{})}
		other := b.publish(t, wire.PublishRequest{})
		b.exactly(t, other, minions) // is not disturbed
		cut.heal()
		late := a.publish(t, wire.PublishRequest{}) // the link is not back yet
		s.await(t, 0, LinkServing)
		soon := a.publish(t, wire.PublishRequest{}) // the subscription may not be
		for _, jid := range append(missed, late, soon) {
			a.exactly(t, jid, minions)
		}
		jobs += 5
	}
	if n := executions(sw) - before; n != uint64(jobs*minions) {
		t.Errorf("%d executions of %d jobs by %d minions", n, jobs, minions)
	}
	u := s.Stats().Upstreams[0]
	if u.Missed == 0 || u.Recovered == 0 || u.Unrecovered != 0 || s.Stats().Lost != 0 {
		t.Errorf("%+v", u)
	}
	s.balanced(t)
}

// TestRecover_flapping: the link comes and goes all the time while jobs are published and return.
func TestRecover_flapping(t *testing.T) {
	a, b, local := startTop(t, 0, nil), startTop(t, 1, nil), startLocal(t)
	minions, jobs := size(20, 50), size(20, 60)
	sw := runSwarm(t, local, minions)
	cut, up := cutLink(t, a)
	s := run(t, testConfig(t, local, up, b.up()))
	a.ping(t, minions)
	b.ping(t, minions)
	before := executions(sw)
	jids := map[*top][]string{}
	for i := range jobs {
		for _, m := range []*top{a, b} {
			jids[m] = append(jids[m], m.publish(t, wire.PublishRequest{}))
		}
		switch i % 4 {
		case 1:
			cut.cut()
		case 3:
			cut.heal()
		}
	}
	cut.heal()
	for m, list := range jids {
		for _, jid := range list {
			m.exactly(t, jid, minions)
		}
	}
	if n := executions(sw) - before; n != uint64(2*jobs*minions) {
		t.Errorf("%d executions, want %d", n, 2*jobs*minions)
	}
	s.balanced(t)
}

// TestRecover_afterRestart: what is published while the syndic is down runs when it is back; what is too old is reported.
func TestRecover_afterRestart(t *testing.T) {
	mom, local := startTop(t, 0, nil), startLocal(t)
	runSwarm(t, local, 3)
	cfg := testConfig(t, local, mom.up())
	s := run(t, cfg)
	mom.ping(t, 3)
	eventually(t, "everything is acknowledged", func() bool { return s.Stats().Upstreams[0].Waiting == 0 })
	s.stop()
	missed := mom.publish(t, wire.PublishRequest{})
	s = run(t, cfg)
	mom.exactly(t, missed, 3)
	s.balanced(t)
	s.stop()

	old := mom.publish(t, wire.PublishRequest{})
	cfg.ReplayMaxAge = time.Nanosecond
	s = run(t, cfg)
	eventually(t, "report on the local bus", func() bool { return local.log.count(TagMissed) == 1 })
	eventually(t, "report above", func() bool { return mom.log.count("syndic/syn1/"+TagMissed) == 1 })
	data, err := wire.DecodeMap(local.log.last(TagMissed), wire.Local, wire.LoadLimits)
	if err != nil || data.Str("jid") != old || data.Str("fun") != "test.ping" || data.Str("upstream") != mom.up().Entry || data.Str("reason") == "" || data.Int("serial") == 0 {
		t.Errorf("%v, %v", data, err)
	}
	if u := s.Stats().Upstreams[0]; u.Missed != 1 || u.Unrecovered != 1 || u.Recovered != 0 {
		t.Errorf("%+v", u)
	}
	if _, n := mom.log.returns(old); n != 0 {
		t.Errorf("the old job ran")
	}
}

// TestRecover_stockCounts: a master without a journal: the number of lost publications is reported exactly.
func TestRecover_stockCounts(t *testing.T) {
	fake, local := startFake(t, func(cmd string, _ []byte) []byte {
		if cmd == wire.CmdSalternPubs || cmd == wire.CmdSalternInventory || cmd == wire.CmdMinionRunner {
			return []byte{0x80}
		}
		return nil
	}), startLocal(t)
	runSwarm(t, local, 1)
	s := run(t, testConfig(t, local, fake.up()))
	s.await(t, 0, LinkServing)
	fake.pings(10)
	fake.mu.Lock()
	fake.serial += 4
	fake.mu.Unlock()
	fake.publish("20261120150000000099")
	eventually(t, "return", func() bool { return fake.returned("20261120150000000099", "m0") })
	eventually(t, "report", func() bool { return local.log.count(TagMissed) == 1 })
	data, err := wire.DecodeMap(local.log.last(TagMissed), wire.Local, wire.LoadLimits)
	if err != nil || data.Int("count") != 4 {
		t.Errorf("%v, %v", data, err)
	}
	if u := s.Stats().Upstreams[0]; u.Missed != 4 || u.Unrecovered != 4 {
		t.Errorf("%+v", u)
	}
}

// TestFindJob: minions whose return is here are not asked whether they still run the job.
func TestFindJob(t *testing.T) {
	mom, local := startTop(t, 0, nil), startLocal(t)
	sw := runSwarm(t, local, 3)
	s := run(t, testConfig(t, local, mom.up()))
	mom.ping(t, 3)
	jid := mom.publish(t, wire.PublishRequest{Tgt: "m[01]", TgtType: "glob", Fun: "test.ping"})
	mom.exactly(t, jid, 2)
	before := executions(sw)
	ask := func(ids ...any) string {
		return mom.publish(t, wire.PublishRequest{Tgt: ids, TgtType: "list", Fun: findJob, Arg: []any{jid}})
	}
	mom.exactly(t, ask("m0", "m1"), 2)
	if n := executions(sw) - before; n != 0 {
		t.Errorf("%d minions were asked", n)
	}
	mom.exactly(t, ask("m0", "m1", "m2"), 3)
	if n := executions(sw) - before; n != 1 {
		t.Errorf("%d minions were asked", n)
	}
	if n := s.Stats().Spared; n != 4 {
		t.Errorf("%d minions spared", n)
	}
}

// TestInventory: the master of masters knows who stands behind the syndic, through two levels, and hears of changes.
func TestInventory(t *testing.T) {
	mom, mid, low := startTop(t, 0, nil), startTop(t, 0, nil), startLocal(t)
	runSwarmAs(t, low, "low", 3)
	runSwarmAs(t, mid, "mid", 2)
	upper := testConfig(t, mid, mom.up())
	upper.ID = "upper"
	run(t, upper)
	lower := testConfig(t, low, mid.up())
	lower.ID = "lower"
	run(t, lower)
	behind := func(m *top, id string) (n int, current bool) {
		for _, s := range m.Master.Stats().Syndics {
			if s.ID == id {
				return s.Minions, s.Current
			}
		}
		return 0, false
	}
	eventually(t, "the middle knows", func() bool { n, ok := behind(mid, "lower"); return n == 3 && ok })
	eventually(t, "the top knows", func() bool { n, ok := behind(mom, "upper"); return n == 5 && ok })
	if err := os.Remove(filepath.Join(low.Config.PKIDir, "minions", "low2")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the top hears of a change", func() bool { n, ok := behind(mom, "upper"); return n == 4 && ok })
	mom.restart(t, nil)
	eventually(t, "the top knows again", func() bool { n, ok := behind(mom, "upper"); return n == 4 && ok })
}

// TestRecover_stockRuns: a stock master that lets us list its jobs: what root published in the gap runs, the rest is
// reported.
func TestRecover_stockRuns(t *testing.T) {
	listed := wire.NewMap()
	job := func(jid, fun, user string) {
		listed.Set(jid, wire.NewMap("Function", fun, "Arguments", []any{}, "Target", "*", "Target-type", "glob", "User", user))
	}
	job("20261120150000000009", "test.version", "root") // before the gap
	job("20261120150000000091", "test.version", "root")
	job("20261120150000000092", "test.version", "fred")
	job("20261120150000000093", "test.ping", "root")
	// Those that ran at the master itself were never published: this list is asked for with one.
	job("20261120150000000094", "runner.jobs.list_jobs", "root")
	job("20261120150000000095", "wheel.key.list_all", "root")
	job("20261120150000000099", "test.ping", "root")
	fake, local := startFake(t, func(cmd string, load []byte) []byte {
		fun, _ := wire.Field(load, "fun")
		name, _ := wire.Str(fun)
		switch {
		case cmd == wire.CmdMinionRunner && name == "jobs.list_jobs":
			raw, err := wire.Encode(listed, wire.Wire)
			must(t, err)
			return raw
		case cmd == wire.CmdSalternPubs, cmd == wire.CmdSalternInventory, cmd == wire.CmdMinionRunner:
			return []byte{0x80}
		}
		return nil
	}), startLocal(t)
	runSwarm(t, local, 1)
	s := run(t, testConfig(t, local, fake.up()))
	s.await(t, 0, LinkServing)
	fake.pings(10)
	fake.mu.Lock()
	fake.serial += 3
	fake.mu.Unlock()
	fake.publish("20261120150000000099")
	eventually(t, "return of the missed job", func() bool { return fake.returned("20261120150000000091", "m0") })
	eventually(t, "report", func() bool { return local.log.count(TagMissed) == 1 })
	data, err := wire.DecodeMap(local.log.last(TagMissed), wire.Local, wire.LoadLimits)
	if err != nil || data.Str("jid") != "20261120150000000092" {
		t.Errorf("%v, %v", data, err)
	}
	eventually(t, "numbers", func() bool {
		u := s.Stats().Upstreams[0]
		return u.Missed == 3 && u.Recovered == 1 && u.Unrecovered == 2
	})
	if fake.returned("20261120150000000009", "m0") {
		t.Error("a job from before the gap ran")
	}
}
