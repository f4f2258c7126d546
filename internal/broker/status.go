package broker

import (
	"time"

	"github.com/saltern-io/saltern/internal/metrics"
	"github.com/saltern-io/saltern/internal/status"
	"github.com/saltern-io/saltern/internal/version"
)

// inContact is how long after its last request a minion counts as in contact. An idle stock minion may say nothing
// for longer: it then still has its connections.
const inContact = 10 * time.Minute

// Status implements status.Source.
func (b *Broker) Status() status.Report {
	now := time.Now()
	r := status.New("salt-broker", version.Version, version.Commit(), now)
	var m metrics.Builder
	r.Sections = append(r.Sections, b.requestSection(&m, now), b.publicationSection(&m, now), b.minionSection(&m, now))
	r.Sections = append(r.Sections, b.pilot.sections(&m)...)
	r.Metrics = m.Snapshot(now)
	return r
}

func (b *Broker) requestSection(m *metrics.Builder, now time.Time) status.Section {
	c := &b.requests.count
	// What comes later on the way of a request is read first: a difference is then work under way.
	replied, refused, orphaned, forgotten := c.replied.Load(), c.refused.Load(), c.orphaned.Load(), c.forgotten.Load()
	n, bytes, oldest := b.requests.inFlight()
	waiting, received := b.requests.waiting.Load(), c.received.Load()
	cfg, l := b.cfg.Load(), b.requestL.Stats()
	dropped := c.unread.Load() + c.stray.Load()
	q := status.Queue{Name: "requests", Depth: int64(n), Capacity: int64(cfg.RequestsMax), Bytes: bytes, MaxBytes: cfg.RequestsMaxBytes}
	if !oldest.IsZero() {
		q.Oldest = status.Age(now.Sub(oldest))
	}
	m.Add(metrics.BrokerConnections, float64(l.Connections), "request")
	m.Add(metrics.BrokerRequests, float64(received))
	m.Add(metrics.BrokerForwarded, float64(c.forwarded.Load()))
	m.Add(metrics.BrokerWaiting, float64(waiting))
	for result, v := range map[string]int64{"replied": replied, "refused": refused, "gone": orphaned, "forgotten": forgotten} {
		m.Add(metrics.BrokerOutcomes, float64(v), result)
	}
	m.Add(metrics.BrokerRepliesDropped, float64(dropped))
	m.Add(metrics.BrokerMalformed, float64(c.malformed.Load()))
	m.Add(metrics.BrokerCut, float64(l.ProtocolErrors), "request", "protocol")
	m.Add(metrics.BrokerCut, float64(l.HandshakeFailures), "request", "handshake")
	m.Add(metrics.BrokerCut, float64(l.Refused), "request", "connections")
	m.Add(metrics.BrokerCut, float64(l.Stalled+l.Evicted+l.Mute), "request", "slow")
	return status.Section{
		Title:  "Requests",
		Queues: []status.Queue{q},
		Rows: []status.Row{
			{Name: "connections", Value: int64(l.Connections)},
			{Name: "received", Value: received},
			{Name: "replied", Value: replied},
			{Name: "refused, told to sign in again", Value: refused},
			{Name: "connection gone before the reply", Value: orphaned},
			{Name: "never answered", Value: forgotten},
			{Name: "waiting for room or a master", Value: waiting},
			{Name: "replies without a taker", Value: dropped},
			{Name: "malformed", Value: c.malformed.Load()},
			{Name: "connections cut for what they sent", Value: int64(l.ProtocolErrors)},
		},
		Sums: []status.Sum{{
			Name: "requests", Slack: int64(cfg.RequestsMax), Busy: waiting > 0 || n > 0,
			In: []status.Term{{Name: "received", Value: received}},
			Out: []status.Term{
				{Name: "replied", Value: replied},
				{Name: "refused", Value: refused},
				{Name: "gone", Value: orphaned},
				{Name: "never answered", Value: forgotten},
				{Name: "in flight", Value: int64(n)},
				{Name: "waiting", Value: waiting},
			},
		}},
	}
}

