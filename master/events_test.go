package master_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/jobcache"
	"github.com/saltern-io/saltern/master/mastertest"
)

func eventLoad(tag string, data any) *wire.Map {
	return wire.NewMap("cmd", "_minion_event", "pretag", nil, "data", data, "tag", tag)
}

func eventItem(tag string, data any) *wire.Map { return wire.NewMap("tag", tag, "data", data) }

func eventBatch(pretag any, items ...any) *wire.Map {
	return wire.NewMap("cmd", "_minion_event", "pretag", pretag, "events", items)
}

// reservedTags are those that no minion may fire (spec: master-functions §2.3).
var reservedTags = []string{
	"salt/key", "salt/auth", "salt/job/20200101000000000002/new", "salt/job/20200101000000000002/publish",
	"salt/job/20200101000000000002/return", "salt/job/20200101000000000002/ret/db1", "salt/job/x/y/ret/db1",
	"salt/cloud/vm/created", "salt/run/20200101000000000002/ret", "salt/cluster/x", "salt/wheel/1/new",
	"salt/wheel/1/return", "salt/wheel/1/ret", "20200101000000000002",
}

func TestEvents_single(t *testing.T) {
	m := mastertest.Start(t, func(c *config.Master) { c.MinimumAuthVersion = 2 })
	three, two := mastertest.SignedIn(t, m, "web1", 3), mastertest.SignedIn(t, m, "web2", 2)
	bus := m.Bus(t)
	for _, minion := range []*mastertest.Minion{three, two} {
		load := eventLoad("my/tag", wire.NewMap("x", int64(1)))
		load.Set("id", minion.ID)
		load.Set("tok", minion.Tok())
		if got := minion.Do(t, load); got != nil {
			t.Errorf("reply %v", got)
		}
		data := bus.Until(t, "my/tag")
		data.Delete("_stamp")
		if data.Has("ts") != (minion.Level == 3) {
			t.Errorf("level %d: ts in %s", minion.Level, asJSON(data))
		}
		data.Delete("ts")
		want := `{"cmd":"_minion_event","data":{"x":1},"id":"` + minion.ID + `","pretag":null,"tag":"my/tag"}`
		if asJSON(data) != want {
			t.Errorf("level %d: %s, want %s", minion.Level, asJSON(data), want)
		}
	}
	for _, tag := range append([]string{"", "two\n\nparts"}, reservedTags...) {
		three.Do(t, eventLoad(tag, wire.NewMap()))
	}
	if events := bus.Drain(t); len(events) != 0 {
		t.Errorf("events that nobody may fire: %q", mastertest.Tags(events))
	}
	if lost := m.Master.Stats().EventsLost; lost != int64(len(reservedTags)+1) {
		t.Errorf("%d events counted as dropped, want %d", lost, len(reservedTags)+1)
	}
}

// TestEvents_unproven: at level 2 every minion has the key, so the id must be proven.
func TestEvents_unproven(t *testing.T) {
	m := mastertest.Start(t, func(c *config.Master) { c.MinimumAuthVersion = 2 })
	minion := mastertest.SignedIn(t, m, "web1", 2)
	bus := m.Bus(t)
	other := eventLoad("my/tag", nil)
	other.Set("id", "web2")
	other.Set("tok", minion.Tok())
	without := eventLoad("my/tag", nil)
	without.Set("id", "web1")
	for name, load := range map[string]*wire.Map{"other id": other, "no tok": without} {
		if _, refusal := minion.Try(t, load); refusal != "bad load" {
			t.Errorf("%s: refusal %q", name, refusal)
		}
	}
	if events := bus.Drain(t); len(events) != 0 {
		t.Errorf("events %q", mastertest.Tags(events))
	}
}

