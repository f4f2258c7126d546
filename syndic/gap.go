package syndic

import (
	"time"
)

// Bounds of the publications that are held while the upstream is asked for those before them.
const (
	maxHeld  = 2000
	holdTime = 5 * time.Second
)

// maxRounds is how often in a row an answer may leave a gap before it is counted as lost.
const maxRounds = 3

// served says whether an upstream answers questions for missed publications.
type served uint8

const (
	servedUnknown served = iota // not asked on this connection yet
	servedYes                   // a saltern master
	servedNo                    // a stock one
)

// arrival is one publication with its place; pos.Serial is 0 when the upstream numbers none.
type arrival struct {
	pos     position
	pub     *publication
	journal bool // read from the upstream's journal
}

// sequencer keeps the publications of one upstream in their order and finds out which of them are missing. It has no
// clock and no socket: the subscription's goroutine feeds it and does what it says.
//
//	arrive ──in order──────────────────────────▶ deliver
//	   └─ serial jumps, or another epoch ─▶ hold ─▶ ask ─▶ answer: the missing ones, then what was held
//	                                                  └──▶ failed, or 5 s over: what was held; ask again later
//
// Serials grow by one per publication as long as a shared key lives (spec: relay-and-broker §3.1). An answer of a
// saltern master says up to where every publication is known, so that serials that never existed are not missed.
type sequencer struct {
	marks  [2]position // the last one delivered under the newest two epochs, newest first
	newest string      // job id delivered
	owed   *position   // ask from here: what follows was not found yet
	open   gap         // what is missing there by the serials, lost when nobody can be asked
	served served
	asking bool
	until  time.Time // until then arrivals are held, when asking
	held   []arrival
	rounds int
}

// findings are what the caller has to do.
type findings struct {
	deliver []arrival
	ask     bool
	lost    gap // publications that are missing for good
	stale   int // arrivals that were here before
}

// gap is publications that are missing between two others.
type gap struct {
	count  uint64
	after  string   // newest job id before it, "" when unknown
	before string   // job id behind it
	pos    position // of that
}

// add makes the gap reach to an arrival before which n are missing; newest is the newest job id before that.
func (g *gap) add(n uint64, newest string, a arrival) {
	if n == 0 {
		return
	}
	if g.count == 0 {
		g.after = newest
	}
	g.count += n
	g.before, g.pos = a.pub.jid, a.pos
}

// cursor is the place from which the upstream is to be asked.
func (s *sequencer) cursor() position {
	if s.owed != nil {
		return *s.owed
	}
	return s.marks[0]
}

// begin holds arrivals until an answer comes, or for holdTime.
func (s *sequencer) begin(now time.Time) {
	if !s.asking || s.until.IsZero() {
		s.asking, s.until = true, now.Add(holdTime)
	}
}

// mark returns the slot of an epoch.
func (s *sequencer) mark(epoch string) *position {
	for i := range s.marks {
		if s.marks[i].Epoch == epoch {
			return &s.marks[i]
		}
	}
	return nil
}

// pass notes that everything up to a place is done with.
func (s *sequencer) pass(p position) {
	m := s.mark(p.Epoch)
	if m == nil {
		s.marks[1] = s.marks[0]
		s.marks[0] = p
		return
	}
	m.Serial = max(m.Serial, p.Serial)
}

// missing tells how many publications before this one were not seen. sure is false when that cannot be told.
func (s *sequencer) missing(p position) (n uint64, sure bool) {
	if m := s.mark(p.Epoch); m != nil {
		return p.Serial - m.Serial - 1, true
	}
	// Under a new epoch everything before is missing, and perhaps something at the end of the old one. At the first
	// contact of all nothing is.
	return p.Serial - 1, s.marks[0].Epoch == ""
}

// arrive takes one publication of the subscription.
func (s *sequencer) arrive(a arrival) (f findings) {
	s.take(a, &f)
	return f
}

func (s *sequencer) take(a arrival, f *findings) {
	switch m := s.mark(a.pos.Epoch); {
	case a.pos.Serial == 0:
		s.deliver(a, f)
		return
	case m != nil && a.pos.Serial <= m.Serial:
		f.stale++
		return
	}
	if s.asking {
		if len(s.held) < maxHeld {
			s.held = append(s.held, a)
			return
		}
		s.release(f)
	}
	first := s.marks[0].Epoch == ""
	n, sure := s.missing(a.pos)
	if !first && s.served != servedNo && (n > 0 || !sure) {
		if s.rounds < maxRounds {
			s.rounds++
			s.asking, s.until = true, time.Time{} // the caller begins
			s.held = append(s.held, a)
			f.ask = true
			return
		}
		s.owe()
		s.open.add(n, s.newest, a)
	} else if !first {
		f.lost.add(n, s.newest, a)
	}
	s.deliver(a, f)
}

