package scenario

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/saltern-io/saltern/internal/stock"
)

// ping publishes test.ping.
func (f *fan) ping(ctx context.Context, top *host, target string, ids []string) (job, error) {
	return top.publishJob(ctx, ids, target, "test.ping")
}

// count brings the tallies of all hosts up to date.
func (f *fan) count(ctx context.Context) error {
	for _, h := range slices.Concat(f.tops, f.lows) {
		if err := h.read(ctx); err != nil {
			return err
		}
	}
	return nil
}

// arrive waits until every job is complete at its top.
func (f *fan) arrive(ctx context.Context, patience time.Duration, jobs ...job) error {
	err := stock.Poll(ctx, "every return at its origin", patience, func() error {
		if err := f.alive(); err != nil {
			return err
		}
		if err := f.count(ctx); err != nil {
			return err
		}
		for _, j := range jobs {
			if missing := j.top.tally.missing(j.jid, f.wanted(j)); len(missing) > 0 {
				return fmt.Errorf("job %s at %s: %w from %s", j.jid, j.top.name, errIncomplete, short(missing))
			}
		}
		return nil
	})
	if errors.Is(err, stock.ErrTimeout) && f.excuse(jobs) {
		return nil
	}
	return err
}

// wanted are the minions whose return of the job has to come.
func (f *fan) wanted(j job) []string {
	return slices.DeleteFunc(slices.Clone(j.ids), func(id string) bool { return f.excused[j.jid+"/"+id] })
}

// excuse gives up the returns that a stock lower master does not have, though it published the job: on a busy machine
// one of its minions may not get it, or not get its return through. false when anything else is missing.
func (f *fan) excuse(jobs []job) bool {
	if f.master.Label() != "stock" {
		return false
	}
	excused := make(map[string]bool)
	for _, j := range jobs {
		for _, id := range j.top.tally.missing(j.jid, f.wanted(j)) {
			for _, low := range f.lows {
				if !low.tally.jobs[j.jid] || low.tally.returns[j.jid][id] > 0 {
					return false
				}
			}
			excused[j.jid+"/"+id] = true
		}
	}
	if f.excused == nil {
		f.excused = make(map[string]bool)
	}
	maps.Copy(f.excused, excused)
	return true
}

// alive tells whether every daemon runs that should.
func (f *fan) alive() error {
	for _, h := range slices.Concat(f.tops, f.lows) {
		for _, p := range []*stock.Process{h.master, h.syndic, h.swarm} {
			if p == nil {
				continue
			}
			if err := running(p); err != nil {
				return err
			}
		}
	}
	return nil
}

func short(ids []string) string {
	const shown = 5
	if len(ids) <= shown {
		return strings.Join(ids, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(ids[:shown], ", "), len(ids)-shown)
}

// exactly waits for the jobs and then looks whether each return is at its origin once and nowhere else. What was
// sent twice is behind the first copy and in front of the returns of a job published now.
//
// A stock master of masters fires what a syndic sends twice: whether a batch that was cut off had arrived, no syndic
// can know. Its job cache has each return once; the doubles on its bus are counted.
func (f *fan) exactly(ctx context.Context, b *Bench, patience time.Duration, jobs ...job) error {
	if err := f.arrive(ctx, patience, jobs...); err != nil {
		return err
	}
	for _, top := range f.tops {
		if _, err := top.untilComplete(ctx, f.alive, "m*", f.stockIDs()); err != nil {
			return err
		}
	}
	var faults []error
	excused := 0
	doubled := make(map[*host]int)
	looked := make(map[*host]int)
	for _, j := range jobs {
		doubled[j.top] += j.top.tally.extra(j.jid)
		for _, other := range f.tops {
			if n := len(other.tally.returns[j.jid]); other != j.top && n > 0 {
				faults = append(faults, fmt.Errorf("%d returns of job %s of %s are at %s", n, j.jid, j.top.name, other.name))
			}
		}
		if n := strangers(j.top.tally.returns[j.jid], j.ids); n != 0 {
			faults = append(faults, fmt.Errorf("%d minions too many returned job %s", n, j.jid))
		}
		excused += len(j.ids) - len(f.wanted(j))
		if looked[j.top]++; looked[j.top] > lookups {
			continue // one look is a start of Python
		}
		faults = append(faults, f.lookup(ctx, j))
	}
	if excused > 0 {
		b.note("%d returns never came to the stock lower master", excused)
	}
	for top, n := range doubled {
		switch {
		case n == 0:
		case top.masterSoftware.Label() == "stock":
			b.note("%d of %d return events doubled on the bus of stock %s, none in its job cache", n, expected(jobs, top), top.name)
		default:
			faults = append(faults, fmt.Errorf("%d return events doubled at saltern %s", n, top.name))
		}
	}
	return errors.Join(faults...)
}

// strangers is the number of minions that returned and are not among the ids.
func strangers[V any](returned map[string]V, ids []string) int {
	n := len(returned)
	for _, id := range ids {
		if _, ok := returned[id]; ok {
			n--
		}
	}
	return n
}

func expected(jobs []job, top *host) int {
	n := 0
	for _, j := range jobs {
		if j.top == top {
			n += len(j.ids)
		}
	}
	return n
}

// lookups are the jobs looked up in each stock master of masters' cache.
const lookups = 5

// lookup asks a stock master of masters' job cache for the job.
func (f *fan) lookup(ctx context.Context, j job) error {
	if j.top.masterSoftware.Label() != "stock" {
		return nil
	}
	result, err := j.top.bench.run(ctx, f.column.Salt, stock.Runner, j.top.configDir, "jobs.lookup_jid", j.jid, "--out", "json")
	if err != nil {
		return err
	}
	var cached map[string]any
	if err := json.Unmarshal([]byte(result.Stdout), &cached); err != nil {
		return fmt.Errorf("salt-run jobs.lookup_jid %s: %w in %q", j.jid, err, result.Stdout)
	}
	var missing []string
	for _, id := range f.wanted(j) {
		if _, ok := cached[id]; !ok {
			missing = append(missing, id)
		}
	}
	if len(missing) > 0 || strangers(cached, j.ids) > 0 {
		return fmt.Errorf("job cache of %s has %d returns of job %s, want %d, not there: %s", j.top.name, len(cached), j.jid,
			len(j.ids), short(missing))
	}
	return nil
}
