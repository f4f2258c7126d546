package master_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/master/mastertest"
	"github.com/saltern-io/saltern/pki"
)

func TestInventory_forSyndicsOnly(t *testing.T) {
	m := mastertest.Start(t, withSyndics)
	s := newSyndic(t, m, "syn1", 3)
	load, err := wire.InventoryRequest{ID: s.ID, Full: true, Seq: 1, Add: []string{"x1"}}.AppendLoad(nil, wire.Proof{})
	if _, err := wire.ParseInventoryReply(s.ask(t, load, err)); err == nil {
		t.Error("taken from somebody who is no syndic")
	}
	if reply := mustPublish(t, m, ping("*")); len(reply.Minions) != 1 {
		t.Errorf("minions %q", reply.Minions)
	}
}

// Each step is one request; want is what the master knows afterwards.
func TestInventory_sequence(t *testing.T) {
	m := mastertest.Start(t, withSyndics)
	s := startedSyndic(t, m, "syn1")
	type req = wire.InventoryRequest
	for i, step := range []struct {
		why   string
		req   req
		reply wire.InventoryReply
		want  []string
		start bool // fire a start event first
		whole bool
	}{
		{"a change to nothing", req{Seq: 5, Add: []string{"x1"}}, wire.InventoryReply{WantFull: true}, nil, false, false},
		{"the whole list", req{Full: true, Seq: 5, Add: []string{"x1", "x2"}}, wire.InventoryReply{Seq: 5}, []string{"x1", "x2"}, false, true},
		{"a change", req{Seq: 6, Add: []string{"x3"}, Del: []string{"x1", "x9"}}, wire.InventoryReply{Seq: 6}, []string{"x2", "x3"}, false, true},
		{"the change once more", req{Seq: 6, Add: []string{"x3"}, Del: []string{"x1", "x9"}}, wire.InventoryReply{Seq: 6}, []string{"x2", "x3"}, false, true},
		{"in and out of one change", req{Seq: 7, Add: []string{"x2"}, Del: []string{"x2"}}, wire.InventoryReply{Seq: 7}, []string{"x2", "x3"}, false, true},
		{"a gap", req{Seq: 9, Add: []string{"x4"}}, wire.InventoryReply{Seq: 7, WantFull: true}, []string{"x2", "x3"}, false, false},
		{"a heartbeat", req{Seq: 7}, wire.InventoryReply{Seq: 7}, []string{"x2", "x3"}, false, true},
		{"a heartbeat after a start", req{Seq: 7}, wire.InventoryReply{Seq: 7}, []string{"x2", "x3"}, true, true},
		{"one below is not current", req{Seq: 8, Below: wire.NewMap("syn9", false)}, wire.InventoryReply{Seq: 8}, []string{"x2", "x3"}, false, false},
		{"and is", req{Seq: 8, Below: wire.NewMap("syn9", true)}, wire.InventoryReply{Seq: 8}, []string{"x2", "x3"}, false, true},
		{"what cannot be ids", req{Seq: 9, Add: []string{"../x", "x4"}}, wire.InventoryReply{Seq: 9}, []string{"x2", "x3", "x4"}, false, false},
		{"a shorter whole list", req{Full: true, Seq: 3, Add: []string{"x4"}}, wire.InventoryReply{Seq: 3}, []string{"x4"}, false, true},
		{"an empty one", req{Full: true, Seq: 4}, wire.InventoryReply{Seq: 4}, nil, false, true},
	} {
		if step.start {
			s.start(t)
			if reply := mustPublish(t, m, ping("x*")); reply.Complete {
				t.Error("complete after a start event")
			}
		}
		if got := s.inventory(t, step.req); got != step.reply {
			t.Errorf("%d %s: %+v, want %+v", i, step.why, got, step.reply)
		}
		reply := mustPublish(t, m, ping("x*"))
		if !slices.Equal(reply.Minions, step.want) && len(reply.Minions)+len(step.want) > 0 || reply.Complete != step.whole {
			t.Errorf("%d %s: minions %q, complete %v", i, step.why, reply.Minions, reply.Complete)
		}
	}
}

