package jobcache

import (
	"errors"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// knownJobs bounds the memory of recently written jobs.
const knownJobs = 4096

// group builds the batch of one commit. It belongs to the committer.
//
// The batch is not readable before its commit; so seen, known and dropped tell what the group itself has
// changed, and everything else is asked from the engine.
type group struct {
	db    *pebble.DB
	batch *pebble.Batch
	now   time.Time
	key   []byte // scratch

	seen    map[returnKey]struct{} // returns written in this group
	dropped map[string]struct{}    // jobs expired in this group
	known   map[string]jobState    // recently written jobs; outlives the group
	// expiring holds jobs that Expire is looking at; any write to one takes it out again.
	expiring map[string]struct{}

	export *exportLog
	change []byte // scratch
	noted  bool   // the export log has grown
}

type returnKey struct{ jid, minionID string }

// jobState is what writes need to know about a job. The zero value is a job that is not there.
type jobState struct {
	exists   bool
	flags    byte
	received time.Time
}

func newGroup(db *pebble.DB, export *exportLog) group {
	return group{
		db:       db,
		export:   export,
		seen:     make(map[returnKey]struct{}),
		dropped:  make(map[string]struct{}),
		known:    make(map[string]jobState),
		expiring: make(map[string]struct{}),
	}
}

func (g *group) begin(now time.Time) {
	if len(g.known) > knownJobs {
		g.known = make(map[string]jobState)
	}
	g.now = now
	g.batch = g.db.NewBatch()
}

// end releases the batch after its commit, or without one.
func (g *group) end() {
	// The batch holds no file or lock; Close only returns its memory, and its error says "closed twice".
	_ = g.batch.Close()
	g.batch = nil
	if len(g.seen) > 2*groupReturns {
		g.seen = make(map[returnKey]struct{})
	}
	clear(g.seen)
	clear(g.dropped)
}

// forget drops all that the group believed, after a commit that failed.
func (g *group) forget() {
	clear(g.known)
	clear(g.expiring)
}

func (g *group) apply(w *write) result {
	switch {
	case w.doneOne != nil:
		o := g.judge(&w.ret)
		if o == (Outcome{}) {
			o.Err = g.putReturn(&w.ret)
		}
		return result{one: o}
	case w.doneMany != nil:
		return result{many: g.applyUnit(w.rets)}
	default:
		return result{err: w.apply(g)}
	}
}

// applyUnit judges all before it writes one, so that a read error cannot tear the unit.
func (g *group) applyUnit(rets []Return) []Outcome {
	out := make([]Outcome, len(rets))
	for i := range rets {
		out[i] = g.judge(&rets[i])
		if out[i].Err != nil {
			return sameOutcome(len(rets), out[i].Err)
		}
	}
	for i := range rets {
		if out[i] != (Outcome{}) {
			continue
		}
		if _, twice := g.seen[returnKey{rets[i].JID, rets[i].MinionID}]; twice {
			out[i].Duplicate = true // twice in one unit
			continue
		}
		if err := g.putReturn(&rets[i]); err != nil {
			return sameOutcome(len(rets), err)
		}
	}
	return out
}

// judge tells whether a return is to be written (the zero Outcome), and makes its job known.
func (g *group) judge(r *Return) Outcome {
	job, err := g.ensureJob(r.JID)
	if err != nil {
		return Outcome{Err: err}
	}
	if job.flags&flagNoCache != 0 {
		return Outcome{Skipped: true}
	}
	if _, ok := g.seen[returnKey{r.JID, r.MinionID}]; ok {
		return Outcome{Duplicate: true}
	}
	if _, ok := g.dropped[r.JID]; ok {
		return Outcome{}
	}
	g.key = appendJobKey(g.key[:0], r.JID, kindReturn, r.MinionID)
	_, found, err := g.get(g.key, nil)
	if err != nil {
		return Outcome{Err: err}
	}
	return Outcome{Duplicate: found}
}

func (g *group) putReturn(r *Return) error {
	g.key = appendJobKey(g.key[:0], r.JID, kindReturn, r.MinionID)
	// Written in place: a large body is copied once, not twice.
	op := g.batch.SetDeferred(len(g.key), returnHeader+len(r.Body))
	copy(op.Key, g.key)
	putReturn(op.Value, g.now, r.Body)
	// Finish only indexes the entry, and this batch has no index: its error is always nil.
	_ = op.Finish()
	g.seen[returnKey{r.JID, r.MinionID}] = struct{}{}
	return g.export.note(g, r.JID, r.MinionID)
}

// ensureJob returns the job's state, making a job without a load when there is none.
func (g *group) ensureJob(jid string) (jobState, error) {
	st, err := g.job(jid)
	if err != nil || st.exists {
		return st, err
	}
	record := appendJob(nil, &Job{Received: g.now})
	return g.newJob(jid, record, 0)
}

// job looks a job up and takes it out of a running expiry.
func (g *group) job(jid string) (jobState, error) {
	if len(g.expiring) > 0 {
		delete(g.expiring, jid)
	}
	if st, ok := g.known[jid]; ok {
		return st, nil
	}
	g.key = appendJobKey(g.key[:0], jid, kindJob, "")
	var st jobState
	_, found, err := g.get(g.key, func(v []byte) (err error) {
		st.flags, st.received, err = decodeJobHead(jid, v)
		return err
	})
	if err != nil {
		return jobState{}, err
	}
	st.exists = found
	if found {
		g.know(jid, st)
	}
	return st, nil
}

// know remembers st under a copy of jid, which may be a piece of a large message.
func (g *group) know(jid string, st jobState) {
	g.known[strings.Clone(jid)] = st
}

// newJob writes the first record of a job and its two index entries.
func (g *group) newJob(jid string, record []byte, flags byte) (jobState, error) {
	st := jobState{exists: true, flags: flags, received: g.now}
	setJobTime(record, g.now)
	if err := g.setJob(jid, record, st); err != nil {
		return jobState{}, err
	}
	for _, prefix := range []string{prefixArrival, prefixAlive} {
		g.key = appendTimeKey(g.key[:0], prefix, g.now, jid)
		if err := g.batch.Set(g.key, nil, nil); err != nil {
			return jobState{}, err
		}
	}
	return st, nil
}

func (g *group) setJob(jid string, record []byte, st jobState) error {
	g.key = appendJobKey(g.key[:0], jid, kindJob, "")
	if err := g.batch.Set(g.key, record, nil); err != nil {
		return err
	}
	g.know(jid, st)
	return nil
}

// putJob writes a job record, encoded without its time.
func (g *group) putJob(jid string, record []byte, rule loadRule) (wrote bool, err error) {
	flags := record[1]
	st, err := g.job(jid)
	if err != nil {
		return false, err
	}
	if rule == keepLoad && st.exists && st.flags&flagLoad != 0 {
		return false, nil
	}
	if err := g.export.note(g, jid, ""); err != nil {
		return false, err
	}
	if !st.exists {
		_, err := g.newJob(jid, record, flags)
		return err == nil, err
	}
	setJobTime(record, st.received)
	st.flags = flags
	err = g.setJob(jid, record, st)
	return err == nil, err
}

// putPart writes a record that belongs to a job, making the job known if needed.
func (g *group) putPart(key []byte, jid string, record []byte) error {
	if _, err := g.ensureJob(jid); err != nil {
		return err
	}
	return g.batch.Set(key, record, nil)
}

// get asks the engine for one key; look, if given, sees the value while it is valid.
func (g *group) get(key []byte, look func([]byte) error) (size int, found bool, err error) {
	v, closer, err := g.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	size = len(v)
	if look != nil {
		err = look(v)
	}
	return size, true, errors.Join(err, closer.Close())
}
