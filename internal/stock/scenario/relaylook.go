package scenario

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"github.com/saltern-io/saltern/internal/stock"
)

// publishes publishes jobs one after another.
func (r *relayed) publishes(ctx context.Context, n int) ([]job, error) {
	var jobs []job
	for range n {
		j, err := r.top.publishJob(ctx, []string{"m1"}, "m1", "test.ping")
		if err != nil {
			return jobs, err
		}
		jobs = append(jobs, j)
	}
	return jobs, nil
}

// allRan waits until all jobs have run below, once each.
func (r *relayed) allRan(ctx context.Context, jobs []job) error {
	return stock.Poll(ctx, "every job to run", eventTimeout, func() error { return r.look(ctx, jobs, 0) })
}

// accounted waits until each job has run below or is among those that were reported.
func (r *relayed) accounted(ctx context.Context, b *Bench, jobs []job) error {
	var byOutlet, bySyndic int
	last, since := "", time.Now()
	err := stock.Poll(ctx, "every job to run or be reported, and nothing more to come", recovery, func() error {
		if err := r.low.read(ctx); err != nil {
			return err
		}
		byOutlet, bySyndic = r.low.tally.reported(relayStream, r.told), r.low.tally.reported(relayLowWay, r.told)
		if err := r.look(ctx, jobs, byOutlet+bySyndic); err != nil {
			return err
		}
		// Two may report one loss: what is on its way must not be taken for reported.
		if now := fmt.Sprint(r.ran(jobs), byOutlet, bySyndic); now != last {
			last, since = now, time.Now()
		}
		if r.ran(jobs) < len(jobs) && time.Since(since) < relayQuiet {
			return errIncomplete
		}
		return nil
	})
	if err != nil {
		return err
	}
	published, err := logged(r.low.master, publishedJob)
	if err != nil {
		return err
	}
	again, below := 0, 0
	for _, j := range jobs {
		if published[j.jid] > 1 {
			below++
		}
		again += r.low.tally.extra(j.jid)
	}
	b.note("of %d publications %d ran, once each; reported by the outlet %d, by the syndic %d%s%s", len(jobs), r.ran(jobs), byOutlet, bySyndic,
		some(again, "returns came twice"), some(below, "were published twice below"))
	return nil
}

// ran is how many of the jobs have returned below.
func (r *relayed) ran(jobs []job) (n int) {
	for _, j := range jobs {
		if len(r.low.tally.missing(j.jid, j.ids)) == 0 {
			n++
		}
	}
	return n
}

// look wants all jobs but some to have run, as the lower master saw it, and none twice, as the minion did: a minion that got no
// answer in time returns a job again.
func (r *relayed) look(ctx context.Context, jobs []job, but int) error {
	if err := r.low.read(ctx); err != nil {
		return err
	}
	missing := 0
	for _, j := range jobs {
		missing += len(r.low.tally.missing(j.jid, j.ids))
	}
	starts, err := r.m1.starts()
	if err != nil {
		return err
	}
	for _, j := range jobs {
		if n := starts[j.jid]; n > 1 {
			return fmt.Errorf("job %s ran %d times: %w", j.jid, n, stock.ErrGone)
		}
	}
	if missing > but {
		return fmt.Errorf("of %d jobs %d did not run, %d were reported", len(jobs), missing, but)
	}
	return nil
}

// publishedJob is how a stock master logs that it publishes a job.
var publishedJob = regexp.MustCompile(`Published command \S+ with jid (\d+)`)

func some(n int, what string) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("; %d %s", n, what)
}

// answered wants the jobs' returns at the top.
func (r *relayed) answered(ctx context.Context, jobs []job) error {
	return stock.Poll(ctx, "every return at the top", settleTimeout, func() error {
		if err := r.top.read(ctx); err != nil {
			return err
		}
		for _, j := range jobs {
			if len(r.top.tally.missing(j.jid, j.ids)) > 0 {
				return fmt.Errorf("job %s: %w", j.jid, errIncomplete)
			}
		}
		return nil
	})
}