func TestInventory_publishReply(t *testing.T) {
	m := mastertest.Start(t, withSyndics)
	m.Accept(t, "m1")
	m.Accept(t, "both")
	a, b := startedSyndic(t, m, "syn1"), startedSyndic(t, m, "syn2")
	a.announce(t, "x1", "x2", "both")
	if reply := mustPublish(t, m, ping("*")); reply.Complete {
		t.Error("complete without the second syndic's list")
	}
	b.announce(t, "x2", "Y1")
	bus := m.Bus(t)
	for _, tt := range []struct {
		req              wire.PublishRequest
		minions, missing []string
		complete         bool
	}{
		{ping("*"), []string{"both", "m1", "x1", "x2", "Y1"}, nil, true},
		{ping("x[12]"), []string{"x1", "x2"}, nil, true},
		{ping([]any{"x2", "m1", "gone", "syn1"}), []string{"m1", "x2"}, []string{"gone"}, true},
		{wire.PublishRequest{Tgt: "[xY]1", TgtType: "pcre", Fun: "test.ping"}, []string{"x1", "Y1"}, nil, true},
		{ping("nobody"), nil, nil, true},
		{wire.PublishRequest{Tgt: "os:Debian", TgtType: "grain", Fun: "test.ping"}, nil, nil, false},
	} {
		reply := mustPublish(t, m, tt.req)
		if fmt.Sprint(reply.Minions, reply.Missing) != fmt.Sprint(tt.minions, tt.missing) || reply.Complete != tt.complete {
			t.Errorf("%v: %+v", tt.req.Tgt, reply)
		}
		announced := bus.Until(t, "salt/job/"+reply.JID+"/new")
		if fmt.Sprint(announced.List("minions")) != fmt.Sprint(tt.minions) {
			t.Errorf("%v: announced %v", tt.req.Tgt, announced.List("minions"))
		}
	}
	reply := mustPublish(t, m, ping("x*"))
	a.forward(t, 0, eventItem("salt/job/"+reply.JID+"/new", wire.NewMap("jid", reply.JID, "minions", []any{"x1", "x2"})))
	b.forward(t, 0, eventItem(reply.JID, wire.NewMap("jid", reply.JID, "minions", []any{"x2", "x7"})))
	stats := m.Master.Stats()
	m.Stop(t)
	job, ok, err := openStore(t, m).Job(reply.JID)
	if err != nil || !ok || !slices.Equal(job.Minions, []string{"x1", "x2"}) {
		t.Fatalf("job %+v %v", job, err)
	}
	if len(job.Syndics) != 1 || !slices.Equal(job.Syndics["syn2"], []string{"x2", "x7"}) {
		t.Errorf("lists stored beside it: %v", job.Syndics)
	}
	if got := stats.Syndics; len(got) != 2 || got[0].ID != "syn1" || got[0].Minions != 3 || !got[0].Current || got[0].Events != 1 || got[0].Starts != 1 || got[1].Minions != 2 {
		t.Errorf("stats %+v", got)
	}
}

func TestInventory_notWithoutOrderMasters(t *testing.T) {
	m := mastertest.Start(t, nil)
	m.Accept(t, "m1")
	s := startedSyndic(t, m, "syn1")
	s.announce(t, "x1")
	if reply := mustPublish(t, m, ping("*")); fmt.Sprint(reply.Minions) != "[m1 syn1]" || reply.Complete {
		t.Errorf("%+v", reply)
	}
}

