package master_test

import (
	"context"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/metrics"
	"github.com/saltern-io/saltern/internal/status"
	"github.com/saltern-io/saltern/internal/swarm"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/master/mastertest"
)

// serveStatus runs a status server of m until the test ends.
func serveStatus(t *testing.T, m *mastertest.Running) *status.Client {
	t.Helper()
	path := filepath.Join(m.Dir, "st.sock")
	s, err := status.Listen(status.Config{Socket: path, Ready: m.Master.Ready(), Every: 50 * time.Millisecond}, m.Master.StatusSource())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return status.NewClient(path)
}

// TestStatus runs a job and looks that every sum balances when all is quiet, that nothing is left out of the
// metrics, and that no label is a minion id or a jid.
func TestStatus(t *testing.T) {
	m := mastertest.Start(t, func(cfg *config.Master) { cfg.AutoAccept = true })
	c := serveStatus(t, m)
	const n = 20
	startSwarm(t, m, swarm.Config{N: n})
	reply := publish(t, m, wire.PublishRequest{Tgt: "*", TgtType: "glob", Fun: "test.ping"})
	var r status.Report
	quiet := func() bool {
		var err error
		if r, err = c.Report(t.Context()); err != nil {
			t.Fatal(err)
		}
		returns, _ := r.Metrics.Value(metrics.JobCacheReturns, "stored")
		for _, s := range r.Sections {
			for _, sum := range s.Sums {
				if sum.Difference() != 0 || sum.Busy {
					return false
				}
			}
		}
		return returns == n
	}
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !quiet() {
		select {
		case <-deadline.C:
			t.Fatalf("the sums do not balance: %+v", r.Sections)
		case <-tick.C:
		}
	}
	if len(r.Problems) > 0 || len(r.Metrics.Faults) > 0 || r.Ready.IsZero() {
		t.Errorf("problems %v, faults %q, ready %v", r.Problems, r.Metrics.Faults, r.Ready)
	}
	for _, want := range []struct {
		m      *metrics.Metric
		labels []string
		value  float64
	}{
		{metrics.JobsPublished, nil, 1},
		{metrics.Returns, []string{"minion"}, n},
		{metrics.AuthAttempts, []string{"success"}, n},
		{metrics.Keys, []string{"accepted"}, n},
		{metrics.ConnectedMinions, nil, n},
		{metrics.RequestsHandled, []string{wire.CmdReturn}, n},
		{metrics.QueueCapacity, []string{"minions"}, 20_000},
		{metrics.QueueDepth, []string{"jobcache"}, 0},
		{metrics.SumDifference, []string{"requests"}, 0},
		{metrics.Ready, nil, 1},
	} {
		got, ok := r.Metrics.Value(want.m, want.labels...)
		if !ok || got != want.value {
			t.Errorf("%s%v: got %v %v, want %v", want.m.Name, want.labels, got, ok, want.value)
		}
	}
	for _, f := range r.Metrics.Families {
		for _, s := range f.Samples {
			for _, l := range s.Labels {
				if l.Value == reply.JID || slices.Contains(reply.Minions, l.Value) {
					t.Errorf("%s: label %s is %q", f.Name, l.Name, l.Value)
				}
			}
		}
	}
	if len(r.Metrics.Families) < 50 {
		t.Errorf("%d families", len(r.Metrics.Families))
	}
}

// TestStatus_afterStop asks a master that has closed its stores and sockets.
func TestStatus_afterStop(t *testing.T) {
	m := mastertest.Start(t, nil)
	source := m.Master.StatusSource()
	m.Stop(t)
	if r := source.Status(); r.Program != "salt-master" || len(r.Sections) == 0 {
		t.Errorf("got %+v", r)
	}
}
