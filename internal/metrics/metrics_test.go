package metrics

import (
	"bytes"
	"encoding/json"
	"flag"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs; run with -update and look at the difference:\n%s", path, diff)
	}
}

func TestReference(t *testing.T) {
	var b bytes.Buffer
	if err := WriteReference(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, "../../docs/reference/metrics.md", b.Bytes())
}

func TestCatalogue(t *testing.T) {
	name := regexp.MustCompile(`^salt(ern)?(_[a-z0-9]+)+$`)
	seen := map[string]bool{}
	for _, m := range All() {
		if !name.MatchString(m.Name) || seen[m.Name] {
			t.Errorf("%s: the name is wrong or there twice", m.Name)
		}
		seen[m.Name] = true
		if strings.HasSuffix(m.Name, "_total") != (m.Kind == Counter) {
			t.Errorf("%s: counters, and only they, end in _total", m.Name)
		}
		if !strings.HasSuffix(m.Help, ".") {
			t.Errorf("%s: the help is no sentence: %q", m.Name, m.Help)
		}
		for _, l := range m.Labels {
			if slices.Contains(personal, l.Name) || !name.MatchString("salt_"+l.Name) {
				t.Errorf("%s: label %q is not allowed", m.Name, l.Name)
			}
			if (l.Values == nil) != (l.From != "" && l.Max > 0) {
				t.Errorf("%s: label %s needs a list, or a source with a bound", m.Name, l.Name)
			}
		}
	}
	if len(seen) < 50 {
		t.Errorf("only %d metrics", len(seen))
	}
}

func TestBuilder_faults(t *testing.T) {
	tests := []struct {
		name   string
		m      *Metric
		value  float64
		labels []string
		want   string
	}{
		{"good", Returns, 3, []string{"minion"}, ""},
		{"absent label", QueueDepth, 3, []string{"minions", ""}, ""},
		{"id in a closed label", Returns, 3, []string{"web1"}, "not a listed value"},
		{"jid", LinkUp, 1, []string{"20261120134827331255"}, "looks like a jid"},
		{"jid of a process", LinkUp, 1, []string{"20261120134827331255_4711"}, "looks like a jid"},
		{"twenty letters", LinkUp, 1, []string{"mom.site-a.example.t"}, ""},
		{"control", LinkUp, 1, []string{"a\nb"}, "not a short line"},
		{"not text", LinkUp, 1, []string{"a\xff"}, "not a short line"},
		{"long", LinkUp, 1, []string{strings.Repeat("a", 129)}, "not a short line"},
		{"too many labels", LinkUp, 1, []string{"a", "b"}, "has 1 labels, not 2"},
		{"negative counter", Returns, -1, []string{"minion"}, "is -1"},
		{"negative gauge", SumDifference, -1, []string{"returns"}, ""},
		{"nan", Ready, math.NaN(), nil, "NaN"},
		{"infinite", Ready, math.Inf(1), nil, "Inf"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var b Builder
			b.Add(tt.m, tt.value, tt.labels...)
			s := b.Snapshot(time.Time{})
			if got := strings.Join(s.Faults, ";"); tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("got fault %q, want %q", got, tt.want)
			}
			if v, ok := s.Value(tt.m, tt.labels...); ok != (tt.want == "") || ok && v != tt.value {
				t.Errorf("got value %v %v", v, ok)
			}
		})
	}
}

func TestBuilder_bounds(t *testing.T) {
	var b Builder
	for i := range 100 {
		b.Add(LinkUp, 1, "mom"+strings.Repeat("x", i))
	}
	b.Add(LinkUp, 1, "mom")
	s := b.Snapshot(time.Time{})
	if n := len(s.Families[0].Samples); n != upstreamLabel.Max {
		t.Errorf("%d upstreams, want %d", n, upstreamLabel.Max)
	}
	if len(s.Faults) != maxFaults {
		t.Errorf("%d faults, want %d", len(s.Faults), maxFaults)
	}
	b = Builder{}
	b.Add(Ready, 1)
	b.Add(Ready, 1)
	if s := b.Snapshot(time.Time{}); len(s.Faults) != 1 || !strings.Contains(s.Faults[0], "twice") {
		t.Errorf("got %q", s.Faults)
	}
}

func sample() Snapshot {
	var b Builder
	b.Observe(JobCacheCommit, 12, 0.25)
	b.Add(LinkUp, 1, `mom "one" \ [::1]:4506`)
	b.Add(LinkUp, 0, "mom2")
	b.Add(Returns, 12345678901, "minion")
	b.Add(Returns, 0, "syndic")
	b.Add(QueueDepth, 5, "minions", "")
	b.Add(QueueDepth, 6, "outbox", "mom2")
	b.Add(QueueOldest, 0.0125, "minions")
	return b.Snapshot(time.Date(2026, 11, 20, 13, 48, 27, 0, time.UTC))
}

func TestWriteText(t *testing.T) {
	var b bytes.Buffer
	if err := sample().WriteText(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/text.prom", b.Bytes())
}

func TestSnapshot_roundTrip(t *testing.T) {
	text, err := json.Marshal(sample())
	if err != nil {
		t.Fatal(err)
	}
	var got Snapshot
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	var b Builder
	b.Merge(got)
	if diff := cmp.Diff(sample(), b.Snapshot(got.Time)); diff != "" {
		t.Error(diff)
	}
	b.Merge(Snapshot{Families: []Family{{Name: "other"}}, Faults: []string{"x"}})
	if n := len(b.Snapshot(got.Time).Faults); n != 2 {
		t.Errorf("%d faults, want 2", n)
	}
	if err := json.Unmarshal([]byte(`{"families":[{"kind":"pie"}]}`), &got); err == nil {
		t.Error("an unknown kind was taken")
	}
}

func TestReadProcess(t *testing.T) {
	p := ReadProcess()
	if p.Goroutines < 1 || p.HeapBytes < 1 || p.MaxFDs < 1 || p.OpenFDs == 0 || p.ResidentBytes == 0 {
		t.Errorf("got %+v", p)
	}
	before := p.OpenFDs
	f, err := os.Open(".")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if p = ReadProcess(); before > 0 && p.OpenFDs != before+1 {
		t.Errorf("%d descriptors, then %d with one more open", before, p.OpenFDs)
	}
	var b Builder
	b.AddProcess(p, Build{"salt-master", "1.2", "abc"}, Started().Add(time.Minute))
	s := b.Snapshot(time.Now())
	if v, ok := s.Value(Uptime); len(s.Faults) > 0 || !ok || v != 60 {
		t.Errorf("uptime %v %v, faults %q", v, ok, s.Faults)
	}
}

func BenchmarkWriteText(b *testing.B) {
	s := sample()
	b.ReportAllocs()
	for b.Loop() {
		if err := s.WriteText(&bytes.Buffer{}); err != nil {
			b.Fatal(err)
		}
	}
}
