package master

import (
	"sync/atomic"
	"time"
)

// counters are the master's own numbers; every field only grows.
type counters struct {
	malformed, refused, unknown, failed    atomic.Int64
	belowMinimum                           atomic.Int64
	byLevel                                [4]atomic.Int64
	signIns                                atomic.Int64
	authAccepted, authPending, authRefused atomic.Int64
	published, publishRefused              atomic.Int64
	unstored                               atomic.Int64
	returns, syndicReturns, duplicates     atomic.Int64
	events, eventsDropped                  atomic.Int64
	eventsRepeated, repeated, replayed     atomic.Int64
	rotationsPutOff                        atomic.Int64
	byCommand                              [64]atomic.Int64
}

// handled counts one request of a command.
func (c *counters) handled(cmd *command) { c.byCommand[cmd.index].Add(1) }

// Stats is a snapshot of a master's numbers since its start.
type Stats struct {
	Malformed    int64            // bodies that are no envelope
	Refused      int64            // undecryptable, unproven or ill-formed requests
	BelowMinimum int64            // refused by minimum_auth_version
	Unknown      int64            // commands that do not exist
	Failed       int64            // requests whose handler failed
	Levels       [4]int64         // requests by protocol level
	SignIns      int64            // _auth requests
	Accepted     int64            // of them: answered with keys
	Pending      int64            // of them: key waits for acceptance
	AuthRefused  int64            // of them: refused
	Published    int64            // publications sent
	NotPublished int64            // publications refused
	Returns      int64            // returns taken from minions
	Unstored     int64            // returns that only went to the event bus
	SyndicRets   int64            // returns taken from syndics
	Duplicates   int64            // returns that were here before
	Events       int64            // events fired
	EventsLost   int64            // minion events with reserved tags, dropped
	Commands     map[string]int64 // encrypted requests by command
	Minions      int              // minions heard of since the start

	Rotations int64 // new AES keys
	PutOff    int64 // rotations that waited for saltern_rotation_gap, however many deletions they stand for

	EventsRepeated int64         // forwarded events that were here before, dropped
	Repeated       int64         // publications that came round again, not sent
	Replayed       int64         // publications handed out from the journal
	Syndics        []SyndicStats // by id
}

// SyndicStats is what a master knows of one syndic. Counts are since the master's start.
type SyndicStats struct {
	ID       string
	LastSeen time.Time // last request; zero: none since the start
	Started  time.Time // last start event; zero: none since the start
	Starts   int64     // start events: one per connection
	Returns  int64     // returns taken, repeats left out
	Events   int64     // events taken, repeats left out
	Repeats  int64     // returns and events that were here before

	Minions int    // listed behind it
	Seq     uint64 // of its list
	Current bool   // the list is whole and was announced since its last start event

	Asked   int64  // requests for missed publications
	Fetched int64  // publications given for them
	Epoch   string // acknowledged with the last of them
	Serial  uint64
}

// Stats returns the numbers now. Safe for concurrent use.
func (m *Master) Stats() Stats {
	c := &m.stats
	s := Stats{
		Malformed: c.malformed.Load(), Refused: c.refused.Load(), BelowMinimum: c.belowMinimum.Load(),
		Unknown: c.unknown.Load(), Failed: c.failed.Load(), SignIns: c.signIns.Load(),
		Accepted: c.authAccepted.Load(), Pending: c.authPending.Load(), AuthRefused: c.authRefused.Load(),
		Published: c.published.Load(), NotPublished: c.publishRefused.Load(),
		Returns: c.returns.Load(), SyndicRets: c.syndicReturns.Load(), Unstored: c.unstored.Load(), Duplicates: c.duplicates.Load(),
		Events: c.events.Load(), EventsLost: c.eventsDropped.Load(),
		Commands: map[string]int64{}, Minions: m.presence.count(),
		EventsRepeated: c.eventsRepeated.Load(), Repeated: c.repeated.Load(), Replayed: c.replayed.Load(),
		Rotations: int64(m.shared.Rotations()), PutOff: c.rotationsPutOff.Load(),
		Syndics: m.syndicStats(),
	}
	for i := range c.byLevel {
		s.Levels[i] = c.byLevel[i].Load()
	}
	for name, cmd := range commands {
		if n := c.byCommand[cmd.index].Load(); n > 0 {
			s.Commands[name] = n
		}
	}
	return s
}

func (m *Master) syndicStats() []SyndicStats {
	ids, _ := m.syndics.known()
	out := make([]SyndicStats, 0, len(ids))
	for _, id := range ids {
		r, ok := m.syndics.record(id)
		if !ok {
			continue
		}
		inv := m.inventories.state(id)
		out = append(out, SyndicStats{
			ID: id, LastSeen: r.seen, Started: r.started, Starts: r.starts,
			Returns: r.returns, Events: r.events, Repeats: r.repeats,
			Minions: inv.Minions, Seq: inv.Seq, Current: inv.Current,
			Asked: r.asked, Fetched: r.fetched, Epoch: r.epoch, Serial: r.serial,
		})
	}
	return out
}
