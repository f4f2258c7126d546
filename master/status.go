package master

import (
	"time"

	"github.com/saltern-io/saltern/internal/metrics"
	"github.com/saltern-io/saltern/internal/status"
	"github.com/saltern-io/saltern/internal/version"
	"github.com/saltern-io/saltern/jobcache"
	"github.com/saltern-io/saltern/pki"
	"github.com/saltern-io/saltern/transport"
)

// keysEvery is how often keys that are not accepted are counted for the status: the directory of pending ones
// is as long as strangers make it. The accepted ones are known anyway.
const keysEvery = 30 * time.Second

// statusView makes the reports of a master. It remembers between two reports what the master itself has no
// use for.
type statusView struct {
	m    *Master
	ages status.Ages

	keys   map[string]int64 // by state; nil after a failed count
	keysAt time.Time
}

// StatusSource shows the master as internal/status wants it. Each result has a memory of its own; its Status
// may be called at any time, also after the master ended, but not twice at once.
func (m *Master) StatusSource() status.Source { return &statusView{m: m} }

// numbers are the snapshots that one report is made of.
type numbers struct {
	own  Stats
	reqs transport.RequestStats
	pubs transport.PublishStats
	jobs jobcache.Stats
	now  time.Time
}

// Status implements status.Source.
func (v *statusView) Status() status.Report {
	m := v.m
	// What comes later on the way of a request is read first: a difference of a sum is then work under way.
	n := numbers{jobs: m.jobs.Stats(), pubs: m.pubs.Stats(), now: m.now()}
	n.own = m.Stats()
	n.reqs = m.reqs.Stats()
	bus := m.bus.Stats()

	r := status.New("salt-master", version.Version, version.Commit(), n.now)
	var b metrics.Builder
	present := m.presence.countSince(n.now.Add(-presenceWindow))
	r.Sections = []status.Section{
		v.queues(n, int64(bus.Fired), int64(bus.Deepest)),
		requestSection(n),
		v.keySection(n, present),
		{Title: "Publications and events", Rows: []status.Row{
			{Name: "published", Value: n.own.Published},
			{Name: "publish requests refused", Value: n.own.NotPublished},
			{Name: "slow subscribers cut off", Value: int64(n.pubs.Cut)},
			{Name: "publish connections", Value: int64(n.pubs.Connections)},
			{Name: "events", Value: int64(bus.Fired)},
			{Name: "minion events dropped", Value: n.own.EventsLost},
			{Name: "readers of the bus", Value: int64(bus.Subscriptions + bus.Sockets)},
			{Name: "readers cut off", Value: int64(bus.Cut)},
		}},
		returnSection(n),
	}
	if syndics, ok := syndicSection(&b, n.own.Syndics, n.now); ok {
		r.Sections = append(r.Sections, syndics)
	}
	if export, ok := m.exportSection(&b, n.now); ok {
		r.Sections = append(r.Sections, export)
	}
	addRequests(&b, n)
	addPublications(&b, n)
	addJobCache(&b, n.jobs)
	b.Add(metrics.EventsFired, float64(bus.Fired))
	b.Add(metrics.EventsLost, float64(bus.Lost))
	b.Add(metrics.SubscribersCut, float64(bus.Cut))
	b.Add(metrics.Subscribers, float64(bus.Subscriptions), "local")
	b.Add(metrics.Subscribers, float64(bus.Sockets), "socket")
	b.Add(metrics.ConnectedMinions, float64(present))
	for state, count := range v.keys {
		b.Add(metrics.Keys, float64(count), state)
	}
	r.Metrics = b.Snapshot(n.now)
	return r
}

func (v *statusView) queues(n numbers, fired, deepest int64) status.Section {
	s := status.Section{Title: "Queues"}
	for i, c := range n.reqs.Classes {
		limits := classLimits[i]
		s.Queues = append(s.Queues, status.Queue{
			Name: c.Name, Depth: c.Waiting, Capacity: int64(limits.Requests), Bytes: c.WaitingBytes, MaxBytes: limits.Bytes,
			Oldest: v.ages.Oldest(c.Name, int64(c.Received-c.Refused), c.Waiting, n.now),
		})
	}
	published := int64(n.pubs.Messages+n.pubs.Abandoned) + int64(n.pubs.Queued)
	taken := n.own.Returns + n.own.SyndicRets - n.own.Unstored
	stored := int64(n.jobs.ReturnsStored + n.jobs.ReturnsDuplicate + n.jobs.ReturnsSkipped + n.jobs.ReturnsFailed)
	s.Queues = append(s.Queues,
		status.Queue{
			Name: "publish", Depth: int64(n.pubs.Queued), Capacity: publishQueue,
			Oldest: v.ages.Oldest("publish", published, int64(n.pubs.Queued), n.now),
		},
		status.Queue{
			Name: "jobcache", Depth: int64(n.jobs.QueueDepth), Capacity: int64(n.jobs.QueueCapacity),
			Oldest: v.ages.Oldest("jobcache", taken, taken-stored, n.now),
		},
		status.Queue{
			Name: "events", Depth: deepest, Capacity: busQueue, // the fullest of all readers
			Oldest: v.ages.Oldest("events", fired, deepest, n.now),
		})
	return s
}

// waiting is how many requests were taken and not answered.
func (n numbers) waiting() (sum int64) {
	for _, c := range n.reqs.Classes {
		sum += c.Waiting
	}
	return sum
}

