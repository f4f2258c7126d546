package master_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/event"
	"github.com/saltern-io/saltern/internal/swarm"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/master/mastertest"
	"github.com/saltern-io/saltern/transport"
)

// startSwarm runs n simulated minions under m until the test ends.
func startSwarm(t testing.TB, m *mastertest.Running, cfg swarm.Config) *swarm.Swarm {
	t.Helper()
	cfg.Masters = []swarm.Master{{Host: m.Host, RetPort: m.RetPort}}
	s, err := swarm.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil && !strings.Contains(err.Error(), "cancel") {
			t.Errorf("swarm: %v", err)
		}
	})
	wait, stop := context.WithTimeout(ctx, 30*time.Second)
	defer stop()
	if err := s.WaitReady(wait, cfg.N); err != nil {
		t.Fatalf("swarm not ready: %v", err)
	}
	return s
}

// publish sends a publish request as a local client does.
func publish(t testing.TB, m *mastertest.Running, req wire.PublishRequest) wire.PublishReply {
	t.Helper()
	zctx, err := transport.NewContext(1, 64)
	if err != nil {
		t.Fatal(err)
	}
	client, err := transport.NewRequestClient(transport.RequestClientConfig{Context: zctx, Endpoint: transport.Endpoint(m.Host, m.RetPort)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { client.Close(); zctx.Close() }()
	req.Key, req.User = m.RootKey(t), m.Config.User
	if req.Arg == nil {
		req.Arg = []any{}
	}
	body, err := req.AppendEnvelope(nil, 3)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	raw, err := client.Do(ctx, body)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := wire.ParsePublishReply(raw)
	if err != nil {
		t.Fatalf("publish reply %q: %v", raw, err)
	}
	return reply
}

// TestServe_pingAtBothLevels runs the whole way: sign-in, publication, returns, events, job cache.
func TestServe_pingAtBothLevels(t *testing.T) {
	for _, level := range []wire.Level{2, 3} {
		t.Run("level "+string('0'+rune(level)), func(t *testing.T) {
			m := mastertest.Start(t, func(c *config.Master) { c.AutoAccept, c.MinimumAuthVersion = true, 2 })
			const n = 20
			startSwarm(t, m, swarm.Config{N: n, IDPrefix: "m", Level: level, StartSequence: true})
			reader, err := event.Dial(t.Context(), m.Config.SockDir+"/"+event.PubSocket)
			if err != nil {
				t.Fatal(err)
			}
			defer reader.Close()
			reply := publish(t, m, wire.PublishRequest{Tgt: "m*", TgtType: "glob", Fun: "test.ping"})
			if reply.Err != "" || len(reply.Minions) != n {
				t.Fatalf("publish: %+v", reply)
			}
			got := collectReturns(t, reader, reply.JID, n)
			slices.Sort(got)
			slices.Sort(reply.Minions)
			if !slices.Equal(got, reply.Minions) {
				t.Errorf("returns of %q, want %q", got, reply.Minions)
			}
			s := m.Master.Stats()
			if s.Returns != n || s.Accepted < n || s.Failed != 0 || s.Levels[level] == 0 {
				t.Errorf("stats: %+v", s)
			}
		})
	}
}

// collectReturns reads the bus until n minions returned for the job.
func collectReturns(t testing.TB, reader *event.Reader, jid string, n int) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	prefix := "salt/job/" + jid + "/ret/"
	var ids []string
	for len(ids) < n {
		e, err := reader.Next(ctx)
		if err != nil {
			t.Fatalf("after %d of %d returns: %v", len(ids), n, err)
		}
		if id, ok := strings.CutPrefix(e.Tag, prefix); ok {
			ids = append(ids, id)
		}
	}
	return ids
}

func TestAlive(t *testing.T) {
	m := mastertest.Start(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := m.Master.Alive(ctx); err != nil {
		t.Errorf("a serving master: %v", err)
	}
	m.Stop(t)
	ended, stop := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer stop()
	if err := m.Master.Alive(ended); err == nil {
		t.Error("a stopped master says that it is alive")
	}
}
