package syndic

import (
	"strings"
	"sync"

	"github.com/saltern-io/saltern/internal/jid"
	"github.com/saltern-io/saltern/internal/wire"
)

// maxJobs bounds what the forwarder remembers of jobs; the oldest are forgotten first.
const maxJobs = 10_000

// Forwarder decides which local event goes to which upstream, and in which form. It is a function
// of the events and publications it has seen: no socket, no clock. Safe for concurrent use.
//
//	publication of upstream A ─▶ Note(jid, A)          the jid's returns go back to A, whatever master_id says
//	local event ─▶ Sort(event) ─▶ items per upstream   returns → _syndic_return, the rest → _minion_event
//
// Spec: syndic §6, §7, §10.
type Forwarder struct {
	id        string
	upstreams int
	cluster   bool // syndic_mode: cluster sends no events

	mu    sync.Mutex
	jobs  map[string]*knownJob
	order []string // jids, oldest first
}

// knownJob is what is remembered of one job.
type knownJob struct {
	origins uint64 // bit per upstream that published it; 0 = a local job
	load    []byte // Wire-mode load for masters that do not know the job; nil until announced
	sent    uint64 // bit per upstream that has the load
}

// NewForwarder makes a forwarder for a syndic with this id and number of upstreams, at most 64.
func NewForwarder(id string, upstreams int, mode string) *Forwarder {
	return &Forwarder{id: id, upstreams: upstreams, cluster: mode == "cluster", jobs: map[string]*knownJob{}}
}

// Note remembers that upstream published the job. first is false when the job was known already:
// it must not be published a second time, but its returns go to this upstream too.
func (f *Forwarder) Note(jobID string, upstream int) (first bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, known := f.jobs[jobID]
	j := f.job(jobID)
	j.origins |= 1 << upstream
	return !known
}

// job returns the record of a jid, making room for a new one. Caller holds the lock.
func (f *Forwarder) job(jobID string) *knownJob {
	if j := f.jobs[jobID]; j != nil {
		return j
	}
	if len(f.order) >= maxJobs {
		drop := len(f.order) - maxJobs + maxJobs/10 // in tenths, so that the slice moves rarely
		for _, old := range f.order[:drop] {
			delete(f.jobs, old)
		}
		f.order = append(f.order[:0:0], f.order[drop:]...)
	}
	j := &knownJob{}
	f.jobs[jobID] = j
	f.order = append(f.order, jobID)
	return j
}

// Item is one thing to be sent upward: a return or an event.
type Item struct {
	Return *wire.SyndicReturn // one minion; nil for an event
	Event  Event              // when Return is nil
	Urgent bool               // clients upstream wait for it: do not linger
}

// Event is an event for `_minion_event`.
type Event struct {
	Tag  string
	Data []byte // Wire-mode map, for the list form
	Text string // instead of Data: sent alone, in the single form
}

// Size is roughly the bytes the item takes on the wire.
func (i *Item) Size() int {
	if i.Return == nil {
		return len(i.Event.Tag) + len(i.Event.Data) + len(i.Event.Text) + 16
	}
	n := len(i.Return.Load) + len(i.Return.JID) + 64
	for _, m := range i.Return.Minions {
		n += len(m.ID) + len(m.Body)
	}
	return n
}

// Routed is an item and the upstreams it goes to.
type Routed struct {
	Item Item
	To   uint64 // bit per upstream
}

// Sort turns one event of the local bus into what goes upward. tag and data are as read from the
// bus (data in Local mode). An event that nobody upstream needs yields nothing.
func (f *Forwarder) Sort(tag string, data []byte) []Routed {
	if wire.Check(data, wire.LoadLimits) != nil || !wire.IsMap(data) {
		return nil
	}
	if jobID, ok := returnTag(tag); ok {
		return f.sortReturn(jobID, data)
	}
	if _, ok := wire.Field(data, "retcode"); ok || f.cluster {
		return nil
	}
	if strings.HasPrefix(tag, "saltern/") {
		return nil // private to the local bus
	}
	if jobID, ok := newTag(tag); ok {
		return f.sortAnnouncement(jobID, tag, data)
	}
	if jid.Valid(tag) {
		return nil // sortAnnouncement makes its own, with the jid inside
	}
	return []Routed{{Item: Item{Event: Event{Tag: tag, Data: wire.Transcode(nil, data, wire.Wire)}}, To: f.all()}}
}

func (f *Forwarder) all() uint64 { return 1<<f.upstreams - 1 }

