package syndic

import (
	"bytes"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/saltern-io/saltern/internal/jid"
	"github.com/saltern-io/saltern/internal/wire"
)

// Forwarder decides which local event goes to which upstream, and in which form. It is a function
// of the events and publications it has seen: no socket, no clock. Safe for concurrent use.
//
//	publication of upstream A ─▶ Note(jid, A)          the jid's returns go back to A, whatever master_id says
//	local event ─▶ Sort(event) ─▶ items per upstream   returns → _syndic_return, the rest → _minion_event
//
// Spec: syndic §6, §7, §10.
type Forwarder struct {
	id       string
	entries  []string // of syndic_master
	all      uint64   // bit of every upstream
	cluster  bool
	masterID string
	ordered  bool
	toAll    bool
	serving  func() uint64    // upstreams whose link serves
	away     func(uint8) bool // an upstream has been away for so long that stand-bys step in
	number   func() int64

	standbys atomic.Int64 // times that a second upstream delivered a job

	mu        sync.Mutex
	above     jobMemory         // jobs of upstreams
	local     jobMemory         // announced local jobs
	names     map[string]uint64 // upstreams by master_id
	loads     []*knownJob       // jobs that got a load, oldest first
	loadBytes int
	sent      []*knownJob // jobs whose load some upstreams have, oldest first
	sentBytes int
	returned  []*knownJob // jobs with a set of returned minions, oldest first
	returns   int         // minions in these sets
}

// ForwarderConfig is what a forwarder has to know.
type ForwarderConfig struct {
	ID        string   // the syndic's id
	Upstreams []string // entries of syndic_master in order, at most 64; a master_id may name one
	Cluster   bool     // syndic_mode: cluster: of events only the lists of minions go up
	MasterID  string   // the local master's own master_id, "" without one
	Ordered   bool     // returns of local jobs go to the first upstream that serves, not to any
	ToAll     bool     // returns of local jobs go to every upstream

	Serving func() uint64    // bit per upstream that serves; nil = all do
	Away    func(uint8) bool // an upstream has been away for so long that stand-bys step in; nil = never
	Number  func() int64     // numbers that no run before has given; nil = events get no origin
}

// NewForwarder makes a forwarder that has seen nothing.
func NewForwarder(cfg ForwarderConfig) *Forwarder {
	f := &Forwarder{
		id: cfg.ID, entries: cfg.Upstreams, all: 1<<len(cfg.Upstreams) - 1, cluster: cfg.Cluster, masterID: cfg.MasterID,
		ordered: cfg.Ordered, toAll: cfg.ToAll, serving: cfg.Serving, away: cfg.Away, number: cfg.Number,
		above: newJobMemory(maxUpstreamJobs), local: newJobMemory(maxLocalJobs), names: map[string]uint64{},
	}
	for i, entry := range cfg.Upstreams {
		f.names[entry] |= 1 << i
	}
	if f.serving == nil {
		f.serving = func() uint64 { return f.all }
	}
	if f.away == nil {
		f.away = func(uint8) bool { return false }
	}
	return f
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
	if _, ok := wire.Field(data, "retcode"); ok {
		return nil
	}
	if strings.HasPrefix(tag, "saltern/") {
		return nil // private to the local bus
	}
	if jobID, ok := newTag(tag); ok {
		return f.sortAnnouncement(jobID, tag, data)
	}
	if f.cluster || jid.Valid(tag) {
		return nil // the bare jid: sortAnnouncement makes its own, with the jid inside
	}
	e, ok := f.event(tag, data)
	if !ok {
		return nil
	}
	return []Routed{{Item: Item{Event: e}, To: f.concerned(tag)}}
}

// concerned returns the upstreams an event goes to: all, but what is about a job of some upstreams
// only to those.
func (f *Forwarder) concerned(tag string) uint64 {
	for part := range strings.SplitSeq(tag, "/") {
		if !jid.Valid(part) {
			continue
		}
		if to := f.originOf(part); to != 0 {
			return to
		}
	}
	return f.all
}

// originOf returns the upstream that a job belongs to, 0 for one that is not known or local.
func (f *Forwarder) originOf(jobID string) uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if j := f.job(jobID); j != nil {
		return j.originBit()
	}
	return 0
}

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
	return jobID, ok && jobID != "" && len(jobID) <= maxJobID && !strings.Contains(jobID, "/")
}

