package master_test

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/swarm"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/jobcache"
	"github.com/saltern-io/saltern/master/mastertest"
)

// publisher publishes at one master with the root key.
type publisher struct {
	t    testing.TB
	m    *mastertest.Running
	send func(*wire.Map) any
}

func newPublisher(t testing.TB, m *mastertest.Running) *publisher {
	return &publisher{t: t, m: m, send: m.Clear(t)}
}

// load is a complete request; change alters it.
func (p *publisher) load(tgt string, change ...any) *wire.Map {
	load := wire.NewMap("cmd", "publish", "tgt", tgt, "fun", "test.ping", "arg", []any{}, "key", p.m.RootKey(p.t),
		"tgt_type", "glob", "ret", "", "jid", "", "kwargs", wire.NewMap(), "user", p.m.Config.User)
	for i := 0; i < len(change); i += 2 {
		load.Set(change[i], change[i+1])
	}
	return load
}

// job publishes and returns the job id.
func (p *publisher) job(tgt string, change ...any) string {
	p.t.Helper()
	reply, ok := p.send(p.load(tgt, change...)).(*wire.Map)
	if !ok || reply.Map("load").Str("jid") == "" {
		p.t.Fatalf("publish: %s", asJSON(reply))
	}
	return reply.Map("load").Str("jid")
}

const handlerFailed = "Some exception handling minion payload"

func TestPublish_refusals(t *testing.T) {
	m := mastertest.Start(t, func(c *config.Master) {
		c.PublisherACLBlacklist = config.ACLBlacklist{Users: []string{"sudo_mallory"}, Modules: []string{"network.*"}}
	})
	m.Accept(t, "web1")
	p := newPublisher(t, m)
	authorization := `{"error":{"message":"Authorization error occurred.","name":"AuthorizationError"}}`
	tests := []struct {
		name string
		load *wire.Map
		want string
	}{
		{"no key", p.load("web1", "key", nil), authenticationError},
		{"empty key", p.load("web1", "key", ""), authenticationError},
		{"a key that begins right", p.load("web1", "key", m.RootKey(t)[:75]), authenticationError},
		{"a key with more behind it", p.load("web1", "key", m.RootKey(t)+"\n"), authenticationError},
		{"a key that is a number", p.load("web1", "key", int64(7)), authenticationError},
		{"token beside the right key", p.load("web1", "kwargs", wire.NewMap("token", "x")), authenticationError},
		{"eauth beside the right key", p.load("web1", "kwargs", wire.NewMap("eauth", "pam")), authenticationError},
		{"blacklisted function", p.load("web1", "fun", "network.ping"), authorization},
		{"blacklisted beside another", p.load("web1", "fun", []any{"test.ping", "network.ping"}, "arg", []any{[]any{}, []any{}}), authorization},
		{"blacklisted user", p.load("web1", "user", "sudo_mallory"), authorization},
		{"blacklist comes before the key", p.load("web1", "fun", "network.ping", "key", "x"), authorization},
		{"nobody", p.load("nosuch*"), unresolved("nosuch*")},
		{"unknown kind of target", p.load("web1", "tgt_type", "nosuch"), unresolved("web1")},
		{"bad expression", p.load("[(", "tgt_type", "pcre"), unresolved("[(")},
		{"function of a wrong type", p.load("web1", "fun", int64(1)), `"` + handlerFailed + `"`},
		{"no function", p.load("web1", "fun", []any{}), `"` + handlerFailed + `"`},
		{"jid with a slash", p.load("web1", "jid", "../../x"), `"` + handlerFailed + `"`},
		{"jid of 65 bytes", p.load("web1", "jid", strings.Repeat("1", 65)), `"` + handlerFailed + `"`},
		{"jid of a wrong type", p.load("web1", "jid", int64(5)), `"` + handlerFailed + `"`},
		{"auth_list that is no list", p.load("web1", "kwargs", wire.NewMap("auth_list", "test.*")), `"` + handlerFailed + `"`},
	}
	for _, field := range []string{"user", "fun", "tgt", "arg", "tgt_type", "ret"} {
		load := p.load("web1")
		load.Delete(field)
		tests = append(tests, struct {
			name string
			load *wire.Map
			want string
		}{"without " + field, load, `"` + handlerFailed + `"`})
	}
	bus := m.Bus(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := asJSON(p.send(tt.load)); got != tt.want {
				t.Errorf("reply %s\nwant  %s", got, tt.want)
			}
		})
	}
	for _, e := range bus.Drain(t) {
		if e.Tag != "salt/job/error" {
			t.Errorf("a refused publication fired %q", e.Tag)
		}
		for _, secret := range []string{m.RootKey(t), m.RootKey(t)[:75], "pam-secret"} {
			if bytes.Contains(e.Data, []byte(secret)) {
				t.Errorf("event %q shows a secret", e.Tag)
			}
		}
	}
	if n := m.Master.Stats().Published; n != 0 {
		t.Errorf("%d publications went out", n)
	}
}