// returnTag reads `…/job/<jid>/ret/…`.
func returnTag(tag string) (jobID string, ok bool) {
	_, rest, ok := strings.Cut(tag, "/job/")
	if !ok {
		return "", false
	}
	jobID, rest, ok = strings.Cut(rest, "/")
	return jobID, ok && strings.HasPrefix(rest, "ret/")
}

// newTag reads `salt/job/<jid>/new`.
func newTag(tag string) (jobID string, ok bool) {
	rest, ok := strings.CutPrefix(tag, "salt/job/")
	if !ok {
		return "", false
	}
	jobID, ok = strings.CutSuffix(rest, "/new")
	return jobID, ok && !strings.Contains(jobID, "/")
}

// sortAnnouncement sends a job's list of minions at once, in the two forms of which every release
// of a master of masters lets at least one through: under the bare jid with the jid inside, and as
// it was fired (spec: syndic §9, "Do better").
func (f *Forwarder) sortAnnouncement(jobID, tag string, data []byte) []Routed {
	load, minions, err := announcedLoad(data)
	if err != nil {
		return nil
	}
	f.mu.Lock()
	j := f.job(jobID)
	if j.origins == 0 {
		j.load = load
	}
	to := j.origins
	f.mu.Unlock()
	if to == 0 {
		to = f.all()
	}
	list, err := wire.Encode(wire.NewMap("minions", minions, "jid", jobID), wire.Wire)
	if err != nil {
		return nil
	}
	return []Routed{
		{Item: Item{Event: Event{Tag: jobID, Data: list}, Urgent: true}, To: to},
		{Item: Item{Event: Event{Tag: tag, Data: wire.Transcode(nil, data, wire.Wire)}, Urgent: true}, To: to},
	}
}

// announcedLoad rebuilds a job's load from its announcement, for masters that never saw the job.
func announcedLoad(data []byte) (load []byte, minions []any, err error) {
	m, err := wire.DecodeMap(data, wire.Local, wire.LoadLimits)
	if err != nil {
		return nil, nil, err
	}
	minions = m.List("minions")
	if minions == nil {
		minions = []any{}
	}
	out := wire.NewMap("cmd", wire.CmdPublish)
	for _, key := range []string{"tgt", "fun", "arg", "tgt_type"} {
		v, _ := m.Get(key)
		out.Set(key, v)
	}
	out.Set("ret", "")
	out.Set("jid", m.Str("jid"))
	out.Set("kwargs", wire.NewMap())
	user, _ := m.Get("user")
	out.Set("user", user)
	out.Set("Minions", minions)
	load, err = wire.Encode(out, wire.Wire)
	return load, minions, err
}

// sortReturn turns a return event into an element of `_syndic_return`. It goes to the upstreams
// that published the job; a job that none of them published goes to all, with its load.
func (f *Forwarder) sortReturn(jobID string, data []byte) []Routed {
	if jobID == "" {
		return nil
	}
	raw := wire.Transcode(nil, data, wire.Wire)
	ret, err := wire.ParseReturn(raw)
	if err != nil || ret.JID != jobID {
		return nil
	}
	fun, _ := wire.Field(raw, "fun")
	base := wire.SyndicReturn{
		ID: f.id, JID: jobID, Fun: fun, MasterID: ret.MasterID, Out: ret.Out,
		Minions: []wire.MinionReturn{{ID: ret.ID, Body: minionPart(raw)}},
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	j := f.job(jobID)
	if j.origins != 0 {
		return []Routed{{Item: Item{Return: &base, Urgent: true}, To: j.origins}}
	}
	var out []Routed
	if missing := f.all() &^ j.sent; missing != 0 && j.load != nil {
		withLoad := base
		withLoad.Load = j.load
		out = append(out, Routed{Item: Item{Return: &withLoad}, To: missing})
		j.sent |= missing
		if rest := f.all() &^ missing; rest != 0 {
			out = append(out, Routed{Item: Item{Return: &base}, To: rest})
		}
		return out
	}
	return []Routed{{Item: Item{Return: &base}, To: f.all()}}
}

// minionPart is the minion's own map inside the element: every key of the return but those that
// stand outside. Masters copy every key of it (spec: syndic §13.4).
func minionPart(raw []byte) []byte {
	var body []byte
	n := 0
	_ = wire.ScanMap(raw, func(key, val []byte) error {
		switch string(key) {
		case "cmd", "id", "jid", "fun", "master_id", "tok", "nonce", "_stamp", "sig":
			return nil
		}
		n++
		body = wire.AppendBytes(body, key, wire.Wire)
		body = append(body, val...)
		return nil
	})
	return append(wire.AppendMapHeader(make([]byte, 0, len(body)+5), n), body...)
}
