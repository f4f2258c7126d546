package master

import (
	"cmp"
	"slices"
	"time"

	"github.com/saltern-io/saltern/internal/metrics"
	"github.com/saltern-io/saltern/internal/status"
)

const (
	// silentAfter is how long a syndic that asks for missed publications, which saltern's do every 30 s, may send nothing.
	silentAfter = 2 * time.Minute
	// maxShown bounds the syndics in a report; the silent ones come first.
	maxShown = 200
)

// syndicSection shows the syndics; ok is false when there is none.
func syndicSection(b *metrics.Builder, syndics []SyndicStats, now time.Time) (s status.Section, ok bool) {
	var heard, silent, unheard int
	for _, one := range syndics {
		p := status.Peer{
			Name: one.ID, Seen: one.LastSeen, Silent: one.Asked > 0 && now.Sub(one.LastSeen) > silentAfter,
			Behind: int64(one.Minions), Returns: one.Returns, Events: one.Events, Repeats: one.Repeats, Fetched: one.Fetched,
		}
		switch {
		case p.Silent:
			silent++
		case p.Seen.IsZero():
			unheard++
		default:
			heard++
		}
		s.Peers = append(s.Peers, p)
	}
	b.Add(metrics.Syndics, float64(heard), "heard")
	b.Add(metrics.Syndics, float64(silent), "silent")
	b.Add(metrics.Syndics, float64(unheard), "unheard")
	if len(s.Peers) == 0 {
		return s, false
	}
	s.Title = "Syndics"
	slices.SortStableFunc(s.Peers, func(x, y status.Peer) int {
		switch {
		case x.Silent != y.Silent && x.Silent:
			return -1
		case x.Silent != y.Silent:
			return 1
		}
		return cmp.Compare(x.Name, y.Name)
	})
	if more := len(s.Peers) - maxShown; more > 0 {
		s.Peers = s.Peers[:maxShown:maxShown]
		s.Rows = []status.Row{{Name: "syndics not shown", Value: int64(more)}}
	}
	return s, true
}
