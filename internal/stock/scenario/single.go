package scenario

import (
	"context"
	"errors"
	"fmt"

	"github.com/saltern-io/saltern/internal/stock"
)

// single is a master with two stock minions.
type single struct {
	column *Column
	master stock.Software
	keeper stock.Software // whose key command accepts m1; m2 is always accepted with stock salt-key
	keep   bool           // stock everywhere: keep the answers instead of comparing

	host    *host
	m1, m2  *minion
	pending once
	joined  once

	listPending, acceptM1, listAccepted Answer
}

// baselineGroup is stock Salt everywhere: proof of the harness, and source of every expected answer.
func baselineGroup(c *Column) Group {
	s := &single{column: c, master: c.Salt, keeper: c.Salt, keep: true}
	g := Group{Name: "stock-master", Steps: s.signIn()}
	g.Steps = append(g.Steps, s.asked(c.Salt)...)
	g.Steps = append(g.Steps, s.seen(c.Salt)...)
	saltern := s.asked(orNil(c.Saltern))
	if c.Saltern == nil {
		skip(saltern, noSaltern)
	}
	g.Steps = append(g.Steps, saltern...)
	g.Steps = append(g.Steps, s.restarts(c.Salt)...)
	return g
}

// salternGroup has saltern's master under the same stock minions.
func salternGroup(c *Column) Group {
	g := Group{Name: "saltern-master"}
	if c.Saltern == nil {
		g.Skip = noSaltern
	}
	s := &single{column: c, master: orNil(c.Saltern), keeper: orNil(c.Saltern)}
	g.Steps = append(g.Steps, s.signIn()...)
	g.Steps = append(g.Steps, s.asked(orNil(c.Saltern))...)
	g.Steps = append(g.Steps, s.asked(c.Salt)...)
	g.Steps = append(g.Steps, s.seen(orNil(c.Saltern))...)
	g.Steps = append(g.Steps, s.restarts(orNil(c.Saltern))...)
	return g
}

const noSaltern = "no saltern binary given"

// orNil keeps steps of a skipped group nameable: they are listed, not run.
func orNil(s *stock.Saltern) stock.Software {
	if s == nil {
		return &stock.Saltern{}
	}
	return s
}

func skip(steps []Step, reason string) {
	for i := range steps {
		steps[i].Skip = reason
	}
}

// startPending brings up the master and both minions until their keys are pending, and lists the keys.
func (s *single) startPending(ctx context.Context, b *Bench) error {
	return s.pending.do(func() error {
		var err error
		s.host, err = newHost(b, "m", "127.0.0.1", hostOptions{master: s.master, extra: s.column.oldMinions()})
		if err != nil {
			return err
		}
		if s.m1, err = newMinion(s.host, s.column.Salt, "m1"); err != nil {
			return err
		}
		if s.m2, err = newMinion(s.host, s.column.Salt, "m2"); err != nil {
			return err
		}
		if err := s.host.startMaster(ctx); err != nil {
			return err
		}
		for _, m := range []*minion{s.m1, s.m2} {
			if err := m.start(); err != nil {
				return err
			}
		}
		for _, m := range []*minion{s.m1, s.m2} {
			if err := s.host.waitPending(ctx, m.process, m.id); err != nil {
				return err
			}
		}
		s.listPending, err = s.listKeys(ctx)
		return err
	})
}

// join goes on to two accepted minions that have fired their start events.
func (s *single) join(ctx context.Context, b *Bench) error {
	if err := s.startPending(ctx, b); err != nil {
		return fmt.Errorf("minions not pending: %w", err)
	}
	return s.joined.do(func() error {
		said, err := s.host.accept(ctx, s.keeper, "m1")
		if err != nil {
			return err
		}
		s.acceptM1 = Answer{Stdout: said.Stdout, Code: said.Code}
		if _, err := s.host.accept(ctx, s.column.Salt, "m2"); err != nil {
			return err
		}
		if s.listAccepted, err = s.listKeys(ctx); err != nil {
			return err
		}
		for _, m := range []*minion{s.m1, s.m2} {
			if _, err := s.host.waitEvent(ctx, 0, "salt/minion/"+m.id+"/start"); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *single) listKeys(ctx context.Context) (Answer, error) {
	result, err := s.host.bench.run(ctx, s.keeper, stock.Key, s.host.configDir, "-L")
	return Answer{Stdout: result.Stdout, Code: result.Code}, err
}

// signIn are the steps from an unknown minion to an accepted one.
func (s *single) signIn() []Step {
	return []Step{
		{Name: "pending", Wants: s.wants("pending"), Run: func(ctx context.Context, b *Bench) error {
			if err := s.startPending(ctx, b); err != nil {
				return err
			}
			return s.column.settle("list pending", s.keep, s.listPending)
		}},
		{Name: "accept", Wants: s.wants("accept"), Run: func(ctx context.Context, b *Bench) error {
			if err := s.join(ctx, b); err != nil {
				return err
			}
			return errors.Join(s.column.settle("accept m1", s.keep, s.acceptM1),
				s.column.settle("list accepted", s.keep, s.listAccepted))
		}},
	}
}

// wants names the baseline step of the same name; the baseline itself wants nothing.
func (s *single) wants(step string) []string {
	if s.keep {
		return nil
	}
	return []string{"stock-master/" + step}
}

// asked are the questions put with the salt command of software.
func (s *single) asked(software stock.Software) []Step {
	var steps []Step
	keep := s.keep && software.Label() == "stock"
	for _, q := range questions {
		step := Step{Name: software.Label() + "-salt/" + q.name}
		if !keep {
			step.Wants = []string{"stock-master/stock-salt/" + q.name}
		}
		step.Run = func(ctx context.Context, b *Bench) error {
			if err := s.join(ctx, b); err != nil {
				return fmt.Errorf("minions not there: %w", err)
			}
			said, err := s.host.ask(ctx, software, q)
			if err != nil {
				return err
			}
			if keep {
				if err := q.proven(said); err != nil {
					return err
				}
			}
			return s.column.settle(q.name, keep, said)
		}
		steps = append(steps, step)
	}
	return steps
}

// oldMinions lets minions below level 3 in where the column's release is one
// (spec: newer-salt, minimum_auth_version).
func (c *Column) oldMinions() []string {
	if c.Salt.Level() < 3 {
		return []string{"minimum_auth_version: 0"}
	}
	return nil
}