// deliver lets an arrival go.
func (s *sequencer) deliver(a arrival, f *findings) {
	if a.pos.Serial > 0 {
		s.pass(a.pos)
	}
	s.newest = max(s.newest, a.pub.jid)
	f.deliver = append(f.deliver, a)
}

// owe remembers where the next question has to begin.
func (s *sequencer) owe() {
	if s.owed == nil {
		p := s.marks[0]
		s.owed = &p
	}
}

// undelivered takes back arrivals that found no room: the next question begins before them. Who cannot be asked has
// lost them.
func (s *sequencer) undelivered(rest []arrival) {
	for _, a := range rest {
		if a.pos.Serial == 0 {
			continue
		}
		if s.owed == nil {
			s.owed = &position{Epoch: a.pos.Epoch, Serial: a.pos.Serial - 1}
		}
		s.open.add(1, "", a)
	}
}

// release lets go what is held without an answer: the gap stays owed.
func (s *sequencer) release(f *findings) {
	held := s.held
	s.held, s.asking = nil, false
	if len(held) > 0 {
		s.owe()
	}
	for _, a := range held {
		if m := s.mark(a.pos.Epoch); m != nil && a.pos.Serial <= m.Serial {
			f.stale++
			continue
		}
		if first := s.marks[0].Epoch == ""; !first {
			n, _ := s.missing(a.pos)
			s.open.add(n, s.newest, a)
		}
		s.deliver(a, f)
	}
}

// expire lets go what was held for too long.
func (s *sequencer) expire(now time.Time) (f findings) {
	if s.asking && !s.until.IsZero() && !now.Before(s.until) {
		s.release(&f)
	}
	return f
}

// failed takes that a question was not answered.
func (s *sequencer) failed() (f findings) {
	s.owe()
	s.release(&f)
	return f
}

// refused takes that the upstream does not serve the question: it is a stock one. What is missing is lost, also before
// what was delivered while nobody knew.
func (s *sequencer) refused() (f findings) {
	f.lost = s.open
	s.served, s.owed, s.open = servedNo, nil, gap{}
	held := s.held
	s.held, s.asking = nil, false
	for _, a := range held {
		s.take(a, &f)
	}
	return f
}

// answer is what a saltern master knows.
type answer struct {
	epoch string
	next  uint64 // serial of the next publication under epoch
	pubs  []arrival
	more  bool // ask again behind the last of pubs
}

// answered takes an answer: the missing publications first, then what was held.
func (s *sequencer) answered(a answer) (f findings) {
	s.served = servedYes
	for _, p := range a.pubs {
		p.journal = true
		if m := s.mark(p.pos.Epoch); m == nil || p.pos.Serial > m.Serial || s.owed != nil {
			s.deliver(p, &f)
		}
		if s.owed != nil {
			at := p.pos
			s.owed = &at
		}
	}
	if a.more && len(a.pubs) > 0 {
		s.asking = true
		f.ask = true
		return f
	}
	s.owed, s.open = nil, gap{}
	if a.next > 0 {
		s.pass(position{Epoch: a.epoch, Serial: a.next - 1})
	}
	held := s.held
	s.held, s.asking = nil, false
	for _, one := range held {
		s.take(one, &f)
	}
	if !f.ask {
		s.rounds = 0
	}
	return f
}

// fate is what becomes of a publication from a journal.
type fate uint8

const (
	fateRun fate = iota
	fateSkip
	fateReport
)

// judge decides about a missed publication of a saltern master's journal: what is young runs, under its own job id and
// with all its keys. A question for running jobs is answered for nobody any more.
func judge(p *publication, now time.Time, maxAge time.Duration) (fate, string) {
	if fun, _ := p.load.Get("fun"); fun == findJob {
		return fateSkip, ""
	}
	if age := now.Sub(p.sent); age > maxAge {
		return fateReport, "older than saltern_replay_max_age"
	}
	return fateRun, ""
}

// findJob asks minions whether they still run a job.
const findJob = "saltutil.find_job"
