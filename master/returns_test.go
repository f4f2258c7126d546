package master_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/jid"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/jobcache"
	"github.com/saltern-io/saltern/master/mastertest"
	"github.com/saltern-io/saltern/pki"
)

// returnLoad is a `_return` of a minion; change alters it.
func returnLoad(id, jid string, change ...any) *wire.Map {
	load := wire.NewMap("cmd", "_return", "id", id, "success", true, "return", true, "retcode", int64(0),
		"jid", jid, "fun", "test.ping", "fun_args", []any{})
	for i := 0; i < len(change); i += 2 {
		load.Set(change[i], change[i+1])
	}
	return load
}

// stored reads one return from the cache of a master that was stopped; nil when there is none.
func stored(t *testing.T, s *jobcache.Store, jid, id string) *wire.Map {
	t.Helper()
	r, ok, err := s.Return(jid, id)
	if err != nil {
		t.Fatal(err)
	}
	if !ok {
		return nil
	}
	load, err := wire.DecodeMap(r.Body, wire.Wire, wire.LoadLimits)
	if err != nil {
		t.Fatal(err)
	}
	return load
}

const unknownJob = "20200101000000000002"

func TestReturns_storedOnceFiredTwice(t *testing.T) {
	for _, level := range []wire.Level{2, 3} {
		m := mastertest.Start(t, func(c *config.Master) { c.MinimumAuthVersion = 2 })
		minion := mastertest.SignedIn(t, m, "web1", level)
		bus := m.Bus(t)
		for _, value := range []any{"first", "second"} {
			if got := minion.Do(t, returnLoad("web1", unknownJob, "return", value)); got != nil {
				t.Errorf("level %d: reply %v, want nil", level, got)
			}
		}
		events := bus.Drain(t)
		if want := []string{"salt/job/" + unknownJob + "/ret/web1", "salt/job/" + unknownJob + "/ret/web1"}; !slices.Equal(mastertest.Tags(events), want) {
			t.Errorf("level %d: events %q", level, mastertest.Tags(events))
		}
		for _, e := range events {
			if data := mastertest.EventData(t, e); data.Has("tok") || data.Has("nonce") || data.Has("ts") != (level == 3) || data.Str("_stamp") == "" {
				t.Errorf("level %d: event %s", level, asJSON(data))
			}
		}
		if s := m.Master.Stats(); s.Duplicates != 1 || s.Returns != 2 {
			t.Errorf("level %d: stats %+v", level, s)
		}
		m.Stop(t)
		if load := stored(t, openStore(t, m), unknownJob, "web1"); load.Str("return") != "first" || load.Has("tok") {
			t.Errorf("level %d: stored %s", level, asJSON(load))
		}
	}
}

func TestReturns_standalone(t *testing.T) {
	m := mastertest.Start(t, nil)
	minion := mastertest.SignedIn(t, m, "web1", 3)
	bus := m.Bus(t)
	if got := minion.Do(t, returnLoad("web1", "req", "fun_args", []any{"a"}, "tgt", "*")); got != nil {
		t.Errorf("reply %v", got)
	}
	e := bus.Next(t)
	data := mastertest.EventData(t, e)
	id := data.Str("jid")
	if !jid.Valid(id) || e.Tag != "salt/job/"+id+"/ret/web1" || asJSON(data.List("arg")) != `["a"]` || data.Str("tgt") != "web1" || data.Str("tgt_type") != "glob" {
		t.Errorf("event %q %s", e.Tag, asJSON(data))
	}
	m.Stop(t)
	s := openStore(t, m)
	if job, ok, err := s.Job(id); err != nil || !ok || !slices.Equal(job.Minions, []string{"web1"}) {
		t.Errorf("job %+v, %v, %v", job, ok, err)
	}
	if stored(t, s, id, "web1") == nil {
		t.Error("the return is not stored")
	}
}

