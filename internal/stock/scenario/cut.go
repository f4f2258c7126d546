package scenario

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/saltern-io/saltern/internal/stock"
)

const (
	cutFor     = 10 * time.Second
	recovery   = 90 * time.Second // a stock master of masters is asked for its jobs every 30 s at most
	flapPeriod = time.Second
	lag        = 200 * time.Millisecond
	loss       = 0.05
)

// linkGroups are the scenarios of disturbed links.
func linkGroups(c *Column) []Group {
	our := orNil(c.Saltern)
	fans := []*fan{
		{moms: []stock.Software{c.Salt, c.Salt}, syndic: our, master: our, peerRun: true},
		{moms: []stock.Software{our, c.Salt}, syndic: our, master: c.Salt},
		{moms: []stock.Software{our}, syndic: c.Salt, master: c.Salt},
	}
	groups := make([]Group, 0, len(fans))
	for _, f := range fans {
		f.column, f.lowered, f.minions, f.swarm, f.jitter = c, 1, 2, f.returns()/4, 3*time.Second
		groups = append(groups, Group{Name: "links " + f.name(), Skip: f.skip(), Steps: f.linkSteps()})
	}
	return groups
}

// returns are those under way when a link is cut.
func (f *fan) returns() int { return 1000 }

func (f *fan) linkSteps() []Step {
	steps := []Step{
		{Name: "joined", Run: f.start},
		{Name: "cut 10 s", Run: func(ctx context.Context, b *Bench) error { return f.cutAround(ctx, b, stock.Cut) }},
		{Name: "silent 10 s", Run: func(ctx context.Context, b *Bench) error { return f.cutAround(ctx, b, stock.Silent) }},
		{Name: "flapping", Run: f.flapping},
		{Name: "200 ms delay, 5 % loss", Run: f.delayed},
		{Name: "publications after a cut", Run: f.afterCut, Limit: f.sized(10*time.Minute, 75*time.Minute)},
	}
	if f.stockSyndic() {
		steps[len(steps)-1].Skip = "a stock syndic loses them and says nothing"
	}
	if len(f.moms) > 1 {
		steps = append(steps, f.jobsStep())
	}
	return steps
}

// wave publishes four jobs to the simulated minions, in turn at each top: 1,000 returns, spread over the jitter.
func (f *fan) wave(ctx context.Context) ([]job, error) {
	var jobs []job
	for i := range 4 {
		j, err := f.ping(ctx, f.tops[i%len(f.tops)], "s*", f.swarmIDs(0))
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, j)
	}
	return jobs, nil
}

// moving waits until the first returns of a job are at its top.
func (f *fan) moving(ctx context.Context, j job) error {
	return stock.Poll(ctx, "the first returns", eventTimeout, func() error {
		if err := f.count(ctx); err != nil {
			return err
		}
		if len(j.top.tally.returns[j.jid]) == 0 {
			return errIncomplete
		}
		return nil
	})
}

// cutAround disturbs the link to the first top for 10 s while 1,000 returns are under way and a job is published at
// each top. Afterwards every return has to be at its origin once; the other top must not notice; and what was
// published into the cut has to run once, or be reported.
func (f *fan) cutAround(ctx context.Context, b *Bench, mode stock.LinkMode) error {
	if err := f.start(ctx, b); err != nil {
		return err
	}
	first, cable := f.tops[0], f.links[0][0]
	reports := f.reports()
	jobs, err := f.wave(ctx)
	if err != nil {
		return err
	}
	if err := f.moving(ctx, jobs[0]); err != nil {
		return err
	}
	cable.set(mode)
	defer cable.set(stock.Passing)
	over := time.After(cutFor)
	into, err := first.publishJob(ctx, f.stockIDs(), "m*", "test.echo", "into the cut")
	if err != nil {
		return err
	}
	for _, other := range f.tops[1:] {
		during, err := f.ping(ctx, other, "m*", f.stockIDs())
		if err != nil {
			return err
		}
		if err := f.arrive(ctx, eventTimeout, during); err != nil {
			return fmt.Errorf("the other master of masters: %w", err)
		}
		b.note("job of the other master of masters meanwhile: %s", seconds(time.Since(during.at)))
		jobs = append(jobs, during)
	}
	select {
	case <-over:
	case <-ctx.Done():
		return ctx.Err()
	}
	cable.set(stock.Passing)
	healed := time.Now()
	if err := f.arrive(ctx, settleTimeout, jobs...); err != nil {
		return fmt.Errorf("after the cut: %w", err)
	}
	b.measured("%s", seconds(time.Since(healed)))
	if err := f.exactly(ctx, b, settleTimeout, jobs...); err != nil {
		return err
	}
	return f.accounted(ctx, b, reports, into)
}

