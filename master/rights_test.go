package master_test

import (
	"slices"
	"testing"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/master/mastertest"
)

// tier is a master with a syndic that a test moves by hand: what the master above publishes is handed
// to the one below as syndics do.
type tier struct {
	*mastertest.Running
	up  *aSyndic // of this master at the one above
	sub *mastertest.Subscription
}

// below starts a master under top, whose minions are known above.
func below(t testing.TB, top *mastertest.Running, id string, orderMasters bool, minions ...string) *tier {
	t.Helper()
	m := mastertest.Start(t, func(c *config.Master) { c.OrderMasters = orderMasters })
	for _, minion := range minions {
		m.Accept(t, minion)
	}
	s := startedSyndic(t, top, id)
	return &tier{m, s, top.Subscribe(t, s.Minion, func() string { return mustPublish(t, top, ping("fence")).JID }, "")}
}

// relay hands the job down and returns what the master below answers, nil when nothing was published above.
func (l *tier) relay(t testing.TB, jid string) wire.PublishReply {
	t.Helper()
	sent := l.sub.Job(t, jid)
	if len(sent) != 1 {
		t.Fatalf("job %s was published %d times", jid, len(sent))
	}
	p := sent[0].Load
	kwargs := wire.NewMap("auth_list", p.List("auth_list"), "user", p.Str("user"), wire.KwargPath, append(p.List(wire.KeyPath), l.up.ID))
	fun, _ := p.Get("fun")
	tgt, _ := p.Get("tgt")
	return publish(t, l.Running, wire.PublishRequest{
		Tgt: tgt, TgtType: p.Str("tgt_type"), Fun: fun, Arg: p.List("arg"), JID: jid, Kwargs: kwargs,
	})
}

// TestRights_travel publishes as a syndic of a stock master does for a restricted user, and follows the job down two
// levels. denied is the level at which it ends: 0 at the top, 3 nowhere.
func TestRights_travel(t *testing.T) {
	top := mastertest.Start(t, withSyndics)
	middle := below(t, top, "syn1", true, "web1")
	bottom := below(t, middle.Running, "syn2", false, "web2", "db2")
	only := func(compound string, funs ...any) []any { return []any{wire.NewMap(compound, funs)} }
	for _, tt := range []struct {
		name   string
		rights []any
		req    wire.PublishRequest
		denied int
		want   []string // minions at the bottom
	}{
		{"all of it", []any{}, ping("*"), 3, []string{"db2", "web2"}},
		{"a function anywhere", []any{"test.*"}, ping("*"), 3, []string{"db2", "web2"}},
		{"another function", []any{"cmd.*"}, ping("*"), 0, nil},
		{"inside the target", only("web*", "test.*"), ping("web*"), 3, []string{"web2"}},
		{"compound", only("E@web\\d+ and not web9", "test.*"), ping("web*"), 3, []string{"web2"}},
		{"outside, seen in the middle", only("db*", "test.*"), ping("web1"), 1, nil},
		{"outside, seen at the bottom", only("web*", "test.*"), ping("db2"), 2, nil},
		{"one of two outside", only("web*", "test.*"), ping([]any{"web2", "db2"}), 2, nil},
		{"cannot be decided", only("G@os:Debian", "test.*"), ping("db2"), 0, nil},
		{
			"a target that cannot be decided", only("web*", "test.*"),
			wire.PublishRequest{Tgt: "os:Debian", TgtType: "grain", Fun: "test.ping"},
			0, nil,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.req.Kwargs = wire.NewMap("auth_list", tt.rights)
			reply := publish(t, top, tt.req)
			for level, next := range []*tier{middle, bottom} {
				if denied := reply.ErrName == "AuthorizationError"; denied != (tt.denied == level) {
					t.Fatalf("level %d: %+v", level, reply)
				}
				if tt.denied == level {
					return
				}
				reply = next.relay(t, reply.JID)
			}
			if denied := reply.ErrName == "AuthorizationError"; denied != (tt.denied == 2) || !slices.Equal(reply.Minions, tt.want) {
				t.Errorf("bottom: %+v", reply)
			}
		})
	}
}

// With the lists of the syndics the top itself knows who is meant.
func TestRights_deniedAtTheTop(t *testing.T) {
	top := mastertest.Start(t, withSyndics)
	s := startedSyndic(t, top, "syn1")
	s.announce(t, "web2", "db2")
	req := ping("db2")
	req.Kwargs = wire.NewMap("auth_list", []any{wire.NewMap("web*", []any{"test.*"})})
	if reply := publish(t, top, req); reply.ErrName != "AuthorizationError" {
		t.Errorf("%+v", reply)
	}
	req = ping("web*")
	req.Kwargs = wire.NewMap("auth_list", []any{wire.NewMap("web*", []any{"test.*"})})
	if reply := mustPublish(t, top, req); !slices.Equal(reply.Minions, []string{"web2"}) {
		t.Errorf("%+v", reply)
	}
}