func TestInventory_survivesRestartAndKeyDeletion(t *testing.T) {
	var c clock
	m := c.start(t, func(c *config.Master) { c.OrderMasters, c.MinimumAuthVersion = true, 2 })
	a, b := startedSyndic(t, m, "syn1"), startedSyndic(t, m, "syn2")
	a.announce(t, "x1")
	b.announce(t, "y1")
	if reply := mustPublish(t, m, ping("*")); !reply.Complete {
		t.Errorf("%+v", reply)
	}
	c.advance(m.Config.SyndicSeen + time.Second)
	if reply := mustPublish(t, m, ping("*")); reply.Complete || len(reply.Minions) != 2 {
		t.Errorf("after ten minutes of silence: %+v", reply)
	}
	m.Stop(t)
	cfg := *m.Config
	m = mastertest.RunWith(t, m.Dir, &cfg, c.options())
	if reply := mustPublish(t, m, ping("*")); reply.Complete || fmt.Sprint(reply.Minions) != "[x1 y1]" {
		t.Errorf("after a restart: %+v", reply)
	}
	a2, b2 := newSyndic(t, m, "syn1", 3), newSyndic(t, m, "syn2", 2)
	a2.inventory(t, wire.InventoryRequest{Seq: a.seq})
	b2.inventory(t, wire.InventoryRequest{Seq: b.seq + 1, Add: []string{"y2"}})
	if reply := mustPublish(t, m, ping("*")); !reply.Complete || fmt.Sprint(reply.Minions) != "[x1 y1 y2]" {
		t.Errorf("after both have spoken: %+v", reply)
	}
	if err := os.Remove(filepath.Join(m.Config.PKIDir, pki.Accepted.Dir(), "syn1")); err != nil {
		t.Fatal(err)
	}
	if reply := mustPublish(t, m, ping("*")); !reply.Complete || fmt.Sprint(reply.Minions) != "[y1 y2]" {
		t.Errorf("without the key of the first: %+v", reply)
	}
	file := filepath.Join(m.Config.CacheDir, "saltern", "inventory", "syn1")
	until(t, "the list of a deleted key is dropped", func() bool { return !exists(file) })
	if err := os.WriteFile(filepath.Join(m.Config.CacheDir, "saltern", "inventory", "syn2"), []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	m.Stop(t)
	again := *m.Config
	m = mastertest.Run(t, m.Dir, &again)
	b3 := newSyndic(t, m, "syn2", 3)
	if reply := b3.inventory(t, wire.InventoryRequest{Seq: b.seq + 2}); !reply.WantFull {
		t.Errorf("with a damaged file: %+v", reply)
	}
}

func TestInventory_bounded(t *testing.T) {
	m := mastertest.Start(t, withSyndics)
	a, b := startedSyndic(t, m, "syn1"), startedSyndic(t, m, "syn2")
	ids := make([]string, 150_000)
	for i := range ids {
		ids[i] = fmt.Sprintf("x%06d", i)
	}
	a.announce(t, ids...)
	for i := range ids {
		ids[i] = fmt.Sprintf("y%06d", i)
	}
	b.announce(t, ids...)
	reply := mustPublish(t, m, ping("*"))
	if len(reply.Minions) != 200_000 || reply.Complete {
		t.Errorf("%d minions, complete %v", len(reply.Minions), reply.Complete)
	}
	a.announce(t, "x1")
	b.announce(t, ids...)
	if reply := mustPublish(t, m, ping("*")); len(reply.Minions) != 150_001 || !reply.Complete {
		t.Errorf("%d minions, complete %v", len(reply.Minions), reply.Complete)
	}
}

// With zmq_filtering a topic per minion is for those who listen here; the syndics have one of their own.
func TestInventory_topics(t *testing.T) {
	m := mastertest.Start(t, func(c *config.Master) { c.OrderMasters, c.ZMQFiltering = true, true })
	s := startedSyndic(t, m, "syn1")
	m.Accept(t, "m1")
	s.announce(t, "x1", "x2", "x3")
	sub := m.Subscribe(t, s.Minion, func() string { return mustPublish(t, m, ping("*")).JID }, "")
	if sent := sub.Job(t, mustPublish(t, m, ping("*")).JID); len(sent) != 2 {
		t.Errorf("%d messages, want one for m1 and one for syndics", len(sent))
	}
}
