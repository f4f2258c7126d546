package syndic

import (
	"fmt"
	"strings"
	"testing"

	"github.com/saltern-io/saltern/internal/wire"
)

const jidA, jidB = "20261120141909944303", "20261120141909944304"

func newForwarder(n int) *Forwarder {
	names := []string{"momA", "momB", "momC"}[:n]
	return NewForwarder(ForwarderConfig{ID: "syn1", Upstreams: names, MasterID: "own"})
}

// returned is a return event's data.
func returned(t testing.TB, jid, id string, more ...any) []byte {
	t.Helper()
	kv := append([]any{
		"cmd", "_return", "id", id, "jid", jid, "fun", "test.ping", "return", true, "retcode", 0, "success", true,
	}, more...)
	return encode(t, wire.Local, append(kv, "_stamp", "now")...)
}

func (f *Forwarder) sortReturnOf(t testing.TB, jid, id string, more ...any) []Routed {
	t.Helper()
	return f.Sort("salt/job/"+jid+"/ret/"+id, returned(t, jid, id, more...))
}

func announcement(t testing.TB, jid string, minions ...any) []byte {
	t.Helper()
	return encode(t, wire.Local, "jid", jid, "tgt_type", "glob", "tgt", "*", "user", "root", "fun", "test.ping", "arg", []any{1},
		"minions", minions, "missing", []any{}, "_stamp", "now")
}

// one returns the only routed item.
func one(t testing.TB, list []Routed) Routed {
	t.Helper()
	if len(list) != 1 {
		t.Fatalf("%d items: %+v", len(list), list)
	}
	return list[0]
}

func TestForwarder_returnsGoToTheirOrigin(t *testing.T) {
	f := newForwarder(3)
	if f.Note(jidA, "momB", 0) != notedFirst || f.Note(jidA, "momB", 0) != notedKnown {
		t.Error("first is wrong")
	}
	r := one(t, f.sortReturnOf(t, jidA, "m1", "master_id", "momC", "out", "highstate", "metadata", wire.NewMap("a", 1), "tok", []byte("x")))
	if r.To != 1 || !r.Item.Urgent || r.Item.Return.MasterID != "momC" || len(r.Item.Return.Load) != 0 {
		t.Errorf("%+v", r)
	}
	part, err := wire.DecodeMap(r.Item.Return.Minions[0].Body, wire.Wire, wire.LoadLimits)
	if err != nil || part.Len() != 4 || part.Map("metadata").Int("a") != 1 || part.Has("tok") || part.Has("_stamp") {
		t.Errorf("%v, %v", part, err)
	}
	// The same job from another one as well: that is a stand-by, for as long as the first is away.
	if f.Note(jidA, "", 2) != notedKnown {
		t.Error("published a second time")
	}
	if r = one(t, f.sortReturnOf(t, jidA, "m2")); r.To != 0b001 {
		t.Errorf("to %b", r.To)
	}
	f.away = func(u uint8) bool { return u == 0 }
	if r = one(t, f.sortReturnOf(t, jidA, "m3")); r.To != 0b101 {
		t.Errorf("to %b while the origin is away", r.To)
	}
	if to := f.standbysOf(jidA, 0); to != 0b100 {
		t.Errorf("stand-bys %b", to)
	}
	// A job not known (any more): master_id as an entry, then as learned, then to one that serves.
	f.ordered, f.serving = true, func() uint64 { return 0b110 }
	for masterID, want := range map[string]uint64{"momB": 0b011, "momC": 0b100, "stranger": 0b010, "": 0b010} {
		if r = one(t, f.sortReturnOf(t, jidB, "m1", "master_id", masterID)); r.To != want {
			t.Errorf("master_id %q to %b, want %b", masterID, r.To, want)
		}
	}
}

