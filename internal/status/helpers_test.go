package status

import (
	"bytes"
	"flag"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/saltern-io/saltern/internal/metrics"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs; run with -update and look at the difference:\n%s", path, diff)
	}
}

// noon is when the reports of the tests are made.
var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// testReport is a report that does not depend on the process.
func testReport(program string) Report {
	r := New(program, "1.2.3", "abcdef", noon)
	r.PID, r.Started, r.Ready = 4711, noon.Add(-3*time.Hour), noon.Add(-3*time.Hour+time.Second)
	return r
}

// syndicReport has one link that is well and one that is not.
func syndicReport() Report {
	r := testReport("salt-syndic")
	r.AddSyndic(SyndicNumbers{
		LocalEvents: 12345, Repeated: 2, Ignored: 1,
		Queues: []Queue{{Name: "downstream", Depth: 1, Capacity: 1000, Oldest: Age(250 * time.Millisecond)}},
		Upstreams: []UpstreamNumbers{
			{
				Link:   Link{Name: "mom1", Up: true, State: "serving", Since: noon.Add(-2 * time.Hour), Level: 3},
				Outbox: Queue{Depth: 12, Capacity: 100000, Bytes: 4096, MaxBytes: 64 << 20, Oldest: Age(1500 * time.Millisecond)},
				Slack:  500, Received: 5010, Stored: 5000, Duplicate: 10, Forwarded: 5100, Acknowledged: 4985, Refused: 1, Restored: 8,
				Dropped: 10, Requests: 60, Failures: 1, Publications: 33, Missed: 2, Recovered: 1, Unrecovered: 1,
			},
			{
				Link:   Link{Name: "mom2", State: "backing off", Since: noon.Add(-4 * time.Minute), Reason: "connection refused"},
				Outbox: Queue{Depth: 85000, Capacity: 100000, Bytes: 50 << 20, MaxBytes: 64 << 20, Oldest: Age(4 * time.Minute)},
				Slack:  500, Received: 85003, Stored: 85000, Rejected: 2, Failures: 12,
			},
		},
	})
	return r
}

// logged collects what a logger writes, without times.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// take returns the lines since the last call.
func (l *logged) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.b.Reset()
	return l.b.String()
}

func newLog() (*slog.Logger, *logged) {
	l := &logged{}
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})), l
}

// waitFor polls until the condition holds.
func waitFor(t *testing.T, what string, cond func() bool) {
	t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-deadline.C:
			t.Fatalf("%s: did not happen", what)
		case <-tick.C:
		}
	}
}

func TestWriteText(t *testing.T) {
	w := NewWatcher(discard)
	bad := syndicReport()
	w.Observe(&bad)
	for range 2 { // standing still with a difference, long enough
		bad.Now = bad.Now.Add(10 * time.Second)
		w.Observe(&bad)
	}
	good := testReport("salt-master")
	good.Sections = []Section{{
		Title:  "Requests",
		Rows:   []Row{{Name: "received", Value: 1234567}, {Name: "disk", Value: 5 << 30, Unit: Bytes}, {Name: "bus", Text: "bare \x1b[31m"}},
		Queues: []Queue{{Name: "minions", Capacity: 20004, MaxBytes: 256 << 20}, {Name: "events", Depth: 3, Capacity: 20000}},
		Peers: []Peer{
			{Name: "syn2", Seen: noon.Add(-5 * time.Minute), Silent: true, Behind: 20, Returns: 1200, Events: 30, Repeats: 2, Fetched: 1},
			{Name: "syn1\x07", Seen: noon.Add(-3 * time.Second), Behind: 250, Returns: 45000},
			{Name: "syn3"},
		},
		Sums: []Sum{{Name: "requests", In: []Term{{"received", 7}}, Out: []Term{{"answered", 5}, {"waiting", 2}}}},
	}}
	NewWatcher(discard).Observe(&good)
	for name, r := range map[string]Report{"syndic.txt": bad, "master.txt": good} {
		var b strings.Builder
		if err := r.WriteText(&b); err != nil {
			t.Fatal(err)
		}
		golden(t, name, b.String())
	}
}

func TestSyndicMetrics(t *testing.T) {
	r := syndicReport()
	NewWatcher(discard).Observe(&r)
	complete(&r)
	if len(r.Metrics.Faults) > 0 {
		t.Fatalf("faults: %q", r.Metrics.Faults)
	}
	var kept []metrics.Family
	for _, f := range r.Metrics.Families { // those of the process differ from run to run
		if !strings.Contains(f.Name, "process") && f.Name != "saltern_build_info" {
			kept = append(kept, f)
		}
	}
	r.Metrics.Families = kept
	var b strings.Builder
	if err := r.Metrics.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, "syndic.prom", b.String())
}

func TestFormats(t *testing.T) {
	tests := []struct{ name, got, want string }{
		{"small", thousands(999), "999"},
		{"large", thousands(1234567890), "1,234,567,890"},
		{"negative", thousands(-1000), "-1,000"},
		{"bytes", size(1023), "1023 B"},
		{"kibibytes", size(1536), "1.5 KiB"},
		{"exbibytes", size(1 << 62), "4.0 EiB"},
		{"not full", percent(0.7999), "79 %"},
		{"seconds", duration(59*time.Second + 990*time.Millisecond), "59.9 s"},
		{"minutes", duration(61 * time.Second), "1 min 1 s"},
		{"hours", duration(3*time.Hour + 11*time.Minute), "3 h 11 min"},
		{"days", duration(49 * time.Hour), "2 d 1 h"},
		{"back", duration(-time.Second), "0.0 s"},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, tt.got, tt.want)
		}
	}
}

var discard = slog.New(slog.DiscardHandler)
