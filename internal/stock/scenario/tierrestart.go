package scenario

import (
	"context"
	"fmt"

	"github.com/saltern-io/saltern/internal/stock"
)

// restartSteps have a member of the tier end and come again. The figure is the time from both ports of the member
// that was away being open again, or the syndic having said so, to the first job complete at the top.
func (t *tier) restartSteps() []Step {
	stop := func(b *Bench, p *stock.Process) error { return b.stop(p) }
	kill := func(_ *Bench, p *stock.Process) error { return p.Kill() }
	step := func(name string, run func(context.Context, *Bench) error) Step {
		return Step{Name: name, Run: func(ctx context.Context, b *Bench) error {
			if err := t.start(ctx, b); err != nil {
				return fmt.Errorf("tier not there: %w", err)
			}
			return run(ctx, b)
		}}
	}
	steps := []Step{
		step("syndic restarted", t.syndicRestarted),
		step("master of masters restarted", func(ctx context.Context, b *Bench) error { return t.momAgain(ctx, b, stop) }),
		step("master of masters killed", func(ctx context.Context, b *Bench) error { return t.momAgain(ctx, b, kill) }),
		step("lower master restarted", func(ctx context.Context, b *Bench) error { return t.masterAgain(ctx, b, stop) }),
		step("lower master killed", func(ctx context.Context, b *Bench) error { return t.masterAgain(ctx, b, kill) }),
	}
	for i := range steps[3:] {
		steps[3+i].Skip = t.forgetsRootKey()
	}
	return steps
}

// syndicRestarted stops the syndic with SIGTERM and starts it again.
func (t *tier) syndicRestarted(ctx context.Context, b *Bench) error {
	if err := b.stop(t.low.syndic); err != nil {
		return err
	}
	position := t.top.bus.Len()
	if err := t.low.startSyndic(); err != nil {
		return err
	}
	if _, err := t.top.waitEvent(ctx, position, "salt/syndic/syn1/start"); err != nil {
		return err
	}
	return t.complete(ctx)
}

// momAgain ends the master of masters; the syndic has to sign in again by itself. A job is asked for with the salt
// command before, whose end comes seconds after the last return: a stock 3006.10 syndic whose batch was not
// answered before the stop never gets one through again.
func (t *tier) momAgain(ctx context.Context, b *Bench, end func(*Bench, *stock.Process) error) error {
	if err := t.top.pinged(ctx, t.mom, "*", "m1", "m2"); err != nil {
		return fmt.Errorf("before the restart: %w", err)
	}
	return t.back(ctx, b, t.top, end)
}

// masterAgain ends the lower master under the running syndic.
func (t *tier) masterAgain(ctx context.Context, b *Bench, end func(*Bench, *stock.Process) error) error {
	return t.back(ctx, b, t.low, end)
}

func (t *tier) back(ctx context.Context, b *Bench, h *host, end func(*Bench, *stock.Process) error) error {
	if err := end(b, h.master); err != nil {
		return err
	}
	if err := h.startMaster(ctx); err != nil {
		return err
	}
	ids := []string{"m1", "m2"}
	jobs, done, err := t.top.publishUntil(ctx, t.alive, "m*", ids)
	if err != nil {
		return t.stuck(ctx, b, jobs, ids, err)
	}
	b.measured("%s", seconds(done.Sub(h.listening)))
	return nil
}

// stuck decides whose fault it is that no job was complete. A stock minion may return nothing any more to its stock
// master that came back: with 3006.10 a request whose reply was lost keeps the minion's channel for good, also with no
// other software about. Then what is above has done its part when the lower master got the last jobs, and the top has
// every return that the lower master has.
func (t *tier) stuck(ctx context.Context, b *Bench, jobs []job, ids []string, incomplete error) error {
	if t.master != stock.Software(t.column.Salt) || len(jobs) == 0 {
		return incomplete
	}
	arrived := 0
	err := stock.Poll(ctx, "the returns of the lower master at the top", eventTimeout, func() error {
		arrived = 0
		for _, h := range []*host{t.low, t.top} {
			if err := h.read(ctx); err != nil {
				return err
			}
		}
		for _, j := range jobs {
			for id := range t.low.tally.returns[j.jid] {
				if t.top.tally.returns[j.jid][id] == 0 {
					return fmt.Errorf("job %s: %w from %s", j.jid, errIncomplete, id)
				}
				arrived++
			}
		}
		if last := jobs[len(jobs)-1].jid; !t.low.tally.jobs[last] {
			return fmt.Errorf("the lower master did not get job %s", last)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("%w; %w", incomplete, err)
	}
	silent := silentIn(&t.low.tally, jobs, ids)
	if len(silent) == 0 {
		return incomplete
	}
	b.measured("stock minion stuck")
	b.note("%s returned none of %d jobs to its stock master in %s; the other %d returns are at the top", short(silent), len(jobs),
		settleTimeout, arrived)
	return nil
}

// silentIn are those of the ids that returned none of the jobs.
func silentIn(t *tally, jobs []job, ids []string) []string {
	var silent []string
	for _, id := range ids {
		n := 0
		for _, j := range jobs {
			n += t.returns[j.jid][id]
		}
		if n == 0 {
			silent = append(silent, id)
		}
	}
	return silent
}

func (t *tier) alive() error {
	for _, p := range []*stock.Process{t.top.master, t.low.master, t.low.syndic} {
		if err := running(p); err != nil {
			return err
		}
	}
	return nil
}