func TestForwarder_localJobsGoToAllWithTheLoadOnce(t *testing.T) {
	f := newForwarder(2)
	f.toAll = true
	list := f.Sort("salt/job/"+jidA+"/new", announcement(t, jidA, "m1", "m2"))
	if len(list) != 2 || list[0].To != 3 || list[1].To != 3 || list[0].Item.Event.Tag != jidA {
		t.Fatalf("%+v", list)
	}
	first, second := one(t, f.sortReturnOf(t, jidA, "m1")), one(t, f.sortReturnOf(t, jidA, "m2"))
	if first.To != 3 || second.To != 3 || second.Item.Return.Load != nil || first.Item.Urgent {
		t.Errorf("%+v, %+v", first, second)
	}
	load, err := wire.DecodeMap(first.Item.Return.Load, wire.Wire, wire.LoadLimits)
	if err != nil || load.Str("cmd") != "publish" || load.Str("jid") != jidA || len(load.List("Minions")) != 2 || len(load.List("arg")) != 1 {
		t.Errorf("%v, %v", load, err)
	}
	f.Sort("salt/job/"+jidA+"/new", announcement(t, jidA, "m1"))
	if again := one(t, f.sortReturnOf(t, jidA, "m3")); again.Item.Return.Load != nil || f.loadBytes != 0 {
		t.Errorf("load sent twice: %+v, %d bytes kept", again, f.loadBytes)
	}
	// A job of an upstream never carries its load.
	f.Note(jidB, "", 1)
	for _, r := range f.Sort("salt/job/"+jidB+"/new", announcement(t, jidB, "m1")) {
		if r.To != 2 || !r.Item.Urgent {
			t.Errorf("%+v", r)
		}
	}
	if r := one(t, f.sortReturnOf(t, jidB, "m1")); r.To != 2 || r.Item.Return.Load != nil {
		t.Errorf("%+v", r)
	}
}

func TestForwarder_announcementInBothForms(t *testing.T) {
	f := newForwarder(1)
	list := f.Sort("salt/job/"+jidA+"/new", announcement(t, jidA, "m1"))
	if len(list) != 2 {
		t.Fatalf("%+v", list)
	}
	for i, tag := range []string{jidA, "salt/job/" + jidA + "/new"} {
		m, err := wire.DecodeMap(list[i].Item.Event.Data, wire.Wire, wire.LoadLimits)
		if err != nil || list[i].Item.Event.Tag != tag || m.Str("jid") != jidA || len(m.List("minions")) != 1 {
			t.Errorf("%s: %v, %v", tag, m, err)
		}
	}
	if got := f.Sort(jidA, encode(t, wire.Local, "minions", []any{"m1"})); got != nil {
		t.Errorf("the bare form goes up a second time: %+v", got)
	}
}

func TestForwarder_events(t *testing.T) {
	f := newForwarder(2)
	f.Note(jidA, "", 1)
	plain := encode(t, wire.Local, "x", 1, "_stamp", "now")
	for _, tt := range []struct {
		tag  string
		data []byte
		to   uint64 // 0: not forwarded
	}{
		{"my/app/tag", plain, 3},
		{"salt/auth", plain, 3},
		{"salt/run/" + jidB + "/new", plain, 3},
		{"salt/job/" + jidA + "/publish", plain, 2},
		{"syndic/low/" + jidA, plain, 2},
		{"salt/job/" + jidB + "/publish", plain, 3},
		{"saltern/tick", plain, 0},
		{"my/app/tag", encode(t, wire.Local, "retcode", 0), 0},
		{"salt/run/" + jidB + "/ret", encode(t, wire.Local, "retcode", 0, "return", 1), 0},
		{"salt/job/" + jidA + "/ret/m1", plain, 0}, // no return in it
		{"salt/job/" + jidB + "/ret/m1", returned(t, jidA, "m1"), 0},
		{"salt/job/" + strings.Repeat("9", 100) + "/ret/m1", returned(t, strings.Repeat("9", 100), "m1"), 0},
		{"salt/job//ret/m1", returned(t, "", "m1"), 0},
		{"my/app/tag", []byte{0x93, 1}, 0},
		{"my/app/tag", []byte{0x93, 1, 2, 3}, 0},
		{"my/app/tag", nil, 0},
	} {
		list := f.Sort(tt.tag, tt.data)
		switch {
		case tt.to == 0 && len(list) != 0, tt.to != 0 && (len(list) != 1 || list[0].To != tt.to || list[0].Item.Urgent):
			t.Errorf("%s: %+v, want %b", tt.tag, list, tt.to)
		case tt.to != 0 && list[0].Item.Event.Tag != tt.tag:
			t.Errorf("%s as %s", tt.tag, list[0].Item.Event.Tag)
		}
	}
}

