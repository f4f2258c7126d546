package master

import (
	"fmt"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/metrics"
)

func TestSyndicSection(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	for _, c := range []struct {
		name                    string
		syndics                 []SyndicStats
		first                   string // of the list
		silent                  bool
		heard, silents, unheard float64
	}{
		{name: "none"},
		{name: "asks", syndics: []SyndicStats{{ID: "a", LastSeen: ago(time.Minute), Asked: 3}}, first: "a", heard: 1},
		{name: "asked and fell silent", syndics: []SyndicStats{
			{ID: "a", LastSeen: ago(time.Minute), Asked: 3}, {ID: "b", LastSeen: ago(3 * time.Minute), Asked: 3},
		}, first: "b", silent: true, heard: 1, silents: 1},
		// A stock syndic says nothing while nothing happens.
		{name: "never asks", syndics: []SyndicStats{{ID: "a", LastSeen: ago(time.Hour)}}, first: "a", heard: 1},
		{name: "not since the start", syndics: []SyndicStats{{ID: "a"}}, first: "a", unheard: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b metrics.Builder
			s, ok := syndicSection(&b, c.syndics, now)
			if ok != (len(c.syndics) > 0) {
				t.Fatalf("section: %v", ok)
			}
			if ok && (s.Peers[0].Name != c.first || s.Peers[0].Silent != c.silent) {
				t.Errorf("first is %+v", s.Peers[0])
			}
			values := b.Snapshot(now)
			for state, want := range map[string]float64{"heard": c.heard, "silent": c.silents, "unheard": c.unheard} {
				if got, ok := values.Value(metrics.Syndics, state); !ok || got != want {
					t.Errorf("%s: %v, want %v", state, got, want)
				}
			}
		})
	}
}

func TestSyndicSection_bound(t *testing.T) {
	var many []SyndicStats
	for i := range maxShown + 5 {
		many = append(many, SyndicStats{ID: fmt.Sprintf("s%03d", i)})
	}
	s, _ := syndicSection(new(metrics.Builder), many, time.Now())
	if len(s.Peers) != maxShown || len(s.Rows) != 1 || s.Rows[0].Value != 5 {
		t.Errorf("%d syndics shown, %+v", len(s.Peers), s.Rows)
	}
}
