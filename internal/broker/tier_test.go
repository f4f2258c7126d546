package broker

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/swarm"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/master/mastertest"
	"github.com/saltern-io/saltern/transport/zmtp"
)

// behind runs simulated minions behind a broker until the test ends.
func behind(t *testing.T, b *running, cfg swarm.Config) *swarm.Swarm {
	t.Helper()
	cfg.Masters = []swarm.Master{{Host: "127.0.0.1", RetPort: b.requestPort, PublishPort: b.publishPort}}
	cfg.Keys, cfg.StartSequence, cfg.Reconnect, cfg.ReconnectMax = nil, true, 20*time.Millisecond, 50*time.Millisecond
	cfg.AcceptanceWait = 100 * time.Millisecond
	s, err := swarm.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("swarm: %v", err)
		}
	})
	wait, stop := context.WithTimeout(ctx, 60*time.Second)
	defer stop()
	if err := s.WaitReady(wait, cfg.N); err != nil {
		t.Fatal(err)
	}
	return s
}

func asUpstream(name string, m *mastertest.Running) config.BrokerUpstream {
	return upstreamAt(name, m.PublishPort, m.RetPort)
}

// publish has a master publish test.ping and returns the job id.
func publish(t *testing.T, m *mastertest.Running, tgt any, kind string) string {
	t.Helper()
	body, err := wire.PublishRequest{
		Tgt: tgt, TgtType: kind, Fun: "test.ping", Arg: []any{}, Key: m.RootKey(t), User: m.Config.User,
	}.AppendEnvelope(nil, 3)
	if err != nil {
		t.Fatal(err)
	}
	c, box := connect(t, m.RetPort, zmtp.RoleReq)
	ask(t, c, "", string(body))
	reply, err := wire.ParsePublishReply([]byte(box.next(t)[1:]))
	if err != nil || reply.Err != "" {
		t.Fatalf("publish: %+v, %v", reply, err)
	}
	return reply.JID
}

// answered waits until n minions had their returns acknowledged.
func answered(t *testing.T, s *swarm.Swarm, jid string, n int, patience time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := s.WaitJob(ctx, jid, n, n)
	return err
}

// TestTier_minionsBehindABroker: sign-in, publications and returns go through; with zmq_filtering a publication for
// some goes to these alone.
func TestTier_minionsBehindABroker(t *testing.T) {
	for _, filtering := range []bool{false, true} {
		t.Run(fmt.Sprint("filtering ", filtering), func(t *testing.T) {
			m := mastertest.Start(t, func(c *config.Master) { c.AutoAccept, c.ZMQFiltering = true, filtering })
			b := start(t, testConfig(asUpstream("m", m)))
			const n = 20
			s := behind(t, b, swarm.Config{N: n, IDTemplate: "m%02d", Filtering: filtering})
			eventually(t, "topics at the master", func() bool {
				return b.publications.subscribers() == n && (!filtering || b.topics.len() == n+1)
			})
			if err := answered(t, s, publish(t, m, "*", "glob"), n, 60*time.Second); err != nil {
				t.Fatal(err)
			}
			before := b.publications.count.out.Load()
			if err := answered(t, s, publish(t, m, []any{"m03", "m07"}, "list"), 2, 60*time.Second); err != nil {
				t.Fatal(err)
			}
			want := int64(n)
			if filtering {
				want = 2
			}
			eventually(t, "all copies", func() bool { return b.publications.count.out.Load()-before == want })
			contacts := b.Contacts(100)
			if len(contacts) != n || contacts[3].ID != "m03" || contacts[3].Requests < 4 {
				t.Errorf("contacts %+v", contacts)
			}
			b.balanced(t)
		})
	}
}

// TestTier_nextMaster stops the master in use; minions sign in at the next one, which has the same keys, by themselves.
func TestTier_nextMaster(t *testing.T) {
	auto := func(c *config.Master) { c.AutoAccept = true }
	first, second := mastertest.Start(t, auto), mastertest.Start(t, auto)
	cfg := testConfig(asUpstream("first", first), asUpstream("second", second))
	b := start(t, cfg)
	const n = 10
	s := behind(t, b, swarm.Config{N: n, IDTemplate: "m%02d"})
	for i := range n { // as operators of two masters do
		accept(t, first, second, fmt.Sprintf("m%02d", i))
	}
	if err := answered(t, s, publish(t, first, "*", "glob"), n, 60*time.Second); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	first.Stop(t)
	eventually(t, "the next master is in use", func() bool { return b.serving() == "second" })
	t.Logf("in use %v after the first one began to stop", time.Since(began).Round(time.Millisecond))
	if err := answered(t, s, publish(t, second, "*", "glob"), n, 60*time.Second); err != nil {
		t.Fatal(err)
	}
	b.balanced(t)
}

// accept gives a minion's accepted key to another master.
func accept(t *testing.T, from, to *mastertest.Running, id string) {
	t.Helper()
	copyFile(t, from.Config.PKIDir+"/minions/"+id, to.Config.PKIDir+"/minions/"+id)
}

// TestTier_masterComesBack: a lone master that restarts is used again, and requests meanwhile are held or answered.
func TestTier_masterComesBack(t *testing.T) {
	m := mastertest.Start(t, func(c *config.Master) { c.AutoAccept = true })
	cfg := testConfig(asUpstream("m", m))
	cfg.OnUpstreamGap = "bounce"
	b := start(t, cfg)
	s := behind(t, b, swarm.Config{N: 5, IDTemplate: "m%02d"})
	again := *m.Config
	again.PublishPort, again.RetPort = m.PublishPort, m.RetPort
	m.Stop(t)
	eventually(t, "loss", func() bool { return !b.up("m") })
	m = mastertest.Run(t, m.Dir, &again)
	eventually(t, "return", func() bool { return b.up("m") && b.pilot.count.bounces.Load() == 1 })
	// The minions' subscriptions were closed; they are back at their own pace.
	eventually(t, "answers", func() bool {
		return answered(t, s, publish(t, m, "*", "glob"), 5, time.Second) == nil
	})
	b.balanced(t)
}
