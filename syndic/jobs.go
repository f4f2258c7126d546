package syndic

import (
	"hash/fnv"
	"math/bits"
	"slices"
	"strings"

	"github.com/saltern-io/saltern/internal/wire"
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

// knownJob is what is remembered of one job: 48 bytes while it is neither waiting nor new, as there may be 30,000.
type knownJob struct {
	delivered uint64              // bit per upstream that delivered it; a job of the local master comes back so
	mark      wire.Mark           // zero when unknown
	load      *keptLoad           // for masters that do not know the job; nil until announced and when let go
	returned  map[string]struct{} // minions
	origin    uint8               // one more than the upstream that delivered it first, 0 = a job of the local master
	target    uint8               // of a local job: one more than the upstream its returns go to, 0 = not chosen
	down      bool                // the local master has it
	busy      bool                // it is being handed down
}

// keptLoad is the Wire-mode load of a job of the local master.
type keptLoad struct {
	body []byte
	to   uint64 // bit per upstream that it was sent to
	sent bool   // it is counted among the loads that were sent
}

func (j *knownJob) isLocal() bool { return j.origin == 0 }

// originBit is the bit of the upstream that published the job, 0 for a job of the local master.
func (j *knownJob) originBit() uint64 {
	if j.isLocal() {
		return 0
	}
	return 1 << (j.origin - 1)
}

// standbys are the upstreams beside the origin that delivered the job.
func (j *knownJob) standbys() uint64 {
	if j.isLocal() {
		return 0
	}
	return j.delivered &^ j.originBit()
}

// jobMemory is a bounded map that forgets the oldest. It has its full size from the start, so that it does not grow with
// every job of the first hours.
type jobMemory struct {
	jobs  map[string]*knownJob
	order []string // jids, oldest first
	max   int
}

func newJobMemory(n int) jobMemory {
	return jobMemory{jobs: make(map[string]*knownJob, n), order: make([]string, 0, n), max: n}
}

// add makes room in tenths, so that the slice moves rarely, and returns what was forgotten.
func (m *jobMemory) add(jobID string, j *knownJob) (forgotten []*knownJob) {
	if len(m.order) >= m.max {
		drop := m.max/10 + 1
		for _, old := range m.order[:drop] {
			forgotten = append(forgotten, m.jobs[old])
			delete(m.jobs, old)
		}
		m.order = slices.Delete(m.order, 0, drop)
	}
	jobID = strings.Clone(jobID) // it may be a part of something larger
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
	if load == nil || len(load) > maxLoad {
		return
	}
	j.load = &keptLoad{body: load}
	f.loadBytes += len(load)
	f.loads = append(f.loads, j)
	for f.loadBytes > maxLoads || len(f.loads) > maxLocalJobs {
		if first := f.loads[0]; first.load != nil && !first.load.sent {
			f.dropLoad(first)
		}
		f.loads[0] = nil
		f.loads = f.loads[1:]
	}
}

// takeLoad returns the load of a local job for upstreams that do not have it, nil when they do. It is kept for a while:
// when the one that the job's returns go to is away, another gets the rest of them. Caller holds the lock.
func (f *Forwarder) takeLoad(j *knownJob, to uint64) []byte {
	if j == nil || j.load == nil || to&^j.load.to == 0 {
		return nil
	}
	load := j.load
	load.to |= to
	if f.all&^load.to == 0 {
		f.dropLoad(j)
		return load.body
	}
	if load.sent {
		return load.body
	}
	load.sent = true
	f.loadBytes -= len(load.body)
	f.sentBytes += len(load.body)
	f.sent = append(f.sent, j)
	for len(f.sent) > maxSentLoads || f.sentBytes > maxSentBytes {
		f.dropLoad(f.sent[0])
		f.sent[0] = nil
		f.sent = f.sent[1:]
	}
	return load.body
}

// dropLoad lets a load go that every upstream has, that must give way, or whose job is forgotten.
func (f *Forwarder) dropLoad(j *knownJob) {
	switch {
	case j.load == nil:
		return
	case j.load.sent:
		f.sentBytes -= len(j.load.body)
	default:
		f.loadBytes -= len(j.load.body)
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
	bit := uint64(1) << upstream
	switch {
	case j == nil:
		f.forgot(f.above.add(jobID, &knownJob{origin: uint8(upstream) + 1, delivered: bit, busy: true}))
		return notedFirst
	case j.isLocal():
		j.delivered |= bit
		return notedOwn
	case j.delivered&bit == 0:
		j.delivered |= bit
		f.standbys.Add(1)
	}
	if j.down || j.busy {
		return notedKnown
	}
	j.busy = true
	return notedAgain
}

// same reports whether a publication may be the job that is known under its id; it is not when function or target differ.
func (f *Forwarder) same(jobID string, mark wire.Mark) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	j := f.job(jobID)
	return j == nil || j.mark == (wire.Mark{}) || mark == (wire.Mark{}) || j.mark == mark
}

// Down remembers that the local master has the job.
func (f *Forwarder) Down(jobID string) { f.change(jobID, func(j *knownJob) { j.down = true }) }

// Own remembers that the job is the local master's, after all: nobody upstream is its origin.
func (f *Forwarder) Own(jobID string) {
	f.change(jobID, func(j *knownJob) { j.origin, j.down = 0, true })
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
	return j != nil && (j.down || j.isLocal())
}

// record is what of a job outlives a restart; false for jobs of the local master.
func (f *Forwarder) record(jobID string) (r jobRecord, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	j := f.job(jobID)
	if j == nil || j.isLocal() {
		return r, false
	}
	r.Down = j.down
	r.Ups = append(r.Ups, f.entries[j.origin-1])
	for more := j.standbys(); more != 0; more &= more - 1 {
		r.Ups = append(r.Ups, f.entries[bits.TrailingZeros64(more)])
	}
	return r, true
}

// restore takes a job of an earlier life. Upstreams that are gone from the configuration are left out.
func (f *Forwarder) restore(jobID string, r jobRecord) {
	f.mu.Lock()
	defer f.mu.Unlock()
	j := &knownJob{down: r.Down}
	for _, entry := range r.Ups {
		i := slices.Index(f.entries, entry)
		if i < 0 {
			continue
		}
		if j.isLocal() {
			j.origin = uint8(i) + 1
		}
		j.delivered |= 1 << i
	}
	if j.isLocal() || f.job(jobID) != nil {
		return
	}
	if j.standbys() != 0 {
		f.standbys.Add(1)
	}
	f.forgot(f.above.add(jobID, j))
}

// origins returns the upstreams that a job's returns go to: its origin, with stand-bys while the origin has been away
// for long; else those that the master_id names; 0 for a local job. Caller holds the lock.
func (f *Forwarder) origins(jobID, masterID string) uint64 {
	if j := f.job(jobID); j != nil && !j.isLocal() {
		to := j.originBit()
		if more := j.standbys(); more != 0 && f.away(j.origin-1) {
			to |= more
		}
		return to
	}
	return f.names[masterID]
}

// standbysOf returns the upstreams beside its origin that delivered a job.
func (f *Forwarder) standbysOf(jobID string, origin int) uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	j := f.job(jobID)
	if j == nil || int(j.origin) != origin+1 {
		return 0
	}
	return j.standbys()
}

// localTarget returns where the returns of a job go that no upstream published: to one that serves, always the same for
// one job while it serves, or to all. Those that delivered the job back get nothing: they have it from here. Caller
// holds the lock.
func (f *Forwarder) localTarget(jobID string, j *knownJob) uint64 {
	candidates := f.all
	if j != nil {
		candidates &^= j.delivered
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
