package syndic

import "time"

// Stats is a snapshot of a syndic's numbers since its start.
type Stats struct {
	LocalEvents int64 // read from the local bus
	Repeated    int64 // publications that were here before
	Ignored     int64 // publications that carry the local master's own master_id
	Lost        int64 // publications that the local master did not take
	Dropped     int64 // items that found no room in a queue
	Upstreams   []UpstreamStats
}

// UpstreamStats are the numbers of one link.
type UpstreamStats struct {
	Entry          string // as written in syndic_master
	State          LinkState
	Since          time.Time
	Level          int // protocol level in use, 0 before the first sign-in
	Publications   int64
	Replayed       int64 // publications of another topic or with an old serial
	Requests       int64
	Acknowledged   int64 // items
	Refused        int64 // items given up because the upstream does not take them
	Failures       int64
	Waiting        int // items
	WaitingBytes   int
	DroppedEvents  uint64
	DroppedReturns uint64
}

// Stats returns the numbers now. Safe for concurrent use.
func (s *Syndic) Stats() Stats {
	st := Stats{
		LocalEvents: s.received.Load(), Repeated: s.repeated.Load(), Ignored: s.ignored.Load(), Lost: s.lost.Load(), Dropped: s.undelivered.Load(),
	}
	for _, u := range s.upstreams {
		us := UpstreamStats{
			Entry: u.to.Entry, Publications: u.publications.Load(), Replayed: u.replayed.Load(), Requests: u.sent.Load(),
			Acknowledged: u.acked.Load(), Refused: u.refused.Load(), Failures: u.failures.Load(),
		}
		us.State, us.Since = u.State()
		if c := u.creds.Load(); c != nil {
			us.Level = int(c.level)
		}
		us.Waiting, us.WaitingBytes, us.DroppedEvents, us.DroppedReturns = u.box.depth()
		st.Upstreams = append(st.Upstreams, us)
	}
	return st
}