// sortAnnouncement sends a job's list of minions at once, in the two forms of which every release
// of a master of masters lets at least one through: under the bare jid with the jid inside, and as
// it was fired (spec: syndic §9, "Do better").
func (f *Forwarder) sortAnnouncement(jobID, tag string, data []byte) []Routed {
	load, minions, mark, err := announcedLoad(jobID, data)
	if err != nil {
		return nil
	}
	list, err := wire.Encode(wire.NewMap("minions", minions, "jid", jobID), wire.Wire)
	if err != nil {
		return nil
	}
	to := f.announced(jobID, load, mark)
	return []Routed{
		{Item: Item{Event: Event{Tag: jobID, Data: list, Origin: f.origin()}, Urgent: true}, To: to},
		{Item: Item{Event: Event{Tag: tag, Data: wire.Transcode(nil, data, wire.Wire), Origin: f.origin()}, Urgent: true}, To: to},
	}
}

// announced remembers a job that the local bus announced and returns whom it concerns.
func (f *Forwarder) announced(jobID string, load []byte, mark wire.Mark) uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if j := f.job(jobID); j != nil {
		if !j.isLocal() {
			return j.originBit()
		}
		return f.all
	}
	j := &knownJob{mark: mark}
	f.forgot(f.local.add(jobID, j))
	f.keepLoad(j, load)
	return f.all
}

// announcedLoad rebuilds a job's load from its announcement, for masters that never saw the job.
func announcedLoad(jobID string, data []byte) (load []byte, minions []any, mark wire.Mark, err error) {
	m, err := wire.DecodeMap(data, wire.Local, wire.LoadLimits)
	if err != nil {
		return nil, nil, mark, err
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
	out.Set("jid", jobID)
	out.Set("kwargs", wire.NewMap())
	user, _ := m.Get("user")
	out.Set("user", user)
	out.Set("Minions", minions)
	load, err = wire.Encode(out, wire.Wire)
	return load, minions, wire.MarkOf(out), err
}

// sortReturn turns a return event into an element of `_syndic_return`. It goes to the upstream
// that published the job; for a job that none of them published see localTarget: its load goes along once.
func (f *Forwarder) sortReturn(jobID string, data []byte) []Routed {
	if jobID == "" || len(jobID) > maxJobID {
		return nil
	}
	raw := wire.Transcode(nil, data, wire.Wire)
	ret, err := wire.ParseReturn(raw)
	if err != nil || ret.JID != jobID {
		return nil
	}
	if f.cluster && f.masterID != "" && ret.MasterID == f.masterID {
		return nil
	}
	fun, _ := wire.Field(raw, "fun")
	r := &wire.SyndicReturn{
		// Copies: a small span must not keep the whole event in memory.
		ID: f.id, JID: jobID, Fun: bytes.Clone(fun), MasterID: ret.MasterID, Out: bytes.Clone(ret.Out),
		Minions: []wire.MinionReturn{{ID: ret.ID, Body: minionPart(raw)}},
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	j := f.job(jobID)
	if j != nil {
		f.didReturn(j, ret.ID)
	}
	if to := f.origins(jobID, ret.MasterID); to != 0 {
		return []Routed{{Item: Item{Return: r, Urgent: true}, To: to}}
	}
	to := f.localTarget(jobID, j)
	if to == 0 {
		return nil
	}
	r.Load = f.takeLoad(j, to)
	return []Routed{{Item: Item{Return: r}, To: to}}
}

// minionPart is the minion's own map inside the element: every key of the return but those that
// stand outside. Masters copy every key of it (spec: syndic §13.4).
func minionPart(raw []byte) []byte {
	body := make([]byte, 0, len(raw))
	n := 0
	_ = wire.ScanMap(raw, func(key, val []byte) error { // raw is a checked map, the function never fails
		switch string(key) {
		case "cmd", "id", "jid", "fun", "out", "master_id", "tok", "nonce", "_stamp", "sig":
			return nil
		}
		n++
		body = wire.AppendBytes(body, key, wire.Wire)
		body = append(body, val...)
		return nil
	})
	return append(wire.AppendMapHeader(make([]byte, 0, len(body)+5), n), body...)
}
