package scenario

import (
	"context"
	"fmt"
)

// syndicRestarted stops the syndic with SIGTERM and starts it again.
func (t *tier) syndicRestarted(ctx context.Context, b *Bench) error {
	if err := t.start(ctx, b); err != nil {
		return fmt.Errorf("tier not there: %w", err)
	}
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

// momRestarted stops the master of masters; the syndic has to sign in again by itself. A job is asked for with
// the salt command before, whose end comes seconds after the last return: a stock 3006.10 syndic whose batch
// was not answered before the stop never gets one through again.
func (t *tier) momRestarted(ctx context.Context, b *Bench) error {
	if err := t.start(ctx, b); err != nil {
		return fmt.Errorf("tier not there: %w", err)
	}
	if err := t.top.pinged(ctx, t.mom, "*", "m1", "m2"); err != nil {
		return fmt.Errorf("before the restart: %w", err)
	}
	if err := b.stop(t.top.master); err != nil {
		return err
	}
	if err := t.top.startMaster(ctx); err != nil {
		return err
	}
	return t.complete(ctx)
}

// masterRestarted stops the lower master under the running syndic.
func (t *tier) masterRestarted(ctx context.Context, b *Bench) error {
	if err := t.start(ctx, b); err != nil {
		return fmt.Errorf("tier not there: %w", err)
	}
	if err := b.stop(t.low.master); err != nil {
		return err
	}
	if err := t.low.startMaster(ctx); err != nil {
		return err
	}
	return t.complete(ctx)
}
