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
	done, err := t.top.untilComplete(ctx, t.alive, "m*", []string{"m1", "m2"})
	if err != nil {
		return err
	}
	b.measured("%s", seconds(done.Sub(h.listening)))
	return nil
}

func (t *tier) alive() error {
	for _, p := range []*stock.Process{t.top.master, t.low.master, t.low.syndic} {
		if err := running(p); err != nil {
			return err
		}
	}
	return nil
}