func TestEvents_batches(t *testing.T) {
	m := mastertest.Start(t, func(c *config.Master) { c.OrderMasters = true })
	minion := mastertest.SignedIn(t, m, "syn1", 3)
	bus := m.Bus(t)
	data := wire.NewMap("y", int64(2))
	var reserved []any
	for _, tag := range reservedTags {
		reserved = append(reserved, eventItem(tag, data))
	}
	job := "20200101000000000002"
	announced := wire.NewMap("jid", job, "minions", []any{"a", "b"})
	tests := []struct {
		name string
		load *wire.Map
		want []string
	}{
		{"plain and without data", eventBatch(nil, eventItem("a/b", data), wire.NewMap("tag", "no/data")), []string{"a/b", "no/data"}},
		{"prefix", eventBatch("pre", eventItem("a/b", data)), []string{"pre/a/b", "a/b"}},
		{"reserved tags", eventBatch(nil, reserved...), nil},
		{"a prefix that makes a tag reserved", eventBatch("salt/run", eventItem("x/ret", data)), []string{"x/ret"}},
		{"a prefix that makes half a return", eventBatch("salt/job/1", eventItem("ret/web1", data)), []string{"ret/web1"}},
		{"the prefix of another syndic", eventBatch("syndic/other", eventItem("a/b", data)), nil},
		{"items that are no events", eventBatch(nil, int64(1), wire.NewMap("x", "y"), eventItem("", data), eventItem("ok", data)), []string{"ok"}},
		{"data that is no map", eventBatch(nil, eventItem("text", "hello")), []string{"text"}},
		{"a syndic's announcement", eventBatch("syndic/syn1", eventItem(job, announced)), []string{"syndic/syn1/" + job, job}},
		{"a syndic's copy of a reserved tag", eventBatch("syndic/syn1", eventItem("salt/job/"+job+"/new", announced)), []string{"syndic/syn1/salt/job/" + job + "/new"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := minion.Do(t, tt.load); got != nil {
				t.Errorf("reply %v", got)
			}
			if tags := mastertest.Tags(bus.Drain(t)); !slices.Equal(tags, tt.want) {
				t.Errorf("events %q, want %q", tags, tt.want)
			}
		})
	}
	if _, err := os.Stat(filepath.Join(m.Config.SyndicDir, "syn1")); err != nil {
		t.Errorf("the syndic is not marked for stock clients: %v", err)
	}
	local := jobcache.LocalDir{Root: filepath.Join(m.Config.CacheDir, "jobs"), HashType: m.Config.HashType}
	if ids, err := local.Minions(job); err != nil || !slices.Equal(ids, []string{"a", "b"}) {
		t.Errorf("minions in the job directory: %q, %v", ids, err)
	}
	m.Stop(t)
	stored, _, err := openStore(t, m).Job(job)
	if err != nil || !slices.Equal(stored.Syndics["syn1"], []string{"a", "b"}) {
		t.Errorf("stored lists %v, %v", stored.Syndics, err)
	}
}

// TestEvents_syndicLeftOut: nobody answers under a syndic's own id, so it is not announced.
func TestEvents_syndicLeftOut(t *testing.T) {
	m := mastertest.Start(t, func(c *config.Master) { c.OrderMasters = true })
	m.Accept(t, "web1")
	syndic := mastertest.SignedIn(t, m, "syn1", 3)
	p := newPublisher(t, m)
	minions := func() string { return asJSON(p.send(p.load("*")).(*wire.Map).Map("load").List("minions")) }
	if got := minions(); got != `["syn1","web1"]` {
		t.Errorf("before the syndic is known: %s", got)
	}
	syndic.Do(t, eventLoad("salt/syndic/syn1/start", "Syndic syn1 started"))
	if got := minions(); got != `["web1"]` {
		t.Errorf("afterwards: %s", got)
	}
}

