package syndic

import (
	"time"

	"github.com/saltern-io/saltern/internal/outbox"
)

// Stats is a snapshot of a syndic's numbers. Those of the outbox go on over restarts, the others begin with the run.
type Stats struct {
	LocalEvents int64 // read from the local bus
	Repeated    int64 // publications that were here before
	Ignored     int64 // publications that came back to the master that made them
	Lost        int64 // publications that the local master did not take
	Dropped     int64 // items that found no room in a queue, or none on the disk
	Parked      int   // items in memory because the outbox takes nothing at the moment
	Spared      int64 // minions that were not asked by find_job because their return is here
	Outbox      outbox.Status
	Upstreams   []UpstreamStats
}

// UpstreamStats are the numbers of one link. Received, Stored, Duplicate and Rejected balance, and so do Stored and
// what became of it, with Waiting.
type UpstreamStats struct {
	Entry        string // as written in syndic_master
	State        LinkState
	Since        time.Time
	Level        int // protocol level in use, 0 before the first sign-in
	Publications int64
	Replayed     int64 // publications of another topic or with an old serial
	Missed       int64 // publications that the serials or the journal showed as missed
	Recovered    int64 // of them run
	Unrecovered  int64 // of them not run: reported, or of no use any more
	Requests     int64
	Forwarded    int64 // items sent, repeats included
	Failures     int64

	Received       int64 // items meant for the upstream
	Stored         int64
	Duplicate      int64
	Rejected       int64 // not taken by the outbox
	Acknowledged   int64
	Refused        int64 // given up because the upstream does not take them
	DroppedAge     int64
	DroppedFull    int64
	Waiting        int
	WaitingBytes   int
	WaitingReturns int
	Oldest         time.Time // when the item that waits longest was stored; zero when none waits
}

// Stats returns the numbers now. Safe for concurrent use.
func (s *Syndic) Stats() Stats {
	st := Stats{
		LocalEvents: s.received.Load(), Repeated: s.repeated.Load(), Ignored: s.ignored.Load(), Lost: s.lost.Load(),
		Dropped: s.intake.lostItems(), Parked: s.intake.parkedItems(), Spared: s.spared.Load(), Outbox: s.store.State(),
	}
	for _, u := range s.upstreams {
		st.Upstreams = append(st.Upstreams, u.stats())
	}
	return st
}

func (u *Upstream) stats() UpstreamStats {
	us := UpstreamStats{
		Entry: u.to.Entry, Publications: u.publications.Load(), Replayed: u.replayed.Load(), Requests: u.sent.Load(),
		Forwarded: u.forwarded.Load(), Failures: u.failures.Load(),
		Missed: u.missed.Load(), Recovered: u.recovered.Load(), Unrecovered: u.unrecovered.Load(),
	}
	us.State, us.Since = u.State()
	if c := u.creds.Load(); c != nil {
		us.Level = int(c.Level)
	}
	q, _ := u.box.q.Stats() // with an error everything but Oldest is filled in
	us.Received, us.Stored, us.Duplicate, us.Rejected = int64(q.Received), int64(q.Stored), int64(q.Duplicates), int64(q.Refused)
	us.Acknowledged, us.Refused = int64(q.Acknowledged), int64(q.Discarded)
	us.DroppedAge, us.DroppedFull = int64(q.DroppedAge), int64(q.DroppedFull)
	us.Waiting, us.WaitingBytes, us.WaitingReturns, us.Oldest = int(q.Items), int(q.Bytes), int(q.Kinds[kindReturn].Items), q.Oldest
	return us
}