func TestPublish_errorEventWithoutCredentials(t *testing.T) {
	m := mastertest.Start(t, nil)
	p := newPublisher(t, m)
	bus := m.Bus(t)
	p.send(p.load("*", "key", "wrong-key", "jid", "20300101000000000001", "kwargs", wire.NewMap(
		"eauth", "pam", "username", "bob", "password", "pass-word", "token", "to-ken", "key", "inner-key", "metadata", "kept",
	)))
	data := bus.Until(t, "salt/job/20300101000000000001/error")
	kwargs := data.Map("kwargs")
	if data.Has("key") || kwargs.Has("password") || kwargs.Has("token") || kwargs.Has("key") {
		t.Errorf("credentials in the event: %s", asJSON(data))
	}
	if kwargs.Str("username") != "bob" || kwargs.Str("metadata") != "kept" || data.Map("error").Str("name") != "AuthenticationError" {
		t.Errorf("event %s", asJSON(data))
	}
}

// TestPublish_payload checks what minions get, in stock's order of keys.
func TestPublish_payload(t *testing.T) {
	m := mastertest.Start(t, func(c *config.Master) { c.MasterID = "first"; c.PublishSigningAlgorithm = "PKCS1v15-SHA224" })
	minion := mastertest.SignedIn(t, m, "web1", 3)
	p := newPublisher(t, m)
	sub := m.Subscribe(t, minion, func() string { return p.job("web1") })
	tests := []struct {
		name string
		load *wire.Map
		keys string // in order, serial last
		want string // of some values
	}{
		{
			"plain", p.load("web1"),
			"fun arg tgt jid ret master_id tgt_type user serial", "",
		},
		{
			"everything", p.load("web1", "to", int64(9), "ret", "redis", "user", "sudo_bob", "kwargs", wire.NewMap(
				"metadata", wire.NewMap("m", int64(1)), "delimiter", "|", "ret_config", "alt", "ret_kwargs", wire.NewMap("db", int64(2)),
				"module_executors", []any{"sudo"}, "executor_opts", wire.NewMap(), "id", "asker", "master_id", "upper", "nonsense", true,
			)),
			"fun arg tgt jid ret master_id delimiter id tgt_type to ret_config metadata module_executors executor_opts ret_kwargs user serial", "upper",
		},
		{
			"default delimiter is left out", p.load("web1", "kwargs", wire.NewMap("delimiter", ":")),
			"fun arg tgt jid ret master_id tgt_type user serial", "first",
		},
		{
			"compound call", p.load("web1", "fun", []any{"test.ping", "test.echo"}, "arg", []any{[]any{}, []any{"x"}}),
			"fun arg tgt jid ret master_id tgt_type user serial", "",
		},
	}
	var serial int64
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			reply := p.send(tt.load).(*wire.Map)
			got := sub.Job(t, reply.Map("load").Str("jid"))
			if len(got) != 1 || got[0].Topic != "" {
				t.Fatalf("%d messages", len(got))
			}
			load := got[0].Load
			var keys []string
			for k := range load.All() {
				keys = append(keys, k.(string))
			}
			if text := strings.Join(keys, " "); text != tt.keys {
				t.Errorf("keys %s\nwant %s", text, tt.keys)
			}
			if tt.want != "" && load.Str("master_id") != tt.want {
				t.Errorf("master_id %q, want %q", load.Str("master_id"), tt.want)
			}
			if fun, _ := tt.load.Get("fun"); asJSON(fun) != asJSON(first(load.Get("fun"))) {
				t.Errorf("fun %s", asJSON(load))
			}
			if load.Int("serial") <= serial {
				t.Errorf("serial %d after %d", load.Int("serial"), serial)
			}
			serial = load.Int("serial")
			if got[0].Envelope.SigAlgo != "PKCS1v15-SHA224" || got[0].Envelope.Sig == nil {
				t.Errorf("signature %q", got[0].Envelope.SigAlgo)
			}
		})
	}
}

func first(v any, _ bool) any { return v }

func TestPublish_unsigned(t *testing.T) {
	m := mastertest.Start(t, func(c *config.Master) { c.SignPubMessages = false })
	minion := mastertest.SignedIn(t, m, "web1", 3)
	p := newPublisher(t, m)
	sub := m.Subscribe(t, minion, func() string { return p.job("web1") })
	if e := sub.Job(t, p.job("web1"))[0].Envelope; e.Sig != nil || e.SigAlgo != "" {
		t.Errorf("signed with %q", e.SigAlgo)
	}
}

