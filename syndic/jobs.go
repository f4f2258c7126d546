package syndic

// Bounds of what the forwarder remembers of jobs; the oldest are forgotten first. Jobs of upstreams
// have a memory of their own, so that many local jobs never push out where a return belongs.
const (
	maxUpstreamJobs = 20_000
	maxLocalJobs    = 10_000
	maxLoad         = 4 << 20  // a larger load is not sent along
	maxLoads        = 32 << 20 // all loads that wait for a first return
	maxNames        = 1024     // learned master_id values
	maxJobID        = 64       // longer ids are nobody's
)

// knownJob is what is remembered of one job.
type knownJob struct {
	origins uint64 // bit per upstream that published it; 0 = a local job
	load    []byte // Wire-mode load for masters that do not know the job; nil until announced and once sent
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
		f.dropLoad(f.loads[0])
		f.loads = f.loads[1:]
	}
}

// dropLoad lets a load go that was sent, or whose job is forgotten.
func (f *Forwarder) dropLoad(j *knownJob) {
	f.loadBytes -= len(j.load)
	j.load = nil
}

// Note remembers that upstream published the job, and under which master_id ("" for none). first is
// false when the job was known already: it must not be published a second time, but its returns go
// to this upstream too.
func (f *Forwarder) Note(jobID, masterID string, upstream int) (first bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	bit := uint64(1) << upstream
	if masterID != "" && (len(f.names) < maxNames || f.names[masterID] != 0) {
		f.names[masterID] |= bit
	}
	if j := f.job(jobID); j != nil {
		j.origins |= bit
		return false
	}
	f.above.add(jobID, &knownJob{origins: bit})
	return true
}

// origins returns the upstreams that a job belongs to: those that published it, else those that the
// master_id names; 0 for a local job.
func (f *Forwarder) origins(jobID, masterID string) uint64 {
	if j := f.job(jobID); j != nil && j.origins != 0 {
		return j.origins
	}
	return f.names[masterID]
}
