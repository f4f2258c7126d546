package syndic

import (
	"log/slog"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/metrics"
	"github.com/saltern-io/saltern/internal/status"
	"github.com/saltern-io/saltern/internal/wire"
)

// TestStatus: the report of a syndic that serves one of two masters of masters has no faults, shows the dead link, what
// waits for it and for how long, and its sums are right.
func TestStatus(t *testing.T) {
	mom, away, local := startTop(t, 0, nil), startTop(t, 1, nil), startLocal(t)
	runSwarm(t, local, 2)
	cut, up := cutLink(t, away)
	cut.cut()
	s := run(t, testConfig(t, local, mom.up(), up))
	mom.ping(t, 2)
	local.publish(t, wire.PublishRequest{})
	eventually(t, "something waits", func() bool { return s.Stats().Upstreams[1].Waiting > 0 })
	r := s.Status()
	status.NewWatcher(slog.New(slog.DiscardHandler)).Observe(&r)
	if len(r.Metrics.Faults) > 0 || r.Ready.IsZero() {
		t.Errorf("faults %q, ready %v", r.Metrics.Faults, r.Ready)
	}
	if len(r.Problems) != 1 || r.Problems[0].Kind != status.LinkDown || r.Problems[0].Upstream != up.Entry {
		t.Errorf("%+v", r.Problems)
	}
	section := r.Sections[2]
	q := section.Queues[0]
	if section.Upstream != up.Entry || q.Depth == 0 || q.Bytes == 0 || q.Oldest <= 0 || time.Duration(q.Oldest) > patience {
		t.Errorf("%+v", section)
	}
	for _, sum := range section.Sums {
		if sum.Difference() != 0 {
			t.Errorf("%+v", sum)
		}
	}
	if n, ok := r.Metrics.Value(metrics.SyndicStored, up.Entry); !ok || n == 0 {
		t.Errorf("stored %v, %v", n, ok)
	}
	s.stop()
	if s.Status().Program != "salt-syndic" { // may be asked after the end
		t.Error("no report after the end")
	}
}