// TestPublish_filtering checks the frames of a filtering master, and that a filtering swarm gets
// its jobs.
func TestPublish_filtering(t *testing.T) {
	topic := func(id string) string {
		sum := sha1.Sum([]byte(id))
		return hex.EncodeToString(sum[:])
	}
	for _, orderMasters := range []bool{false, true} {
		m := mastertest.Start(t, func(c *config.Master) { c.ZMQFiltering, c.OrderMasters = true, orderMasters })
		minion := mastertest.SignedIn(t, m, "web1", 3)
		m.Accept(t, "web2")
		p := newPublisher(t, m)
		sub := m.Subscribe(t, minion, func() string { return p.job("web1") })
		withSyndic := func(topics ...string) []string {
			if orderMasters {
				topics = append(topics, "syndic")
			}
			return topics
		}
		type filtered struct {
			tgt, kind string
			want      []string
		}
		tests := []filtered{
			{"web*", "glob", withSyndic(topic("web1"), topic("web2"))},
			{"web2,web9", "list", withSyndic(topic("web2"))},
			{"web[12]", "pcre", withSyndic(topic("web1"), topic("web2"))},
		}
		if orderMasters {
			tests = append(tests, filtered{"below*", "glob", []string{"broadcast"}})
		}
		for _, tt := range tests {
			got := sub.Job(t, p.job(tt.tgt, "tgt_type", tt.kind))
			var topics []string
			for _, g := range got {
				topics = append(topics, g.Topic)
				if !bytes.Equal(g.Raw, got[0].Raw) {
					t.Errorf("%s: envelopes differ", tt.tgt)
				}
			}
			if !slices.Equal(topics, tt.want) {
				t.Errorf("%s: topics %q, want %q", tt.tgt, topics, tt.want)
			}
		}
	}
}

// TestPublish_filteringFleet runs jobs on minions that subscribe to their own topics only.
func TestPublish_filteringFleet(t *testing.T) {
	m := mastertest.Start(t, func(c *config.Master) { c.ZMQFiltering, c.AutoAccept = true, true })
	startSwarm(t, m, swarm.Config{N: 5, IDPrefix: "m", Filtering: true})
	bus := m.Bus(t)
	p := newPublisher(t, m)
	for _, tgt := range []string{"*", "m1,m3", "m4"} {
		load := p.load(tgt, "tgt_type", "list")
		if tgt == "*" {
			load.Set("tgt_type", "glob")
		}
		reply := p.send(load).(*wire.Map).Map("load")
		for range reply.List("minions") {
			wantReturn(t, bus, reply.Str("jid"))
		}
	}
}

// wantReturn reads the bus until some minion returned for the job.
func wantReturn(t testing.TB, bus *mastertest.Bus, jid string) {
	t.Helper()
	for !strings.HasPrefix(bus.Next(t).Tag, "salt/job/"+jid+"/ret/") {
	}
}

// TestPublish_eventsBeforeReply checks the order that stock clients rely on.
func TestPublish_eventsBeforeReply(t *testing.T) {
	m := mastertest.Start(t, nil)
	m.Accept(t, "web1")
	p := newPublisher(t, m)
	bus := m.Bus(t)
	id := p.job("web1,gone", "tgt_type", "list", "arg", []any{"a", wire.NewMap("__kwarg__", true, "k", int64(1))})
	events := bus.Drain(t) // everything that was fired before the reply
	if want := []string{id, "salt/job/" + id + "/new", "salt/job/" + id + "/publish"}; !slices.Equal(mastertest.Tags(events), want) {
		t.Fatalf("events %q, want %q", mastertest.Tags(events), want)
	}
	stamped := []string{
		`{"minions":["web1"]}`,
		`{"arg":["a",{"__kwarg__":true,"k":1}],"fun":"test.ping","jid":"` + id + `","minions":["web1"],"missing":["gone"],` +
			`"tgt":"web1,gone","tgt_type":"list","user":"` + m.Config.User + `"}`,
		`{"arg":["a",{"__kwarg__":true,"k":1}],"fun":"test.ping","jid":"` + id + `","ret":"","tgt":"web1,gone","tgt_type":"list","user":"` + m.Config.User + `"}`,
	}
	for i, e := range events {
		data := mastertest.EventData(t, e)
		if data.Str("_stamp") == "" {
			t.Errorf("%s without a stamp", e.Tag)
		}
		data.Delete("_stamp")
		if asJSON(data) != stamped[i] {
			t.Errorf("%s: %s\nwant %s", e.Tag, asJSON(data), stamped[i])
		}
	}
}

