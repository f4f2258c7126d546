package master_test

import (
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/master/mastertest"
)

// aSyndic is a syndic made by hand: it speaks, and does nothing by itself.
type aSyndic struct {
	*mastertest.Minion
	seq uint64
}

func newSyndic(t testing.TB, m *mastertest.Running, id string, level wire.Level) *aSyndic {
	t.Helper()
	return &aSyndic{Minion: mastertest.SignedIn(t, m, id, level)}
}

// startedSyndic has told the master that it is one.
func startedSyndic(t testing.TB, m *mastertest.Running, id string) *aSyndic {
	t.Helper()
	s := newSyndic(t, m, id, 3)
	s.start(t)
	return s
}

func (s *aSyndic) start(t testing.TB) {
	t.Helper()
	s.Do(t, wire.NewMap("id", s.ID, "cmd", wire.CmdMinionEvent, "pretag", nil, "tok", s.Tok(), "data", "started", "tag", "salt/syndic/"+s.ID+"/start"))
}

// ask sends one request of the tier and returns the value of the reply, encoded again.
func (s *aSyndic) ask(t testing.TB, load []byte, err error) []byte {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	m, err := wire.DecodeMap(load, wire.Wire, wire.LoadLimits)
	if err != nil {
		t.Fatal(err)
	}
	value, err := wire.Encode(s.Do(t, m), wire.Wire)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func (s *aSyndic) pubs(t testing.TB, req wire.PubsRequest) (wire.PubsReply, error) {
	t.Helper()
	req.ID = s.ID
	return wire.ParsePubsReply(s.ask(t, req.AppendLoad(nil, wire.Proof{Tok: s.Tok()}), nil))
}

func (s *aSyndic) mustPubs(t testing.TB, epoch string, after uint64, most int) wire.PubsReply {
	t.Helper()
	reply, err := s.pubs(t, wire.PubsRequest{Epoch: epoch, After: after, Max: most})
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

func (s *aSyndic) inventory(t testing.TB, req wire.InventoryRequest) wire.InventoryReply {
	t.Helper()
	req.ID = s.ID
	load, err := req.AppendLoad(nil, wire.Proof{Tok: s.Tok()})
	reply, err := wire.ParseInventoryReply(s.ask(t, load, err))
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

// announce sends a whole inventory.
func (s *aSyndic) announce(t testing.TB, ids ...string) {
	t.Helper()
	s.seq += 10
	if reply := s.inventory(t, wire.InventoryRequest{Full: true, Seq: s.seq, Add: ids}); reply.WantFull || reply.Seq != s.seq {
		t.Fatalf("full inventory: %+v", reply)
	}
}

// forward sends events in the list form; with n > 0 each has an origin from n on.
func (s *aSyndic) forward(t testing.TB, first int64, events ...*wire.Map) {
	t.Helper()
	items := make([]any, len(events))
	for i, e := range events {
		item := e.Clone()
		if first > 0 {
			item.Set(wire.KeyOrigin, wire.Origin{ID: s.ID, N: first + int64(i), Path: []string{s.ID}}.Map())
		}
		items[i] = item
	}
	s.Do(t, wire.NewMap("id", s.ID, "cmd", wire.CmdMinionEvent, "pretag", "syndic/"+s.ID, "tok", s.Tok(), "events", items))
}

func jids(t testing.TB, pubs []wire.KeptPub) []string {
	t.Helper()
	var out []string
	for _, p := range pubs {
		pub, err := wire.ParsePublication(p.Load)
		if err != nil {
			t.Fatal(err)
		}
		if pub.Serial != p.Serial {
			t.Errorf("serial %d in the load, %d beside it", pub.Serial, p.Serial)
		}
		out = append(out, pub.JID)
	}
	return out
}

func ping(tgt any) wire.PublishRequest {
	kind := "glob"
	if _, isList := tgt.([]any); isList {
		kind = "list"
	}
	return wire.PublishRequest{Tgt: tgt, TgtType: kind, Fun: "test.ping"}
}

func withSyndics(c *config.Master) { c.OrderMasters = true }

func mustPublish(t testing.TB, m *mastertest.Running, req wire.PublishRequest) wire.PublishReply {
	t.Helper()
	reply := publish(t, m, req)
	if reply.Err != "" {
		t.Fatalf("publish %v: %+v", req.Tgt, reply)
	}
	return reply
}

// until polls a condition with a deadline.
func until(t testing.TB, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("did not happen in 20 s: %s", what)
		}
		time.Sleep(time.Millisecond) // between two polls
	}
}