// underWay is how much can be between two counters of the master while they move: all that the request
// queues can hold.
func underWay() (sum int64) {
	for _, l := range classLimits {
		sum += int64(l.Requests)
	}
	return sum
}

func requestSection(n numbers) status.Section {
	waiting := n.waiting()
	lost := int64(n.reqs.PeerGone + n.reqs.PeerFull + n.reqs.SendErrors + n.reqs.NoDelimiter)
	return status.Section{
		Title: "Requests",
		Rows: []status.Row{
			{Name: "connections", Value: int64(n.reqs.Connections)},
			{Name: "received", Value: int64(n.reqs.Received)},
			{Name: "answered", Value: int64(n.reqs.Sent)},
			{Name: "not answerable", Value: lost},
			{Name: "malformed", Value: n.own.Malformed + int64(n.reqs.Malformed)},
			{Name: "refused", Value: n.own.Refused},
			{Name: "below minimum_auth_version", Value: n.own.BelowMinimum},
			{Name: "unknown command", Value: n.own.Unknown},
			{Name: "failed", Value: n.own.Failed + int64(n.reqs.Panics)},
		},
		Sums: []status.Sum{{
			Name: "requests", Slack: underWay(), Busy: waiting > 0,
			In:  []status.Term{{Name: "received", Value: int64(n.reqs.Received)}},
			Out: []status.Term{{Name: "answered", Value: int64(n.reqs.Sent)}, {Name: "not answerable", Value: lost}, {Name: "waiting", Value: waiting}},
		}},
	}
}

// keySection counts keys now and then. A directory that cannot be read is the maintenance's to complain about.
func (v *statusView) keySection(n numbers, present int) status.Section {
	if age := n.now.Sub(v.keysAt); v.keysAt.IsZero() || age >= keysEvery || age < 0 {
		v.keysAt, v.keys = n.now, v.m.countKeys()
	}
	if ids, _, err := v.m.keys.AcceptedIDs(); err == nil && v.keys != nil {
		v.keys["accepted"] = int64(len(ids))
	}
	rows := []status.Row{{Name: "present in the last ten minutes", Value: int64(present)}}
	for _, state := range []string{"accepted", "pending", "rejected", "denied"} {
		if count, ok := v.keys[state]; ok {
			rows = append(rows, status.Row{Name: "keys " + state, Value: count})
		}
	}
	return status.Section{Title: "Minions", Rows: append(rows,
		status.Row{Name: "sign-ins", Value: n.own.SignIns},
		status.Row{Name: "sign-ins accepted", Value: n.own.Accepted},
		status.Row{Name: "sign-ins pending", Value: n.own.Pending},
		status.Row{Name: "sign-ins refused", Value: n.own.AuthRefused},
	)}
}

// countKeys is nil when one of the directories cannot be read.
func (m *Master) countKeys() map[string]int64 {
	counts := map[string]int64{}
	for name, state := range map[string]pki.State{"pending": pki.Pending, "rejected": pki.Rejected, "denied": pki.Denied} {
		ids, err := m.keys.List(state)
		if err != nil {
			return nil
		}
		counts[name] = int64(len(ids))
	}
	return counts
}

func returnSection(n numbers) status.Section {
	j := n.jobs
	return status.Section{
		Title: "Returns and job cache",
		Rows: []status.Row{
			{Name: "from minions", Value: n.own.Returns},
			{Name: "from syndics", Value: n.own.SyndicRets},
			{Name: "stored", Value: int64(j.ReturnsStored)},
			{Name: "duplicate", Value: int64(j.ReturnsDuplicate)},
			{Name: "failed", Value: int64(j.ReturnsFailed)},
			{Name: "commits", Value: int64(j.Groups)},
			{Name: "jobs expired", Value: int64(j.JobsExpired)},
			{Name: "disk", Value: int64(j.DiskBytes), Unit: status.Bytes},
		},
		Sums: []status.Sum{{
			Name: "returns", Slack: underWay() + int64(j.QueueCapacity), Busy: n.waiting() > 0 || j.QueueDepth > 0,
			In: []status.Term{{Name: "from minions", Value: n.own.Returns}, {Name: "from syndics", Value: n.own.SyndicRets}},
			Out: []status.Term{
				{Name: "stored", Value: int64(j.ReturnsStored)},
				{Name: "duplicate", Value: int64(j.ReturnsDuplicate)},
				{Name: "of jobs without a cache", Value: int64(j.ReturnsSkipped)},
				{Name: "failed", Value: int64(j.ReturnsFailed)},
				{Name: "not to be stored", Value: n.own.Unstored},
				{Name: "waiting", Value: int64(j.QueueDepth)},
			},
		}},
	}
}

// countSince is how many minions were heard of after t.
func (p *presence) countSince(t time.Time) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, at := range p.seen {
		if at.After(t) {
			n++
		}
	}
	return n
}

// Bounds of the master's queues, in one place for those that make the queues and for the status.
const (
	publishQueue = 1000   // publications
	busQueue     = 20_000 // events, per reader
)

// classLimits bound the request queues, by class: requests that wait beside those being handled, and the
// bytes of all of them.
var classLimits = [...]struct {
	Requests int
	Bytes    int64
}{
	classMinions: {20_000, 256 << 20},
	classAuth:    {20_000, 64 << 20},
	classControl: {1000, 128 << 20},
	classPing:    {10_000, 16 << 20},
}