func TestPublish_orderMasters(t *testing.T) {
	m := mastertest.Start(t, func(c *config.Master) { c.OrderMasters = true })
	minion := mastertest.SignedIn(t, m, "web1", 3)
	p := newPublisher(t, m)
	sub := m.Subscribe(t, minion, func() string { return p.job("web1") })
	rights := func(l ...any) *wire.Map { return wire.NewMap("auth_list", l) }
	if got := p.send(p.load("below*")).(*wire.Map).Map("load"); got.Str("jid") == "" || len(got.List("minions")) != 0 || got.Has("error") {
		t.Errorf("a target that may be below: %s", asJSON(got))
	}
	load := sub.Job(t, p.job("web1"))[0].Load
	if list, ok := load.Get("auth_list"); !ok || asJSON(list) != "[]" {
		t.Errorf("auth_list of root is %s", asJSON(load))
	}
	load = sub.Job(t, p.job("web1", "kwargs", rights("test.*")))[0].Load
	if asJSON(load.List("auth_list")) != `["test.*"]` {
		t.Errorf("auth_list handed down is %s", asJSON(load))
	}
	denied := `{"error":{"message":"Authorization error occurred.","name":"AuthorizationError"}}`
	for name, tt := range map[string]*wire.Map{
		"another function": p.load("web1", "fun", "cmd.run", "kwargs", rights("test.*")),
		"one of two":       p.load("web1", "fun", []any{"test.ping", "cmd.run"}, "arg", []any{[]any{}, []any{}}, "kwargs", rights("test.*")),
		"outside a target": p.load("web1", "kwargs", rights(wire.NewMap("db*", []any{"test.*"}))),
	} {
		if got := asJSON(p.send(tt)); got != denied {
			t.Errorf("%s: %s", name, got)
		}
	}
	p.job("web1", "fun", "saltutil.find_job", "arg", []any{"1"}, "kwargs", rights("test.*"))
	p.job("web1", "kwargs", rights(wire.NewMap("web*", []any{"test.*"})))
}

// TestPublish_stored checks the job cache and the job directory that stock tools read.
func TestPublish_stored(t *testing.T) {
	m := mastertest.Start(t, nil)
	m.Accept(t, "web1")
	p := newPublisher(t, m)
	kwargs := wire.NewMap("delimiter", ":", "key", "inner-key", "password", "pass-word", "nocache", true)
	id := p.job("web1", "jid", "my.job:1", "kwargs", kwargs)
	if id != "my.job:1" {
		t.Fatalf("jid %q", id)
	}
	dir, err := jobcache.LocalDir{Root: filepath.Join(m.Config.CacheDir, "jobs"), HashType: m.Config.HashType}.Dir(id)
	if err != nil {
		t.Fatal(err)
	}
	read := func(name string) string {
		t.Helper()
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	if read("jid") != id || read("nocache") != "" {
		t.Error("jid or nocache is wrong")
	}
	v, err := wire.Decode([]byte(read(".load.p")), wire.Wire, wire.LoadLimits)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"arg":[],"cmd":"publish","fun":"test.ping","jid":"my.job:1","kwargs":{"delimiter":":","nocache":true},` +
		`"ret":"","tgt":"web1","tgt_type":"glob","user":"` + m.Config.User + `"}`
	if asJSON(v) != want {
		t.Errorf(".load.p %s\nwant    %s", asJSON(v), want)
	}
	if list, err := wire.Decode([]byte(read(".minions.p")), wire.Wire, wire.LoadLimits); err != nil || asJSON(list) != `["web1"]` {
		t.Errorf(".minions.p %s, %v", asJSON(list), err)
	}
	m.Stop(t)
	store := openStore(t, m)
	job, ok, err := store.Job(id)
	if err != nil || !ok || !job.NoCache || !slices.Equal(job.Minions, []string{"web1"}) {
		t.Fatalf("job %+v, %v, %v", job, ok, err)
	}
	if v, err := wire.Decode(job.Load, wire.Wire, wire.LoadLimits); err != nil || asJSON(v) != want {
		t.Errorf("stored load %s, %v", asJSON(v), err)
	}
}

// openStore opens the job cache of a master that was stopped.
func openStore(t *testing.T, m *mastertest.Running) *jobcache.Store {
	t.Helper()
	store, err := jobcache.Open(m.Config.JobCacheDir, jobcache.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

func TestPublish_uniqueJID(t *testing.T) {
	m := mastertest.Start(t, func(c *config.Master) { c.UniqueJID = true })
	m.Accept(t, "web1")
	p := newPublisher(t, m)
	if id := p.job("web1"); len(id) < 22 || id[20] != '_' {
		t.Errorf("jid %q has no process in it", id)
	}
}
