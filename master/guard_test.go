package master_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/master/mastertest"
)

func TestGuard_oneJobOnce(t *testing.T) {
	m := mastertest.Start(t, withSyndics)
	m.Accept(t, "m1")
	s := startedSyndic(t, m, "syn1")
	relayed := func(path ...any) wire.PublishRequest {
		req := ping("m*")
		req.JID = "20261120141909944303"
		req.Kwargs = wire.NewMap("auth_list", []any{})
		if path != nil {
			req.Kwargs.Set(wire.KwargPath, path)
		}
		return req
	}
	first := mustPublish(t, m, relayed("top", "syn1"))
	if first.Repeated || first.JID != "20261120141909944303" || !slices.Equal(first.Minions, []string{"m1"}) {
		t.Fatalf("first: %+v", first)
	}
	m.Accept(t, "m2")
	for _, req := range []wire.PublishRequest{relayed("top", "syn2"), relayed()} {
		if again := mustPublish(t, m, req); !again.Repeated || !slices.Equal(again.Minions, []string{"m1"}) {
			t.Errorf("again: %+v", again)
		}
	}
	other := relayed("top", "syn2")
	other.Fun = "test.version"
	if reply := publish(t, m, other); reply.ErrName != wire.JobIDTaken || reply.JID != "" {
		t.Errorf("another job under the id: %+v", reply)
	}
	byHand := ping("m*")
	byHand.JID = first.JID
	if reply := publish(t, m, byHand); !strings.Contains(reply.Err, "was used before") || reply.JID != "" {
		t.Errorf("by hand: %+v", reply)
	}
	pubs := s.mustPubs(t, "", 0, 0).Pubs
	if len(pubs) != 1 {
		t.Fatalf("%d publications", len(pubs))
	}
	pub, err := wire.ParsePublication(pubs[0].Load)
	if err != nil || fmt.Sprint(pub.Extra.List(wire.KeyPath)) != "[top syn1]" || pub.Extra.Len() != 1 {
		t.Errorf("payload: %+v %v", pub, err)
	}
	m.Stop(t)
	cfg := *m.Config
	m = mastertest.Run(t, m.Dir, &cfg)
	if again := mustPublish(t, m, relayed("top", "syn3")); !again.Repeated || !slices.Equal(again.Minions, []string{"m1"}) {
		t.Errorf("after a restart: %+v", again)
	}
	if s := m.Master.Stats(); s.Repeated != 1 || s.Published != 0 {
		t.Errorf("stats: repeated %d, published %d", s.Repeated, s.Published)
	}
}

// A job whose returns came before the job itself was published by somebody else: it has to run here.
func TestGuard_returnsFirst(t *testing.T) {
	m := mastertest.Start(t, withSyndics)
	m.Accept(t, "m1")
	s := startedSyndic(t, m, "syn1")
	const jid = "20261120141909944303"
	ret := wire.NewMap("return", true, "retcode", 0, "success", true)
	load := wire.NewMap("cmd", "publish", "tgt", "*", "fun", "test.ping", "arg", []any{}, "Minions", []any{"x1"})
	s.Do(t, wire.NewMap("cmd", wire.CmdSyndicReturn, "load", []any{
		wire.NewMap("id", s.ID, "jid", jid, "fun", "test.ping", "load", load, "return", wire.NewMap("x1", ret)),
	}))
	req := ping("m*")
	req.JID, req.Kwargs = jid, wire.NewMap(wire.KwargPath, []any{"top"})
	if reply := mustPublish(t, m, req); reply.Repeated || !slices.Equal(reply.Minions, []string{"m1"}) {
		t.Errorf("%+v", reply)
	}
}

func TestGuard_longPath(t *testing.T) {
	m := mastertest.Start(t, withSyndics)
	req := ping("*")
	req.Kwargs = wire.NewMap(wire.KwargPath, slices.Repeat([]any{"x"}, wire.MaxPath))
	mustPublish(t, m, req)
	req.Kwargs = wire.NewMap(wire.KwargPath, slices.Repeat([]any{"x"}, wire.MaxPath+1))
	if reply := publish(t, m, req); !strings.HasPrefix(reply.Err, "Publication refused") {
		t.Errorf("%+v", reply)
	}
}