func TestForwarder_cluster(t *testing.T) {
	f := NewForwarder(ForwarderConfig{ID: "syn1", Upstreams: []string{"a"}, Cluster: true, MasterID: "own"})
	if got := f.Sort("my/tag", encode(t, wire.Local, "x", 1)); got != nil {
		t.Errorf("event: %+v", got)
	}
	if got := f.Sort("salt/job/"+jidA+"/new", announcement(t, jidA, "m1")); len(got) != 2 {
		t.Errorf("announcement: %+v", got)
	}
	if got := f.sortReturnOf(t, jidA, "m1", "master_id", "own"); got != nil {
		t.Errorf("own return: %+v", got)
	}
	if got := f.sortReturnOf(t, jidA, "m1", "master_id", "top"); len(got) != 1 {
		t.Errorf("return: %+v", got)
	}
}

func TestForwarder_memoryIsBounded(t *testing.T) {
	f := newForwarder(1)
	id := func(i int) string { return fmt.Sprintf("2026%016d", i) }
	f.Note(id(0), "", 0)
	big := strings.Repeat("x", 10_000)
	for i := 1; i < 3*maxUpstreamJobs; i++ {
		f.Note(id(i), fmt.Sprintf("name%d", i), 0)
	}
	for i := range 2 * maxLocalJobs {
		f.Sort("salt/job/"+id(1_000_000+i)+"/new", encode(t, wire.Local, "jid", id(1_000_000+i), "arg", []any{big}, "minions", []any{}))
		f.sortReturnOf(t, id(2_000_000+i), "m1") // returns alone are not remembered
	}
	if n := len(f.above.jobs); n > maxUpstreamJobs || n < maxUpstreamJobs/2 || n != len(f.above.order) {
		t.Errorf("%d jobs of upstreams, %d in order", n, len(f.above.order))
	}
	if n := len(f.local.jobs); n > maxLocalJobs || n < maxLocalJobs/2 {
		t.Errorf("%d local jobs", n)
	}
	kept := 0
	for _, j := range f.local.jobs {
		if j.load != nil {
			kept += len(j.load.body)
		}
	}
	if f.loadBytes > maxLoads || kept != f.loadBytes || kept < maxLoads/2 || len(f.loads) > maxLocalJobs {
		t.Errorf("%d bytes of loads counted, %d kept, %d listed", f.loadBytes, kept, len(f.loads))
	}
	if len(f.names) > maxNames+1 {
		t.Errorf("%d names", len(f.names))
	}
	if f.job(id(0)) != nil || f.job(id(3*maxUpstreamJobs-1)) == nil {
		t.Error("not the oldest are forgotten")
	}
}

// FuzzForwarder: no bytes on the bus make the forwarder fail, and what it makes can be sent and read.
func FuzzForwarder(f *testing.F) {
	f.Add("salt/job/"+jidA+"/ret/m1", returned(f, jidA, "m1", "master_id", "momB", "out", "x"))
	f.Add("salt/job/"+jidA+"/new", announcement(f, jidA, "m1"))
	f.Add(jidA, encode(f, wire.Local, "minions", []any{"m1"}))
	f.Add("my/tag", encode(f, wire.Local, "a", []byte{0xff}, "b", wire.Ext{Code: 78, Data: []byte("x")}))
	f.Add("a/job//ret/", []byte{0x80})
	f.Fuzz(func(t *testing.T, tag string, data []byte) {
		fw := newForwarder(2)
		fw.Note(jidB, "momA", 1)
		for _, r := range fw.Sort(tag, data) {
			if r.To == 0 || r.To > 3 {
				t.Fatalf("to %b", r.To)
			}
			stored := r.Item.stored()
			item, err := readItem(stored.Kind, stored.Body)
			if err != nil {
				t.Fatal(err)
			}
			b := makeBatch([]*Item{&item})
			load, err := b.load("syn1", wire.Proof{ID: "syn1", Nonce: "n", TS: 1, Tok: []byte("t")})
			if err != nil {
				t.Fatal(err)
			}
			// The load adds three levels and a few items to what was within the limits.
			if _, refusal := wire.ParseLoad(load); refusal != nil && len(load) < 150 {
				t.Fatalf("%x: %s", load, refusal)
			}
		}
	})
}

