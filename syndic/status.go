package syndic

import (
	"time"

	"github.com/saltern-io/saltern/internal/metrics"
	"github.com/saltern-io/saltern/internal/outbox"
	durable "github.com/saltern-io/saltern/internal/relay"
	"github.com/saltern-io/saltern/internal/status"
	"github.com/saltern-io/saltern/internal/version"
)

// Status is the report that `saltern status` and the metrics page show. It implements status.Source.
func (s *Syndic) Status() status.Report {
	now := s.clock.now()
	st := s.Stats()
	r := status.New("salt-syndic", version.Version, version.Commit(), now)
	if at := s.readyAt.Load(); at != 0 {
		r.Ready = time.Unix(0, at)
	}
	n := status.SyndicNumbers{LocalEvents: st.LocalEvents, Repeated: st.Repeated, Ignored: st.Ignored, NotTaken: st.Lost}
	waiting := 0
	for _, u := range s.upstreams {
		waiting += len(u.inbox)
	}
	n.Queues = []status.Queue{{Name: "downstream", Depth: int64(waiting), Capacity: int64(maxWaitingJobs * len(s.upstreams))}}
	for i := range st.Upstreams {
		n.Upstreams = append(n.Upstreams, s.upstreamNumbers(&st.Upstreams[i], now))
	}
	var b metrics.Builder
	var streams []status.Section
	for _, u := range s.upstreams {
		if u.stream != nil {
			streams = append(streams, durable.FollowerSection(&b, u.to.Entry, u.stream.follower.Stats()))
		}
	}
	r.Metrics = b.Snapshot(now)
	r.AddSyndic(n)
	r.Sections = append(r.Sections, streams...)
	rows := []status.Row{
		{Name: "outbox", Text: outboxText(st.Outbox)},
		{Name: "items parked in memory", Value: int64(st.Parked)},
		{Name: "items lost", Value: st.Dropped},
		{Name: "minions not asked by find_job", Value: st.Spared},
	}
	r.Sections[0].Rows = append(r.Sections[0].Rows, rows...)
	return r
}

func outboxText(st outbox.Status) string {
	if st.Err != nil {
		return st.State.String() + ": " + st.Err.Error()
	}
	return st.State.String()
}

func (s *Syndic) upstreamNumbers(u *UpstreamStats, now time.Time) status.UpstreamNumbers {
	q := status.Queue{Depth: int64(u.Waiting), Capacity: s.cfg.OutboxItems, Bytes: int64(u.WaitingBytes), MaxBytes: s.cfg.OutboxBytes}
	if !u.Oldest.IsZero() {
		q.Oldest = status.Age(max(now.Sub(u.Oldest), 0))
	}
	return status.UpstreamNumbers{
		Link:     status.Link{Name: u.Entry, Up: u.State == LinkServing, State: u.State.String(), Since: u.Since, Level: u.Level},
		Outbox:   q,
		Received: u.Received, Stored: u.Stored, Duplicate: u.Duplicate, Rejected: u.Rejected, Forwarded: u.Forwarded,
		Acknowledged: u.Acknowledged, Refused: u.Refused, Dropped: u.DroppedAge + u.DroppedFull,
		Requests: u.Requests, Failures: u.Failures, Publications: u.Publications, Replayed: u.Replayed,
		Missed: u.Missed, Recovered: u.Recovered, Unrecovered: u.Unrecovered,
	}
}
