package master

import (
	"fmt"
	"sync"

	"github.com/saltern-io/saltern/internal/wire"
)

// maxGuardedJIDs is how many job ids the loop guard has in memory; older ones it asks the job cache for.
const maxGuardedJIDs = 20_000

// loopGuard sees to it that this master publishes a job at most once. Masters that are each other's syndics hand a job
// around for ever otherwise (spec: syndic §11).
type loopGuard struct {
	mu    sync.Mutex
	jids  map[string]claim
	order []string // oldest first; a ring once it is full
	next  int
}

// claim is what became of a job id.
type claim uint8

const (
	claimNone   claim = iota // not in memory
	claimTaken               // published, or about to be
	claimFailed              // could not be sent: may be tried again
)

func newLoopGuard() *loopGuard { return &loopGuard{jids: map[string]claim{}} }

// take claims a job id and returns what it was before.
func (g *loopGuard) take(jid string) claim {
	g.mu.Lock()
	defer g.mu.Unlock()
	before, known := g.jids[jid]
	g.jids[jid] = claimTaken
	if known {
		return before
	}
	if len(g.order) < maxGuardedJIDs {
		g.order = append(g.order, jid)
		return claimNone
	}
	delete(g.jids, g.order[g.next])
	g.order[g.next] = jid
	g.next = (g.next + 1) % maxGuardedJIDs
	return claimNone
}

// failed lets a job be tried again that was claimed and not sent.
func (g *loopGuard) failed(jid string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, known := g.jids[jid]; known {
		g.jids[jid] = claimFailed
	}
}

// claimJob claims the job's id. For an id that this master has published before, it returns the reply instead: a
// syndic is told what it was told the first time, anybody else that the id is taken.
func (m *Master) claimJob(j *job) (refusal []byte) {
	other := false
	switch m.guard.take(j.jid) {
	case claimFailed:
		return nil
	case claimNone:
		if j.ownJID {
			return nil
		}
		first, known, err := m.jobs.Job(j.jid)
		if err != nil {
			m.log.Error("Job cache not asked for a job id", "jid", j.jid, "err", err)
		}
		if !known || !first.Published {
			return nil
		}
		j.minions, j.missing = first.Minions, first.Missing
		other = j.isOther(first.Load)
	case claimTaken:
		if first, known, err := m.jobs.Job(j.jid); err == nil && known && first.Published {
			j.minions, j.missing = first.Minions, first.Missing
			other = j.isOther(first.Load)
		}
	}
	m.stats.repeated.Add(1)
	if !j.relayed {
		m.stats.publishRefused.Add(1)
		return wire.PublishReply{
			Err: fmt.Sprintf("Job id %s was used before. Leave it out, and the master makes a new one", j.jid),
		}.Append(nil)
	}
	if other && len(j.path) > 0 {
		m.limited.Warn("Publication refused: another job has its id", "jid", j.jid, "path", j.path)
		return wire.PublishReply{ErrName: wire.JobIDTaken, Err: "Job id " + j.jid + " belongs to another job"}.Append(nil)
	}
	m.log.Debug("Publication came round again, not sent", "jid", j.jid, "path", j.path)
	return wire.PublishReply{JID: j.jid, Minions: j.minions, Missing: j.missing, Repeated: true}.Append(nil)
}

// isOther reports whether the load that was published under the id was another job's.
func (j *job) isOther(first []byte) bool {
	load, err := wire.DecodeMap(first, wire.Wire, wire.LoadLimits)
	if err != nil {
		return false // a job without a load: it counts as the same
	}
	had, mark := wire.MarkOf(load), wire.JobMark(j.fun, j.tgt, j.tgtType)
	return had != (wire.Mark{}) && mark != (wire.Mark{}) && had != mark
}

// pathRefused answers a request whose path is none, or so long that it must be going in circles.
func (m *Master) pathRefused(j *job) []byte {
	m.stats.publishRefused.Add(1)
	m.limited.Warn("Publication refused", "jid", printable(j.jid), "err", j.pathErr)
	return wire.PublishReply{Err: "Publication refused: " + j.pathErr.Error()}.Append(nil)
}

// takePath takes what a syndic says about the way of a publication out of the keywords. A request is a syndic's when it
// has a path, or the list of rights that stock syndics pass on as well.
func (j *job) takePath() {
	j.relayed = j.kwargs.Has("auth_list") || j.kwargs.Has(wire.KwargPath)
	way, _ := j.kwargs.Get(wire.KwargPath)
	j.kwargs.Delete(wire.KwargPath)
	j.path, j.pathErr = wire.ParsePath(way)
}