// TestEvents_mine walks the mine beyond the recorded cases: form, access, off.
func TestEvents_mine(t *testing.T) {
	m := mastertest.Start(t, nil)
	web, db := mastertest.SignedIn(t, m, "web1", 3), mastertest.SignedIn(t, m, "db1", 3)
	item := func(v any, allow ...any) *wire.Map {
		i := wire.NewMap("__saltmine_acl__", int64(1), "__data__", v)
		for n := 0; n < len(allow); n += 2 {
			i.Set(allow[n], allow[n+1])
		}
		return i
	}
	web.Do(t, wire.NewMap("cmd", "_mine", "id", "web1", "data", wire.NewMap(
		"open", "o", "all", item("a"), "dbs", item("d", "allow_tgt", "db*"), "list", item("l", "allow_tgt", []any{"web1"}, "allow_tgt_type", "list"),
		"unknown", item("u", "allow_tgt", "os:x", "allow_tgt_type", "grain"),
	)))
	get := func(from *mastertest.Minion, fun any, tgt, kind string) string {
		return asJSON(from.Do(t, wire.NewMap("cmd", "_mine_get", "id", from.ID, "tgt", tgt, "tgt_type", kind, "fun", fun)))
	}
	tests := []struct{ got, want string }{
		{get(db, "open", "*", "glob"), `{"web1":"o"}`},
		{get(db, "open", "db*", "glob"), `{}`},
		{get(db, "open", "web1,x", "list"), `{"web1":"o"}`},
		{get(db, "open", "web1", "nosuch"), `{}`},
		{get(db, "open,all", "*", "glob"), `{"all":{"web1":"a"},"open":{"web1":"o"}}`},
		{get(db, []any{"dbs", "list", "unknown"}, "*", "glob"), `{"dbs":{"web1":"d"}}`},
		{get(web, []any{"dbs", "list", "unknown"}, "*", "glob"), `{"list":{"web1":"l"}}`},
	}
	for i, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("%d: %s, want %s", i, tt.got, tt.want)
		}
	}
	web.Do(t, wire.NewMap("cmd", "_mine", "id", "web1", "data", wire.NewMap("new", "n"), "clear", true))
	if got := get(db, []any{"open", "new"}, "*", "glob"); got != `{"new":{"web1":"n"}}` {
		t.Errorf("after clear: %s", got)
	}
	cfg := *m.Config
	cfg.MinionDataCache = false
	m.Master.Reload(&cfg)
	if got := web.Do(t, wire.NewMap("cmd", "_mine", "id", "web1", "data", wire.NewMap("late", "l"))); got != true {
		t.Errorf("without a cache: %v", got)
	}
	if got := get(db, "late", "*", "glob"); got != `{}` {
		t.Errorf("stored although the cache is off: %s", got)
	}
}

// TestEvents_pillar: the grains are kept under the proven id, and the refresh is announced.
func TestEvents_pillar(t *testing.T) {
	m := mastertest.Start(t, nil)
	minion := mastertest.SignedIn(t, m, "web1", 3)
	minion.EncAlgo, minion.SigAlgo = "OAEP-SHA224", "PKCS1v15-SHA224"
	bus := m.Bus(t)
	load := func() *wire.Map {
		return wire.NewMap("cmd", "_pillar", "id", "web1", "grains", wire.NewMap("id", "evil", "os", "Debian"), "ver", "2")
	}
	if value, text := minion.Private(t, load()); text != "" || asJSON(value) != "{}" {
		t.Errorf("pillar %s %q", asJSON(value), text)
	}
	if data := bus.Until(t, "minion/refresh/web1"); data.Str("Minion data cache refresh") != "web1" {
		t.Errorf("event %s", asJSON(data))
	}
	raw, err := os.ReadFile(filepath.Join(m.Config.CacheDir, "minions", "web1", "data.p"))
	if err != nil {
		t.Fatal(err)
	}
	kept, err := wire.Decode(raw, wire.Local, wire.LoadLimits)
	if err != nil || asJSON(kept) != `{"grains":{"id":"web1","os":"Debian"},"pillar":{}}` {
		t.Errorf("kept %s, %v", asJSON(kept), err)
	}
	cfg := *m.Config
	cfg.MinionDataCacheEvents = false
	m.Master.Reload(&cfg)
	minion.Private(t, load())
	if events := bus.Drain(t); len(events) != 0 {
		t.Errorf("events %q", mastertest.Tags(events))
	}
	if _, refusal := minion.Try(t, wire.NewMap("cmd", "_pillar", "id", "db1", "grains", wire.NewMap())); refusal != "bad load" {
		t.Errorf("a foreign pillar: %q", refusal)
	}
}
