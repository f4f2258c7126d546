package relay

import (
	"time"

	"github.com/saltern-io/saltern/internal/metrics"
	"github.com/saltern-io/saltern/internal/status"
	"github.com/saltern-io/saltern/internal/version"
)

// Status is the report that `saltern status` and the metrics page show. It implements status.Source.
func (r *Relay) Status() status.Report {
	now := time.Now()
	rep := status.New("saltern-relay", version.Version, version.Commit(), now)
	if at := r.readyAt.Load(); at != 0 {
		rep.Ready = time.Unix(0, at)
	}
	var b metrics.Builder
	for _, t := range r.taps {
		rep.Sections = append(rep.Sections, r.tapSection(&b, t.Stats(), now))
	}
	for _, o := range r.outlets {
		rep.Sections = append(rep.Sections, outletSection(&b, o.Stats()))
	}
	rep.Metrics = b.Snapshot(now)
	return rep
}

func (r *Relay) tapSection(b *metrics.Builder, s TapStats, now time.Time) status.Section {
	q := s.Buffer
	b.Add(metrics.TapPublications, float64(s.Received), s.Name)
	b.Add(metrics.TapWritten, float64(s.Written), s.Name)
	b.Add(metrics.TapDropped, float64(q.DroppedFull), s.Name, "full")
	b.Add(metrics.TapDropped, float64(q.DroppedAge), s.Name, "age")
	b.Add(metrics.TapDropped, float64(s.Lost), s.Name, "disk")
	queue := status.Queue{Name: "tap", Depth: q.Items, Capacity: int64(r.cfg.BufferMax), Bytes: q.Bytes, MaxBytes: int64(r.cfg.BufferBytes)}
	if !q.Oldest.IsZero() {
		queue.Oldest = status.Age(max(now.Sub(q.Oldest), 0))
	}
	section := status.Section{
		Title: "Tap " + s.Name, Upstream: s.Name, Queues: []status.Queue{queue},
		Links: []status.Link{
			{Name: s.Name, Up: s.LinkUp, State: word(s.LinkUp, "listening"), Since: s.LinkSince},
			{Name: "redis (tap " + s.Name + ")", Up: s.RedisUp, State: word(s.RedisUp, "writing"), Since: s.Since, Reason: s.Reason},
		},
		Rows: []status.Row{
			{Name: "publications", Value: s.Received},
			{Name: "entries written", Value: s.Written},
			{Name: "given up, the buffer was full", Value: int64(q.DroppedFull)},
			{Name: "given up, too old", Value: int64(q.DroppedAge)},
			{Name: "not taken by the disk", Value: s.Lost},
		},
	}
	if s.Opens {
		section.Links = append(section.Links, status.Link{
			Name: "sign-in of tap " + s.Name, Up: s.SignedIn, State: word(s.SignedIn, "signed in"), Since: s.SignedSince, Reason: s.SignReason,
		})
		section.Rows = append(section.Rows,
			status.Row{Name: "recovered from the master's journal", Value: s.Recovered},
			status.Row{Name: "missing by their serials", Value: s.Gaps},
		)
	}
	return section
}

func outletSection(b *metrics.Builder, s OutletStats) status.Section {
	addFollower(b, s.Name, s.Follower)
	b.Add(metrics.OutletDelivered, float64(s.Direct), s.Name, "direct")
	b.Add(metrics.OutletRequests, float64(s.Requests), s.Name)
	b.Add(metrics.OutletResent, float64(s.Resent), s.Name)
	links := []status.Link{
		{Name: "redis (outlet " + s.Name + ")", Up: s.Follower.Up, State: word(s.Follower.Up, "reading"), Since: s.Follower.Since, Reason: s.Follower.Reason},
		{Name: "requests of " + s.Name, Up: s.RequestsUp, State: word(s.RequestsUp, "passing"), Since: s.RequestSince, Reason: s.Reason},
	}
	if s.Both {
		links = append(links, status.Link{Name: "direct " + s.Name, Up: s.DirectUp, State: word(s.DirectUp, "listening"), Since: s.DirectSince})
	}
	rows := append(followerRows(s.Follower),
		status.Row{Name: "delivered from the direct link", Value: s.Direct},
		status.Row{Name: "sent again to a syndic that subscribed anew", Value: s.Resent},
		status.Row{Name: "reported: perhaps not read", Value: s.Follower.Missed[ReasonUnread]},
		status.Row{Name: "requests passed on", Value: s.Requests},
		status.Row{Name: "requests not passed on", Value: s.Dropped},
		status.Row{Name: "syndics connected", Value: int64(s.Subscribers)},
	)
	return status.Section{Title: "Outlet " + s.Name, Upstream: s.Name, Links: links, Rows: rows}
}

// FollowerSection is the part of a report about a follower that is nobody's outlet: a syndic's own.
func FollowerSection(b *metrics.Builder, name string, s FollowerStats) status.Section {
	addFollower(b, name, s)
	return status.Section{
		Title: "Stream of " + name, Upstream: name, Rows: followerRows(s),
		Links: []status.Link{{Name: "redis (" + name + ")", Up: s.Up, State: word(s.Up, "reading"), Since: s.Since, Reason: s.Reason}},
	}
}

// addFollower adds the metrics of a follower.
func addFollower(b *metrics.Builder, name string, s FollowerStats) {
	b.Add(metrics.OutletEntries, float64(s.Entries), name)
	b.Add(metrics.OutletDelivered, float64(s.Delivered), name, "stream")
	b.Add(metrics.OutletRepeated, float64(s.Repeated), name)
	for _, reason := range []string{ReasonAge, ReasonEpoch, ReasonGap, ReasonLate, ReasonRefused, ReasonUnread} {
		b.Add(metrics.OutletMissed, float64(s.Missed[reason]), name, reason)
	}
	b.Add(metrics.OutletLag, float64(s.Behind), name)
	b.Add(metrics.OutletDelay, s.Delay.Seconds(), name)
}

// followerRows are the rows of a follower.
func followerRows(s FollowerStats) []status.Row {
	return []status.Row{
		{Name: "entries read", Value: s.Entries},
		{Name: "entries not read yet, at most", Value: s.Behind},
		{Name: "delivered from the stream", Value: s.Delivered},
		{Name: "copies dropped", Value: s.Repeated},
		{Name: "entries that no tap wrote", Value: s.Malformed},
		{Name: "reported: too old", Value: s.Missed[ReasonAge]},
		{Name: "reported: not in the stream", Value: s.Missed[ReasonGap]},
		{Name: "reported: sealed with a former key", Value: s.Missed[ReasonEpoch]},
		{Name: "reported: overtaken", Value: s.Missed[ReasonLate]},
		{Name: "reported: refused", Value: s.Missed[ReasonRefused]},
	}
}

func word(up bool, good string) string {
	if up {
		return good
	}
	return "away"
}