// reports is the position in the lower master's list of missed publications.
func (f *fan) reports() int {
	f.lows[0].tally.read(f.lows[0].bus)
	return len(f.lows[0].tally.missed)
}

// accounted wants each job of the first top to have been returned once by all its minions, or to be among the
// publications reported as missed since position.
func (f *fan) accounted(ctx context.Context, b *Bench, position int, jobs ...job) error {
	low, upstream := f.lows[0], linkEntry(f.links[0][0])
	var run, reported int
	look := func() error {
		if err := f.count(ctx); err != nil {
			return err
		}
		run, reported = 0, low.tally.reported(upstream, position, jobs...)
		for _, j := range jobs {
			if len(j.top.tally.missing(j.jid, j.ids)) == 0 {
				run++
			}
		}
		if run+reported < len(jobs) {
			return fmt.Errorf("of %d publications %d ran and %d were reported", len(jobs), run, reported)
		}
		return nil
	}
	err := stock.Poll(ctx, "every publication to run or be reported", recovery, look)
	if f.stockSyndic() {
		// A stock syndic has no way to tell (spec: syndic §12).
		b.note("%d of %d publications into the cut ran", run, len(jobs))
		return nil
	}
	if err != nil {
		return err
	}
	if run+reported > len(jobs) {
		return fmt.Errorf("of %d publications %d ran and %d were reported", len(jobs), run, reported)
	}
	b.note("of %d publications around the cut %d ran, %d were reported", len(jobs), run, reported)
	return f.once(jobs...)
}

// once wants no minion to have run a job twice, as the lower masters saw it.
func (f *fan) once(jobs ...job) error {
	var faults []error
	for _, low := range f.lows {
		for _, j := range jobs {
			if n := low.tally.extra(j.jid); n > 0 {
				faults = append(faults, fmt.Errorf("job %s: %d executions too many below %s", j.jid, n, low.name))
			}
		}
	}
	return errors.Join(faults...)
}

// flapping cuts and heals the link to the first top every second, for 10 s, or the minute of the long form, while
// jobs are published at the other and returns of both are under way.
func (f *fan) flapping(ctx context.Context, b *Bench) error {
	if err := f.start(ctx, b); err != nil {
		return err
	}
	jobs, err := f.wave(ctx)
	if err != nil {
		return err
	}
	if err := f.moving(ctx, jobs[0]); err != nil {
		return err
	}
	cable := f.links[0][0]
	flaps, end := context.WithTimeout(ctx, f.sized(10*time.Second, time.Minute))
	defer end()
	done := make(chan struct{}, 2)
	for _, l := range []*stock.Link{cable.publish, cable.request} {
		go func() {
			l.Flap(flaps, flapPeriod)
			done <- struct{}{}
		}()
	}
	for _, other := range f.tops[1:] {
		for flaps.Err() == nil {
			j, err := f.ping(ctx, other, "m*", f.stockIDs())
			if err == nil {
				err = f.arrive(ctx, eventTimeout, j)
			}
			if err != nil {
				end()
				<-done
				<-done
				return fmt.Errorf("the other master of masters: %w", err)
			}
			jobs = append(jobs, j)
			select {
			case <-flaps.Done():
			case <-time.After(again):
			}
		}
	}
	<-done
	<-done
	steady := time.Now()
	if err := f.arrive(ctx, settleTimeout, jobs...); err != nil {
		return fmt.Errorf("after the flapping: %w", err)
	}
	b.measured("%s", seconds(time.Since(steady)))
	return f.exactly(ctx, b, settleTimeout, jobs...)
}

// delayed has every piece of data to and from the first top take 200 ms, and one of twenty a retransmission more.
func (f *fan) delayed(ctx context.Context, b *Bench) error {
	if err := f.start(ctx, b); err != nil {
		return err
	}
	cable := f.links[0][0]
	cable.impair(lag, loss)
	defer cable.impair(0, 0)
	begun := time.Now()
	jobs, err := f.wave(ctx)
	if err != nil {
		return err
	}
	if err := f.arrive(ctx, settleTimeout, jobs...); err != nil {
		return err
	}
	b.measured("%s", seconds(time.Since(begun)))
	return f.exactly(ctx, b, settleTimeout, jobs...)
}

// sized is short, or whole in the long form.
func (f *fan) sized(short, whole time.Duration) time.Duration {
	if f.column.Long {
		return whole
	}
	return short
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
