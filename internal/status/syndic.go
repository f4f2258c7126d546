package status

import "github.com/saltern-io/saltern/internal/metrics"

// SyndicNumbers is what a syndic knows about itself.
type SyndicNumbers struct {
	LocalEvents int64   // read from the local bus
	Repeated    int64   // publications that had come over another way before
	Ignored     int64   // publications that came back to the master that made them
	NotTaken    int64   // publications that the local master did not take
	Queues      []Queue // beside the outboxes; names of the label queue
	Upstreams   []UpstreamNumbers
}

// UpstreamNumbers is what a syndic knows about one link. Items are returns and events; every item meant for the
// upstream is counted once as Received and then exactly once as Stored, Duplicate or Rejected; what is Stored or
// Restored is in the Outbox until it is counted exactly once as Acknowledged, Refused or Dropped.
type UpstreamNumbers struct {
	Link   Link  // Name is the entry in syndic_master
	Outbox Queue // without a name

	Received     int64 // items meant for this upstream
	Stored       int64 // put into the outbox
	Restored     int64 // found in the outbox at the start
	Duplicate    int64 // in the outbox, or through it, before
	Rejected     int64 // not taken by the outbox: full, or the disk is
	Forwarded    int64 // sent; what is sent again counts again
	Acknowledged int64 // taken by the upstream
	Refused      int64 // given up because the upstream does not take them
	Dropped      int64 // from the outbox, by its limits of size and age

	Requests     int64 // sent to the upstream
	Failures     int64 // times the link failed
	Publications int64 // received
	Replayed     int64 // publications of another topic or with an old serial
	Missed       int64 // publications, as their serials tell
	Recovered    int64 // of them: fetched and run
	Unrecovered  int64 // of them: reported on the bus instead

	Slack int64 // items that may be between two counters while they move: the largest batch
	Busy  bool  // items are in hand that no counter shows, even while nothing moves
}

// AddSyndic fills in the sections and the metrics of a syndic.
func (r *Report) AddSyndic(n SyndicNumbers) {
	var b metrics.Builder
	b.Merge(r.Metrics)
	b.Add(metrics.SyndicLocalEvents, float64(n.LocalEvents))
	b.Add(metrics.SyndicRepeated, float64(n.Repeated))
	b.Add(metrics.SyndicIgnored, float64(n.Ignored))
	b.Add(metrics.SyndicNotTaken, float64(n.NotTaken))
	r.Sections = append(r.Sections, Section{
		Title: "Local master",
		Rows: []Row{
			{Name: "events read", Value: n.LocalEvents},
			{Name: "publications repeated", Value: n.Repeated},
			{Name: "publications of its own", Value: n.Ignored},
			{Name: "publications not taken", Value: n.NotTaken},
		},
		Queues: n.Queues,
	})
	for _, u := range n.Upstreams {
		u.count(&b)
		r.Sections = append(r.Sections, u.section())
	}
	r.Metrics = b.Snapshot(r.Now)
}

func (u UpstreamNumbers) count(b *metrics.Builder) {
	for _, c := range []struct {
		m *metrics.Metric
		v int64
	}{
		{metrics.SyndicReceived, u.Received},
		{metrics.SyndicStored, u.Stored},
		{metrics.SyndicRestored, u.Restored},
		{metrics.SyndicDuplicate, u.Duplicate},
		{metrics.SyndicRejected, u.Rejected},
		{metrics.SyndicForwarded, u.Forwarded},
		{metrics.SyndicAcknowledged, u.Acknowledged},
		{metrics.SyndicRefused, u.Refused},
		{metrics.SyndicDropped, u.Dropped},
		{metrics.SyndicRequests, u.Requests},
		{metrics.SyndicFailures, u.Failures},
		{metrics.SyndicPublications, u.Publications},
		{metrics.SyndicReplayed, u.Replayed},
		{metrics.SyndicMissed, u.Missed},
		{metrics.SyndicRecovered, u.Recovered},
		{metrics.SyndicUnrecovered, u.Unrecovered},
	} {
		b.Add(c.m, float64(c.v), u.Link.Name)
	}
}

func (u UpstreamNumbers) section() Section {
	outbox := u.Outbox
	outbox.Name = "outbox"
	return Section{
		Title: "Upstream " + u.Link.Name, Upstream: u.Link.Name,
		Links:  []Link{u.Link},
		Queues: []Queue{outbox},
		Rows: []Row{
			{Name: "received", Value: u.Received},
			{Name: "stored", Value: u.Stored},
			{Name: "restored at the start", Value: u.Restored},
			{Name: "duplicate", Value: u.Duplicate},
			{Name: "rejected", Value: u.Rejected},
			{Name: "forwarded", Value: u.Forwarded},
			{Name: "acknowledged", Value: u.Acknowledged},
			{Name: "refused", Value: u.Refused},
			{Name: "dropped", Value: u.Dropped},
			{Name: "requests", Value: u.Requests},
			{Name: "link failures", Value: u.Failures},
			{Name: "publications", Value: u.Publications},
			{Name: "publications replayed", Value: u.Replayed},
			{Name: "publications missed", Value: u.Missed},
			{Name: "publications recovered", Value: u.Recovered},
			{Name: "publications given up", Value: u.Unrecovered},
		},
		Sums: []Sum{
			{
				Name: "intake", Slack: u.Slack, Busy: u.Busy, In: []Term{{"received", u.Received}},
				Out: []Term{{"stored", u.Stored}, {"duplicate", u.Duplicate}, {"rejected", u.Rejected}},
			},
			{
				Name: "outbox", Slack: u.Slack, Busy: u.Busy, In: []Term{{"restored", u.Restored}, {"stored", u.Stored}},
				Out: []Term{{"acknowledged", u.Acknowledged}, {"refused", u.Refused}, {"dropped", u.Dropped}, {"waiting", outbox.Depth}},
			},
		},
	}
}