// TestReturns_notStored: the event is fired and the minion content, but nothing is kept.
func TestReturns_notStored(t *testing.T) {
	tests := []struct {
		name   string
		jid    string
		change func(*config.Master)
		ret    []any
	}{
		{"job_cache off", unknownJob, func(c *config.Master) { c.JobCache = false }, nil},
		{"ext_job_cache", unknownJob, func(c *config.Master) { c.ExtJobCache = "redis" }, nil},
		{"the jid nocache", "nocache", nil, nil},
		{"a return that asks for it", unknownJob, nil, []any{"nocache", true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := mastertest.Start(t, tt.change)
			minion := mastertest.SignedIn(t, m, "web1", 3)
			bus := m.Bus(t)
			if got := minion.Do(t, returnLoad("web1", tt.jid, tt.ret...)); got != nil {
				t.Errorf("reply %v", got)
			}
			if e := bus.Next(t); e.Tag != "salt/job/"+tt.jid+"/ret/web1" {
				t.Errorf("event %q", e.Tag)
			}
			m.Stop(t)
			if load := stored(t, openStore(t, m), tt.jid, "web1"); load != nil {
				t.Errorf("stored %s", asJSON(load))
			}
		})
	}
}

func TestReturns_jobMarkedNoCache(t *testing.T) {
	m := mastertest.Start(t, nil)
	minion := mastertest.SignedIn(t, m, "web1", 3)
	id := newPublisher(t, m).job("web1", "kwargs", wire.NewMap("nocache", true))
	if got := minion.Do(t, returnLoad("web1", id)); got != nil {
		t.Errorf("reply %v", got)
	}
	m.Stop(t)
	if load := stored(t, openStore(t, m), id, "web1"); load != nil {
		t.Errorf("stored %s", asJSON(load))
	}
}

// TestReturns_ignored: no event, nothing stored, and the minion is content or refused.
func TestReturns_ignored(t *testing.T) {
	m := mastertest.Start(t, func(c *config.Master) { c.MinimumAuthVersion = 2 })
	three := mastertest.SignedIn(t, m, "web1", 3)
	two := mastertest.SignedIn(t, m, "web2", 2)
	without := func(key string) *wire.Map {
		load := returnLoad("web1", unknownJob)
		load.Delete(key)
		return load
	}
	bus := m.Bus(t)
	tests := []struct {
		name   string
		minion *mastertest.Minion
		load   *wire.Map
		want   string // refusal, "" for nil
	}{
		{"without return", three, without("return"), ""},
		{"without jid", three, without("jid"), ""},
		{"empty jid", three, returnLoad("web1", ""), ""},
		{"jid with a slash", three, returnLoad("web1", "a/b"), ""},
		{"a foreign id at level 3", three, returnLoad("web2", unknownJob), "bad load"},
		{"level 2 without an id", two, without("id"), ""},
		{"level 2 for an id without a key", two, returnLoad("ghost", unknownJob), "bad load"},
		{"level 2 with the tok of another id", two, returnLoad("ghost", unknownJob, "tok", two.Tok()), "bad load"},
		{"level 2 for an id that is a path", two, returnLoad("../web1", unknownJob), "bad load"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if value, refusal := tt.minion.Try(t, tt.load); refusal != tt.want || value != nil {
				t.Errorf("reply %v, refusal %q", value, refusal)
			}
		})
	}
	if events := bus.Drain(t); len(events) > 0 {
		t.Errorf("events %q", mastertest.Tags(events))
	}
}

func TestReturns_oversizedEvent(t *testing.T) {
	m := mastertest.Start(t, func(c *config.Master) { c.MaxEventSize = 4096 })
	minion := mastertest.SignedIn(t, m, "web1", 3)
	bus := m.Bus(t)
	big := strings.Repeat("x", 100_000)
	minion.Do(t, returnLoad("web1", unknownJob, "return", wire.NewMap("big", big, "small", "s")))
	e := bus.Next(t)
	data := mastertest.EventData(t, e)
	if len(e.Data) > 4096 || data.Map("return").Str("small") != "s" || data.Map("return").Str("big") == big {
		t.Errorf("event of %d bytes", len(e.Data))
	}
	m.Stop(t)
	if load := stored(t, openStore(t, m), unknownJob, "web1"); load.Map("return").Str("big") != big {
		t.Error("the stored return is not whole")
	}
}

