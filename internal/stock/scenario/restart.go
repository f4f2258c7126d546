package scenario

import (
	"context"
	"fmt"

	"github.com/saltern-io/saltern/internal/stock"
)

// restarts are the steps in which something is stopped and must work again without a hand.
func (s *single) restarts(software stock.Software) []Step {
	again := func(ctx context.Context) error { return s.worksAgain(ctx, software) }
	return []Step{
		{Name: "minion restarted", Run: func(ctx context.Context, b *Bench) error {
			if err := s.join(ctx, b); err != nil {
				return err
			}
			if err := s.m1.process.Stop(stopGrace); err != nil {
				return err
			}
			position := s.host.bus.Len()
			if err := s.m1.start(); err != nil {
				return err
			}
			if _, err := s.host.waitEvent(ctx, position, "salt/minion/m1/start"); err != nil {
				return err
			}
			return again(ctx)
		}},
		{Name: "master restarted", Run: func(ctx context.Context, b *Bench) error {
			if err := s.join(ctx, b); err != nil {
				return err
			}
			if err := s.host.master.Stop(stopGrace); err != nil {
				return err
			}
			if err := s.host.startMaster(ctx); err != nil {
				return err
			}
			return again(ctx)
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
			return again(ctx)
		}},
	}
}

// worksAgain asks until both minions answer. The first publications after a restart may be lost by the
// minions' own reconnect pause (spec: syndic §12, recon_default).
func (s *single) worksAgain(ctx context.Context, software stock.Software) error {
	return s.host.complete(ctx, software, "*", "m1", "m2")
}

// complete polls until test.ping of target is answered by exactly the ids.
func (h *host) complete(ctx context.Context, software stock.Software, target string, ids ...string) error {
	return stock.Poll(ctx, "every answer at "+h.name, settleTimeout, func() error {
		if err := running(h.master); err != nil {
			return err
		}
		return h.pinged(ctx, software, target, ids...)
	})
}

// pinged asks test.ping once, which must be answered by exactly the ids with status 0.
func (h *host) pinged(ctx context.Context, software stock.Software, target string, ids ...string) error {
	q := question{args: []string{"-t", "3", "--out", "txt", target, "test.ping"}, sorted: true}
	said, err := h.ask(ctx, software, q)
	if err != nil {
		return err
	}
	var want Answer
	for _, id := range ids {
		want.Stdout += id + ": True\n"
	}
	if said != want {
		return fmt.Errorf("%s salt %s test.ping printed %q with status %d", software.Label(), target, said.Stdout, said.Code)
	}
	return nil
}