func (b *Broker) publicationSection(m *metrics.Builder, now time.Time) status.Section {
	c := &b.publications.count
	l := b.publishL.Stats()
	depth, bytes := b.publications.waiting()
	subscribers, topics := b.publications.subscribers(), b.topics.len()
	m.Add(metrics.BrokerConnections, float64(l.Connections), "publish")
	m.Add(metrics.BrokerPublicationsIn, float64(c.in.Load()))
	m.Add(metrics.BrokerPublicationsOut, float64(c.out.Load()))
	m.Add(metrics.BrokerPublicationBytes, float64(c.inBytes.Load()))
	m.Add(metrics.BrokerSubscribers, float64(subscribers))
	m.Add(metrics.BrokerTopics, float64(topics))
	m.Add(metrics.BrokerCut, float64(l.ProtocolErrors), "publish", "protocol")
	m.Add(metrics.BrokerCut, float64(l.HandshakeFailures), "publish", "handshake")
	m.Add(metrics.BrokerCut, float64(l.Refused), "publish", "connections")
	m.Add(metrics.BrokerCut, float64(c.slow.Load())+float64(l.Stalled+l.Evicted+l.Mute), "publish", "slow")
	m.Add(metrics.BrokerCut, float64(c.refused.Load()), "publish", "topics")
	q := status.Queue{Name: "publish", Depth: int64(depth), Capacity: shardQueue, Bytes: bytes, MaxBytes: shardQueueBytes}
	q.Oldest = b.ages.Oldest("publish", c.in.Load(), int64(depth), now)
	return status.Section{
		Title:  "Publications",
		Queues: []status.Queue{q},
		Rows: []status.Row{
			{Name: "connections", Value: int64(l.Connections)},
			{Name: "subscribers", Value: int64(subscribers)},
			{Name: "topics", Value: int64(topics)},
			{Name: "received", Value: c.in.Load()},
			{Name: "received bytes", Value: c.inBytes.Load(), Unit: status.Bytes},
			{Name: "sent", Value: c.out.Load()},
			{Name: "slow subscribers disconnected", Value: c.slow.Load()},
			{Name: "disconnected for too many topics", Value: c.refused.Load()},
			{Name: "connections cut for what they sent", Value: int64(l.ProtocolErrors)},
		},
	}
}

func (b *Broker) minionSection(m *metrics.Builder, now time.Time) status.Section {
	recent, known := b.contacts.since(now.Add(-inContact))
	m.Add(metrics.BrokerMinions, float64(recent), "contact")
	m.Add(metrics.BrokerMinions, float64(known), "known")
	return status.Section{Title: "Minions", Rows: []status.Row{
		{Name: "known by their requests", Value: int64(known)},
		{Name: "of them heard of within 10 min", Value: int64(recent)},
	}}
}

// sections shows every upstream, and what the choice between them did.
func (p *pilot) sections(m *metrics.Builder) []status.Section {
	p.mu.Lock()
	all, active := p.all, p.active
	p.mu.Unlock()
	serving := "none"
	if active != nil {
		serving = active.Entry
	}
	m.Add(metrics.BrokerFailovers, float64(p.count.failovers.Load()))
	m.Add(metrics.BrokerGaps, float64(p.count.gaps.Load()))
	m.Add(metrics.BrokerBounces, float64(p.count.bounces.Load()))
	m.Add(metrics.BrokerStray, float64(p.count.stray.Load()))
	sections := []status.Section{{Title: "Masters", Rows: []status.Row{
		{Name: "in use", Text: serving},
		{Name: "failovers", Value: p.count.failovers.Load()},
		{Name: "gaps in the subscription", Value: p.count.gaps.Load()},
		{Name: "bounces", Value: p.count.bounces.Load()},
		{Name: "publications of a master not in use", Value: p.count.stray.Load()},
	}}}
	for _, u := range all {
		link, losses := u.status(u == active)
		m.Add(metrics.BrokerUpstreamActive, truth(u == active), u.Entry)
		m.Add(metrics.BrokerUpstreamLosses, float64(losses), u.Entry)
		sections = append(sections, status.Section{
			Title: "Master " + u.Entry, Upstream: u.Entry, Links: []status.Link{link},
			Rows: []status.Row{{Name: "times lost", Value: losses}},
		})
	}
	return sections
}

func (u *upstream) status(active bool) (status.Link, int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	l := status.Link{Name: u.Entry, Up: u.pubConn != nil && u.reqConn != nil, Since: u.since, Reason: u.reason}
	switch {
	case l.Up && active:
		l.State = "serving"
	case l.Up:
		l.State = "standing by"
	default:
		l.State = "connecting"
	}
	return l, u.losses
}

func truth(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
