package scenario

import (
	"context"
	"errors"

	"github.com/saltern-io/saltern/internal/stock"
)

// restarts are the steps in which something is stopped and must work again without a hand.
func (s *single) restarts(software stock.Software) []Step {
	again := func(ctx context.Context, b *Bench) error {
		err := s.worksAgain(ctx, software)
		if errors.Is(err, stock.ErrTimeout) && s.master.Label() == "stock" {
			// A 3006.10 minion whose request was lost with its master never gets one through again. Nothing but stock is
			// here.
			b.measured("stock minion stuck")
			b.note("stock alone: %v", err)
			return nil
		}
		return err
	}
	return []Step{
		{Name: "minion restarted", Run: func(ctx context.Context, b *Bench) error {
			if err := s.join(ctx, b); err != nil {
				return err
			}
			if err := b.stop(s.m1.process); err != nil {
				return err
			}
			position := s.host.bus.Len()
			if err := s.m1.start(); err != nil {
				return err
			}
			if _, err := s.host.waitEvent(ctx, position, "salt/minion/m1/start"); err != nil {
				return err
			}
			return again(ctx, b)
		}},
		{Name: "master restarted", Run: func(ctx context.Context, b *Bench) error {
			if err := s.join(ctx, b); err != nil {
				return err
			}
			if err := b.stop(s.host.master); err != nil {
				return err
			}
			if err := s.host.startMaster(ctx); err != nil {
				return err
			}
			return again(ctx, b)
		}},
		{Name: "master killed", Run: func(ctx context.Context, b *Bench) error {
			if err := s.join(ctx, b); err != nil {
				return err
			}
			if err := s.host.master.Kill(); err != nil {
				return err
			}
			if err := s.host.startMaster(ctx); err != nil {
				return err
			}
			return again(ctx, b)
		}},
	}
}

// worksAgain waits until both minions return a job, and then has the salt command say so.
func (s *single) worksAgain(ctx context.Context, software stock.Software) error {
	if err := s.host.complete(ctx, software, "m1", "m2"); err != nil {
		return err
	}
	return s.host.pinged(ctx, software, "*", "m1", "m2")
}