// TestForwarder_localJobs: one upstream gets all returns of a local job, one that serves; those that delivered the job
// back get none.
func TestForwarder_localJobs(t *testing.T) {
	f := newForwarder(3)
	up := uint64(0b111)
	f.serving = func() uint64 { return up }
	f.Sort("salt/job/"+jidA+"/new", announcement(t, jidA, "m1", "m2"))
	first := one(t, f.sortReturnOf(t, jidA, "m1")).To
	if second := one(t, f.sortReturnOf(t, jidA, "m2")).To; second != first || first&(first-1) != 0 {
		t.Errorf("to %b, then %b", first, second)
	}
	up &^= first
	if other := one(t, f.sortReturnOf(t, jidA, "m3")).To; other&up == 0 || other&(other-1) != 0 {
		t.Errorf("to %b while %b serve", other, up)
	}
	for i := range 3 {
		if got := f.Note(jidA, "", i); got != notedOwn {
			t.Errorf("own job noted as %d", got)
		}
	}
	if got := f.sortReturnOf(t, jidA, "m4"); got != nil {
		t.Errorf("%+v", got)
	}
}

// TestForwarder_origins: events carry where they come from; none goes round.
func TestForwarder_origins(t *testing.T) {
	n := int64(41)
	f := NewForwarder(ForwarderConfig{ID: "syn1", Upstreams: []string{"a"}, Number: func() int64 { n++; return n }})
	originOf := func(r Routed) wire.Origin {
		t.Helper()
		v, err := wire.Decode(r.Item.Event.Origin, wire.Wire, wire.LoadLimits)
		if err != nil {
			t.Fatal(err)
		}
		o, err := wire.ParseOrigin(v)
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	if o := originOf(one(t, f.Sort("my/tag", encode(t, wire.Local, "x", 1)))); o.ID != "syn1" || o.N != 42 || len(o.Path) != 1 {
		t.Errorf("%+v", o)
	}
	below := func(o wire.Origin) []byte { return encode(t, wire.Local, "x", 1, wire.KeyEventOrigin, o.Map()) }
	r := one(t, f.Sort("syndic/low/my/tag", below(wire.Origin{ID: "low", N: 7, Path: []string{"low"}})))
	if o := originOf(r); o.ID != "low" || o.N != 7 || len(o.Path) != 2 || o.Path[1] != "syn1" || r.Item.Event.Key == "" {
		t.Errorf("%+v, key %q", o, r.Item.Event.Key)
	}
	if _, still := wire.Field(r.Item.Event.Data, wire.KeyEventOrigin); still {
		t.Error("the mark is still in the data")
	}
	for name, o := range map[string]wire.Origin{
		"copy":       {ID: "low", N: 8, Path: []string{"low"}, Copy: true},
		"came round": {ID: "syn1", N: 9, Path: []string{"syn1", "other"}},
	} {
		if got := f.Sort("my/tag", below(o)); got != nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if o := originOf(one(t, f.Sort("my/tag", encode(t, wire.Local, wire.KeyEventOrigin, "nonsense")))); o.ID != "syn1" {
		t.Errorf("%+v", o)
	}
}

func TestForwarder_restored(t *testing.T) {
	f := newForwarder(3)
	f.Note(jidA, "", 1)
	f.Note(jidA, "", 2)
	r, ok := f.record(jidA)
	if !ok || r.Down {
		t.Fatalf("%+v", r)
	}
	back, ok := decodeJobRecord(r.encode())
	if !ok || len(back.Ups) != 2 || back.Ups[0] != "momB" {
		t.Fatalf("%+v", back)
	}
	later := NewForwarder(ForwarderConfig{ID: "syn1", Upstreams: []string{"new", "momC", "momB"}})
	later.restore(jidA, back)
	if to := one(t, later.sortReturnOf(t, jidA, "m1")).To; to != 0b100 {
		t.Errorf("to %b", to)
	}
	if got := later.Note(jidA, "", 2); got != notedAgain {
		t.Errorf("noted as %d: it may not have got down", got)
	}
	later.Down(jidA)
	if got := later.Note(jidA, "", 2); got != notedKnown || !later.Handled(jidA) {
		t.Errorf("noted as %d", got)
	}
}
