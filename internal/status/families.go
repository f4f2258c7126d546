package status

import "github.com/saltern-io/saltern/internal/metrics"

// complete adds the metrics that every report has: process, queues, links, sums, problems.
func complete(r *Report) {
	var b metrics.Builder
	b.AddProcess(metrics.ReadProcess(), metrics.Build{Program: r.Program, Version: r.Version, Commit: r.Commit}, r.Now)
	b.Add(metrics.Ready, truth(!r.Ready.IsZero()))
	for _, s := range r.Sections {
		for _, q := range s.Queues {
			addQueue(&b, s.Upstream, q)
		}
		for _, l := range s.Links {
			b.Add(metrics.LinkUp, truth(l.Up), l.Name)
			b.Add(metrics.LinkLevel, float64(l.Level), l.Name)
			if !l.Since.IsZero() {
				b.Add(metrics.LinkSince, float64(l.Since.UnixMilli())/1000, l.Name)
			}
		}
		for _, sum := range s.Sums {
			b.Add(metrics.SumDifference, float64(sum.Difference()), sum.Name, s.Upstream)
			b.Add(metrics.SumOff, truth(r.has(SumOff, s.Upstream, sum.Name)), sum.Name, s.Upstream)
		}
	}
	kinds := map[string]int{}
	for _, p := range r.Problems {
		kinds[p.Kind]++
	}
	for _, kind := range []string{Starting, LinkDown, QueueUp, SumOff, PeerSilent} {
		b.Add(metrics.Problems, float64(kinds[kind]), kind)
	}
	b.Merge(r.Metrics)
	b.Add(metrics.MetricFaults, float64(len(b.Snapshot(r.Now).Faults)))
	r.Metrics = b.Snapshot(r.Now)
}

func addQueue(b *metrics.Builder, upstream string, q Queue) {
	b.Add(metrics.QueueDepth, float64(q.Depth), q.Name, upstream)
	b.Add(metrics.QueueCapacity, float64(q.Capacity), q.Name, upstream)
	b.Add(metrics.QueueOldest, float64(q.Oldest)/1e9, q.Name, upstream)
	if q.MaxBytes > 0 {
		b.Add(metrics.QueueBytes, float64(q.Bytes), q.Name, upstream)
		b.Add(metrics.QueueMaxBytes, float64(q.MaxBytes), q.Name, upstream)
	}
}

// has tells whether a problem is in the report.
func (r *Report) has(kind, upstream, name string) bool {
	for _, p := range r.Problems {
		if p.Kind == kind && p.Upstream == upstream && p.Name == name {
			return true
		}
	}
	return false
}

func truth(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
