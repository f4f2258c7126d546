package syndic

import (
	"hash/fnv"
	"math/bits"
)

// Bounds of what the forwarder remembers of jobs; the oldest are forgotten first. Jobs of upstreams
// have a memory of their own, so that many local jobs never push out where a return belongs.
const (
	maxUpstreamJobs = 20_000
	maxLocalJobs    = 10_000
	maxLoad         = 4 << 20  // a larger load is not sent along
	maxLoads        = 32 << 20 // all loads that wait for a first return
	maxSentLoads    = 1000     // loads that were sent and are kept for another upstream
	maxSentBytes    = 8 << 20  // all of these
	maxNames        = 1024     // learned master_id values
	maxJobID        = 64       // longer ids are nobody's
	maxReturned     = 500_000  // minions remembered as returned, over all jobs
	maxReturnedJobs = 1000     // jobs whose returned minions are remembered: nobody asks after older ones
)

// knownJob is what is remembered of one job.
type knownJob struct {
	ups      []uint8 // upstreams that delivered it, the origin first; empty = a job of the local master
	down     bool    // the local master has it
	busy     bool    // it is being handed down
	echo     uint64  // bit per upstream that delivered a job of the local master back to it
	target   uint8   // of a local job: one more than the upstream its returns go to, 0 = not chosen
	load     []byte  // Wire-mode load for masters that do not know the job; nil until announced and when let go
	loaded   uint64  // bit per upstream that it was sent to
	sent     bool    // it is counted among the loads that were sent
	returned map[string]struct{}
	mark     string // wire.JobMark, "" when unknown
}

// has reports whether an upstream delivered the job.
func (j *knownJob) has(upstream int) bool {
	for _, u := range j.ups {
		if int(u) == upstream {
			return true
		}
	}
	return false
}

// jobMemory is a bounded map that forgets the oldest.
type jobMemory struct {
	jobs  map[string]*knownJob
	order []string // jids, oldest first
	max   int
}

func newJobMemory(n int) jobMemory { return jobMemory{jobs: map[string]*knownJob{}, max: n} }

// add makes room in tenths, so that the slice moves rarely, and returns what was forgotten.
func (m *jobMemory) add(jobID string, j *knownJob) (forgotten []*knownJob) {
	if len(m.order) >= m.max {
		drop := m.max/10 + 1
		for _, old := range m.order[:drop] {
			forgotten = append(forgotten, m.jobs[old])
			delete(m.jobs, old)
		}
		m.order = append(m.order[:0:0], m.order[drop:]...)
	}
	m.jobs[jobID] = j
	m.order = append(m.order, jobID)
	return forgotten
}

// job finds a job in either memory. Caller holds the lock.
func (f *Forwarder) job(jobID string) *knownJob {
	if j := f.above.jobs[jobID]; j != nil {
		return j
	}
	return f.local.jobs[jobID]
}

// forgot lets go what is counted of jobs that are remembered no more. Caller holds the lock.
func (f *Forwarder) forgot(jobs []*knownJob) {
	for _, j := range jobs {
		f.dropLoad(j)
		f.returns -= len(j.returned)
		j.returned = nil
	}
}

// keepLoad remembers the load of a local job until its first return, within the bound: the oldest
// waiting load gives way. Caller holds the lock.
func (f *Forwarder) keepLoad(j *knownJob, load []byte) {
	if len(load) > maxLoad {
		return
	}
	j.load = load
	f.loadBytes += len(load)
	f.loads = append(f.loads, j)
	for f.loadBytes > maxLoads || len(f.loads) > maxLocalJobs {
		if !f.loads[0].sent {
			f.dropLoad(f.loads[0])
		}
		f.loads = f.loads[1:]
	}
}

// takeLoad returns the load of a local job for upstreams that do not have it, nil when they do. It is kept for a while:
// when the one that the job's returns go to is away, another gets the rest of them. Caller holds the lock.
func (f *Forwarder) takeLoad(j *knownJob, to uint64) []byte {
	if j == nil || j.load == nil || to&^j.loaded == 0 {
		return nil
	}
	load := j.load
	j.loaded |= to
	if f.all&^j.loaded == 0 {
		f.dropLoad(j)
		return load
	}
	if j.sent {
		return load
	}
	j.sent = true
	f.loadBytes -= len(load)
	f.sentBytes += len(load)
	f.sent = append(f.sent, j)
	for len(f.sent) > maxSentLoads || f.sentBytes > maxSentBytes {
		f.dropLoad(f.sent[0])
		f.sent[0] = nil
		f.sent = f.sent[1:]
	}
	return load
}

// dropLoad lets a load go that every upstream has, that must give way, or whose job is forgotten.
func (f *Forwarder) dropLoad(j *knownJob) {
	if j.sent {
		f.sentBytes -= len(j.load)
	} else {
		f.loadBytes -= len(j.load)
	}
	j.load = nil
}

// noted says what the forwarder knew of a publication.
type noted uint8

const (
	notedFirst noted = iota // new: hand it down
	notedAgain              // the same upstream delivered it in an earlier life, and it may not have got down
	notedKnown              // handed down already
	notedOwn                // a job of the local master: it came round
)

// Note remembers that upstream delivered the job, and under which master_id ("" for none). The first one to deliver it
// is its origin, where its returns go; later ones are stand-bys. A job of the local master gets neither.
func (f *Forwarder) Note(jobID, masterID string, upstream int) noted {
	f.mu.Lock()
	defer f.mu.Unlock()
	if masterID != "" && (len(f.names) < maxNames || f.names[masterID] != 0) {
		f.names[masterID] |= 1 << upstream
	}
	j := f.job(jobID)
	switch {
	case j == nil:
		f.forgot(f.above.add(jobID, &knownJob{ups: []uint8{uint8(upstream)}, busy: true}))
		return notedFirst
	case len(j.ups) == 0:
		j.echo |= 1 << upstream
		return notedOwn
	case !j.has(upstream):
		j.ups = append(j.ups, uint8(upstream))
		f.standbys.Add(1)
	}
	if j.down || j.busy {
		return notedKnown
	}
	j.busy = true
	return notedAgain
}