func TestReturns_stateFailures(t *testing.T) {
	states := func() *wire.Map {
		return wire.NewMap(
			"pkg_|-vim_|-vim_|-installed", wire.NewMap("result", true, "comment", "fine"),
			"test_|-bad_|-bad_|-fail_without_changes", wire.NewMap("result", false, "comment", "Failure!"),
		)
	}
	failed := func(fun string) []string {
		return []string{"salt/job/" + unknownJob + "/ret/web1", "test.fail_without_changes", "salt/job/" + unknownJob + "/sub/web1/error/" + fun}
	}
	tests := []struct {
		name string
		ret  []any
		want []string
	}{
		{"state.sls", []any{"fun", "state.sls", "retcode", int64(2), "return", states()}, failed("state.sls")},
		{"highstate", []any{"fun", "state.highstate", "retcode", int64(2), "return", states()}, failed("state.highstate")},
		{"state.apply is not listed", []any{"fun", "state.apply", "retcode", int64(2), "return", states()}, failed("")[:1]},
		{"good retcode", []any{"fun", "state.sls", "return", states()}, failed("")[:1]},
		{"compile errors", []any{"fun", "state.sls", "retcode", int64(1), "return", []any{"no"}}, failed("")[:1]},
		{"compound call", []any{
			"fun",
			[]any{"test.ping", "state.sls", "state.highstate"},
			"retcode", wire.NewMap("test.ping", int64(0), "state.sls", int64(2), "state.highstate", int64(0)),
			"return", wire.NewMap("test.ping", true, "state.sls", states(), "state.highstate", states()),
		}, failed("state.sls")},
	}
	m := mastertest.Start(t, func(c *config.Master) { c.StateEvents = true })
	minion := mastertest.SignedIn(t, m, "web1", 3)
	bus := m.Bus(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			minion.Do(t, returnLoad("web1", unknownJob, append(tt.ret, "user", "root")...))
			events := bus.Drain(t)
			if !slices.Equal(mastertest.Tags(events), tt.want) {
				t.Fatalf("events %q, want %q", mastertest.Tags(events), tt.want)
			}
			if len(events) < 3 {
				return
			}
			state, sub := mastertest.EventData(t, events[1]), mastertest.EventData(t, events[2])
			if state.Int("retcode") != 2 || state.Str("comment") != "Failure!" || state.Has("jid") {
				t.Errorf("event of the state %s", asJSON(state))
			}
			if sub.Str("jid") != unknownJob || sub.Str("id") != "web1" || sub.Str("return") != "Error: test.fail_without_changes" ||
				sub.Str("user") != "root" || sub.Bool("success") || !sub.Has("success") {
				t.Errorf("event of the failure %s", asJSON(sub))
			}
		})
	}
}

// TestReturns_signed walks minion_sign_messages: the policies, and good and bad signatures.
func TestReturns_signed(t *testing.T) {
	sign := func(key *pki.PrivateKey, load *wire.Map) *wire.Map {
		// What a minion signs is its load before nonce, ts and tok are added to it.
		raw, err := wire.Encode(load, wire.Local)
		if err != nil {
			t.Fatal(err)
		}
		sig, err := key.Sign(pki.PKCS1v15SHA1, raw)
		if err != nil {
			t.Fatal(err)
		}
		signed := load.Clone()
		signed.Set("sig", sig)
		return signed
	}
	good := sign(mastertest.MinionKey(), returnLoad("web2", unknownJob))
	bad := sign(mastertest.OtherKey(), returnLoad("web2", unknownJob))
	none := returnLoad("web2", unknownJob)
	tests := []struct {
		require, drop bool
		load          *wire.Map
		want          any // nil taken, false dropped
	}{
		{false, false, none, nil},
		{false, false, good, nil},
		{false, false, bad, nil},
		{false, true, none, nil},
		{false, true, good, nil},
		{false, true, bad, false},
		{true, false, none, false},
		{true, false, good, nil},
		{true, false, bad, false}, // stricter: required means a good one
		{true, true, good, nil},
		{true, true, bad, false},
	}
	m := mastertest.Start(t, func(c *config.Master) { c.MinimumAuthVersion = 2 })
	two, three := mastertest.SignedIn(t, m, "web2", 2), mastertest.SignedIn(t, m, "web2", 3)
	for _, tt := range tests {
		cfg := *m.Config
		cfg.RequireMinionSignMessages, cfg.DropMessagesSignatureFail = tt.require, tt.drop
		m.Master.Reload(&cfg)
		for _, minion := range []*mastertest.Minion{two, three} {
			if got := minion.Do(t, tt.load); got != tt.want {
				t.Errorf("level %d, require %v, drop %v, %s: reply %v, want %v", minion.Level, tt.require, tt.drop, asJSON(tt.load), got, tt.want)
			}
		}
	}
}

