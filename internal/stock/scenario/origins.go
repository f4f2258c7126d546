package scenario

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/saltern-io/saltern/internal/stock"
)

// originGroups have three masters of masters, none with a master_id, use the same syndic. Two are in linkGroups.
func originGroups(c *Column) []Group {
	our := orNil(c.Saltern)
	f := &fan{
		column: c, moms: []stock.Software{our, c.Salt, our}, syndic: our, master: our,
		lowered: 1, minions: 2, swarm: 10,
	}
	return []Group{{Name: "origins " + f.name(), Skip: f.skip(), Steps: []Step{
		{Name: "joined", Run: f.start}, f.jobsStep(),
	}}}
}

func (f *fan) jobsStep() Step {
	return Step{Name: "jobs from each", Run: f.jobsFromEach, Limit: 30 * time.Minute}
}

// jobs is how many a master of masters publishes: the 1,000 that are promised in the long form. A job costs a stock
// master some 50 ms.
func (f *fan) jobs(top *host) int {
	switch {
	case f.column.Long:
		return 1000
	case top.masterSoftware.Label() == "saltern":
		return 100
	}
	return 30
}

// stockJobs is how often a job goes to the stock minions instead of simulated ones: each forks a Python there.
const stockJobs = 10

// jobsFromEach publishes jobs from all masters of masters at the same time; every return has to be where its job
// came from, once.
func (f *fan) jobsFromEach(ctx context.Context, b *Bench) error {
	if err := f.start(ctx, b); err != nil {
		return err
	}
	var (
		publishers sync.WaitGroup
		made       = make([][]job, len(f.tops))
		faults     = make([]error, len(f.tops))
	)
	begun := time.Now()
	for i, top := range f.tops {
		publishers.Go(func() { made[i], faults[i] = f.series(ctx, top) })
	}
	publishers.Wait()
	var (
		jobs    []job
		returns int
		counts  []string
	)
	for i, top := range f.tops {
		if faults[i] != nil {
			return fmt.Errorf("publish at %s: %w", top.name, faults[i])
		}
		jobs = append(jobs, made[i]...)
		counts = append(counts, fmt.Sprintf("%d from %s %s", len(made[i]), top.masterSoftware.Label(), top.name))
	}
	for _, j := range jobs {
		returns += len(j.ids)
	}
	if err := f.exactly(ctx, b, settleTimeout, jobs...); err != nil {
		return err
	}
	b.note("jobs: %s; %d returns, each at its origin; %s", strings.Join(counts, ", "), returns, seconds(time.Since(begun)))
	return f.once(jobs...)
}

func (f *fan) series(ctx context.Context, top *host) ([]job, error) {
	var jobs []job
	simulated := f.swarmIDs(0)[:3]
	for i := range f.jobs(top) {
		target, ids := simulated, simulated
		if i%stockJobs == stockJobs-1 {
			target, ids = f.stockIDs(), f.stockIDs()
		}
		j, err := top.publishJob(ctx, ids, "-L", strings.Join(target, ","), "test.ping")
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, j)
	}
	return jobs, nil
}