// same reports whether a publication may be the job that is known under its id; it is not when function or target differ.
func (f *Forwarder) same(jobID, mark string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	j := f.job(jobID)
	return j == nil || j.mark == "" || mark == "" || j.mark == mark
}

// Down remembers that the local master has the job.
func (f *Forwarder) Down(jobID string) { f.change(jobID, func(j *knownJob) { j.down = true }) }

// Own remembers that the job is the local master's, after all: nobody upstream is its origin.
func (f *Forwarder) Own(jobID string) {
	f.change(jobID, func(j *knownJob) {
		for _, u := range j.ups {
			j.echo |= 1 << u
		}
		j.ups, j.down = nil, true
	})
}

func (f *Forwarder) change(jobID string, fn func(*knownJob)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if j := f.job(jobID); j != nil {
		fn(j)
	}
}

// Handled reports whether a publication needs nothing more: the local master has it, or made it.
func (f *Forwarder) Handled(jobID string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	j := f.job(jobID)
	return j != nil && (j.down || len(j.ups) == 0)
}

// record is what of a job outlives a restart; false for jobs of the local master.
func (f *Forwarder) record(jobID string) (r jobRecord, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	j := f.job(jobID)
	if j == nil || len(j.ups) == 0 {
		return r, false
	}
	r.Down = j.down
	for _, u := range j.ups {
		r.Ups = append(r.Ups, f.entries[u])
	}
	return r, true
}

// restore takes a job of an earlier life. Upstreams that are gone from the configuration are left out.
func (f *Forwarder) restore(jobID string, r jobRecord) {
	f.mu.Lock()
	defer f.mu.Unlock()
	j := &knownJob{down: r.Down}
	for _, entry := range r.Ups {
		for i, name := range f.entries {
			if name == entry {
				j.ups = append(j.ups, uint8(i))
			}
		}
	}
	if len(j.ups) == 0 || f.job(jobID) != nil {
		return
	}
	if len(j.ups) > 1 {
		f.standbys.Add(1)
	}
	f.forgot(f.above.add(jobID, j))
}

// origins returns the upstreams that a job's returns go to: its origin, with stand-bys while the origin has been away
// for long; else those that the master_id names; 0 for a local job. Caller holds the lock.
func (f *Forwarder) origins(jobID, masterID string) uint64 {
	if j := f.job(jobID); j != nil && len(j.ups) > 0 {
		to := uint64(1) << j.ups[0]
		if len(j.ups) > 1 && f.away(j.ups[0]) {
			for _, u := range j.ups[1:] {
				to |= 1 << u
			}
		}
		return to
	}
	return f.names[masterID]
}

// standbysOf returns the upstreams beside its origin that delivered a job.
func (f *Forwarder) standbysOf(jobID string, origin int) (to uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	j := f.job(jobID)
	if j == nil || len(j.ups) < 2 || int(j.ups[0]) != origin {
		return 0
	}
	for _, u := range j.ups[1:] {
		to |= 1 << u
	}
	return to
}

// localTarget returns where the returns of a job go that no upstream published: to one that serves, always the same for
// one job while it serves, or to all. Those that delivered the job back get nothing: they have it from here. Caller
// holds the lock.
func (f *Forwarder) localTarget(jobID string, j *knownJob) uint64 {
	candidates := f.all
	if j != nil {
		candidates &^= j.echo
	}
	if f.toAll || candidates == 0 {
		return candidates
	}
	if up := candidates & f.serving(); up != 0 {
		candidates = up
	}
	if j != nil && j.target > 0 && candidates&(1<<(j.target-1)) != 0 {
		return 1 << (j.target - 1)
	}
	n := 0
	if !f.ordered {
		h := fnv.New32a()
		_, _ = h.Write([]byte(jobID)) // never fails
		n = int(h.Sum32() % uint32(bits.OnesCount64(candidates)))
	}
	for ; n > 0; n-- {
		candidates &= candidates - 1
	}
	chosen := bits.TrailingZeros64(candidates)
	if j != nil {
		j.target = uint8(chosen) + 1
	}
	return 1 << chosen
}

// didReturn remembers that a minion returned to a job, for find_job. Caller holds the lock.
func (f *Forwarder) didReturn(j *knownJob, minion string) {
	if j.returned == nil {
		j.returned = map[string]struct{}{}
		f.returned = append(f.returned, j)
	}
	for f.returns >= maxReturned && f.returned[0] != j || len(f.returned) > maxReturnedJobs {
		f.dropReturned()
	}
	if f.returns >= maxReturned {
		return // one job that large: find_job asks below, as it would without this memory
	}
	if _, known := j.returned[minion]; !known {
		j.returned[minion] = struct{}{}
		f.returns++
	}
}

// dropReturned forgets who returned to the job that has been remembered longest. Caller holds the lock.
func (f *Forwarder) dropReturned() {
	j := f.returned[0]
	f.returned[0] = nil
	f.returned = f.returned[1:]
	f.returns -= len(j.returned)
	j.returned = nil
}

// returnedOf splits ids into those that have returned to a job and the others.
func (f *Forwarder) returnedOf(jobID string, ids []string) (returned, others []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	j := f.job(jobID)
	for _, id := range ids {
		if j != nil {
			if _, ok := j.returned[id]; ok {
				returned = append(returned, id)
				continue
			}
		}
		others = append(others, id)
	}
	return returned, others
}