func TestReturns_endTime(t *testing.T) {
	m := mastertest.Start(t, func(c *config.Master) { c.JobCacheStoreEndtime = true })
	minion := mastertest.SignedIn(t, m, "web1", 3)
	minion.Do(t, returnLoad("web1", unknownJob))
	m.Stop(t)
	job, ok, err := openStore(t, m).Job(unknownJob)
	if err != nil || !ok || len(job.EndTime) != len("2026, Nov 20 13:43:08.227445") || job.EndTime[4:6] != ", " {
		t.Errorf("end time %q, %v, %v", job.EndTime, ok, err)
	}
}

func TestReturns_fromSyndic(t *testing.T) {
	m := mastertest.Start(t, func(c *config.Master) { c.MinimumAuthVersion, c.OrderMasters = 2, true })
	three := mastertest.SignedIn(t, m, "syn1", 3)
	two := mastertest.SignedIn(t, m, "syn2", 2)
	bus := m.Bus(t)
	batch := func(syndic string, minions *wire.Map, change ...any) *wire.Map {
		item := wire.NewMap("id", syndic, "jid", unknownJob, "fun", "test.ping", "load", wire.NewMap("fun", "test.ping", "key", "secret"), "return", minions)
		for i := 0; i < len(change); i += 2 {
			item.Set(change[i], change[i+1])
		}
		return wire.NewMap("cmd", "_syndic_return", "load", []any{item})
	}
	part := func(v any) *wire.Map { return wire.NewMap("return", v, "retcode", int64(0), "success", true) }
	tag := func(id string) string { return "salt/job/" + unknownJob + "/ret/" + id }
	tests := []struct {
		name string
		from *mastertest.Minion
		load *wire.Map
		want []string
	}{
		{"two minions", three, batch("syn1", wire.NewMap("a", part("x"), "b", part("y"))), []string{tag("a"), tag("b")}},
		{"the same again", three, batch("syn1", wire.NewMap("a", part("z"), "b", part("y"))), nil},
		{"a foreign syndic at level 3", three, batch("syn2", wire.NewMap("c", part("x"))), nil},
		{"level 2", two, batch("syn2", wire.NewMap("d", part("x"))), []string{tag("d")}},
		{"level 2, syndic without a key", two, batch("ghost", wire.NewMap("e", part("x"))), nil},
		{"level 2, syndic that is a path", two, batch("../x", wire.NewMap("e", part("x"))), nil},
		{"minion that is a path", three, batch("syn1", wire.NewMap("../e", part("x"))), nil},
		{"part with another jid", three, batch("syn1", wire.NewMap("f", wire.NewMap("return", true, "jid", "1", "id", "x"))), []string{tag("f")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.from.Do(t, tt.load); got != nil {
				t.Errorf("reply %v", got)
			}
			if tags := mastertest.Tags(bus.Drain(t)); !slices.Equal(tags, tt.want) {
				t.Errorf("events %q, want %q", tags, tt.want)
			}
		})
	}
	cfg := *m.Config
	cfg.RequireMinionSignMessages = true
	m.Master.Reload(&cfg)
	three.Do(t, batch("syn1", wire.NewMap("unsigned", part("x"))))
	if events := bus.Drain(t); len(events) != 0 {
		t.Errorf("unsigned relayed returns: %q", mastertest.Tags(events))
	}
	m.Stop(t)
	s := openStore(t, m)
	if load := stored(t, s, unknownJob, "a"); load.Str("return") != "x" {
		t.Errorf("stored %s", asJSON(load))
	}
	job, _, err := s.Job(unknownJob)
	if err != nil || strings.Contains(string(job.Load), "secret") || len(job.Load) == 0 {
		t.Errorf("load %q, %v", job.Load, err)
	}
}
