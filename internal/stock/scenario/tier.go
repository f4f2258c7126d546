package scenario

import (
	"context"
	"fmt"

	"github.com/saltern-io/saltern/internal/stock"
)

// tier is a master of masters, a syndic beside a master, and two stock minions below that.
//
//	127.0.0.1  top: master of masters ◀── asked here
//	127.0.0.2  low: syndic + master
//	           m1, m2
type tier struct {
	column              *Column
	mom, syndic, master stock.Software

	top, low *host
	m1, m2   *minion
	up       once
}

// tierGroups are the combinations of stock and saltern members; the first is the proof of the harness.
func tierGroups(c *Column) []Group {
	our := orNil(c.Saltern)
	members := [][3]stock.Software{
		{c.Salt, c.Salt, c.Salt},
		{c.Salt, our, our},
		{our, c.Salt, c.Salt},
		{c.Salt, our, c.Salt},
		{c.Salt, c.Salt, our},
		{our, our, our},
	}
	groups := make([]Group, 0, len(members))
	for _, m := range members {
		t := &tier{column: c, mom: m[0], syndic: m[1], master: m[2]}
		g := Group{
			Name:  fmt.Sprintf("tier %s over %s+%s", m[0].Label(), m[1].Label(), m[2].Label()),
			Steps: t.steps(),
		}
		if c.Saltern == nil && (m[0] == our || m[1] == our || m[2] == our) {
			g.Skip = noSaltern
		}
		groups = append(groups, g)
	}
	return groups
}

func (t *tier) steps() []Step {
	steps := []Step{
		{Name: "joined", Run: t.start},
		t.asks(t.mom, "test.ping"),
	}
	if t.mom != stock.Software(t.column.Salt) {
		steps = append(steps, t.asks(t.column.Salt, "test.ping"))
	}
	return append(append(steps, Step{Name: "events of a job", Run: t.jobEvents}), t.restartSteps()...)
}

// forgetsRootKey: a stock syndic reads the lower master's root key once (spec: syndic §12).
func (t *tier) forgetsRootKey() string {
	if t.syndic == stock.Software(t.column.Salt) {
		return "a stock syndic does not survive it"
	}
	return ""
}

// start brings the whole tier up: keys accepted on both levels, and one complete answer at the top.
func (t *tier) start(ctx context.Context, b *Bench) error {
	return t.up.do(func() error { return t.build(ctx, b) })
}

func (t *tier) build(ctx context.Context, b *Bench) error {
	var err error
	// syndic_wait is what the salt command at the top waits for lists of minions (spec: syndic §9).
	extra := append([]string{"order_masters: True", "syndic_wait: 3"}, t.column.oldMinions()...)
	if t.top, err = newHost(b, "t", "127.0.0.1", hostOptions{master: t.mom, extra: extra}); err != nil {
		return err
	}
	t.low, err = newHost(b, "l", "127.0.0.2", hostOptions{
		master: t.master, extra: t.column.oldMinions(), above: t.top, syndic: t.syndic, sid: "syn1",
	})
	if err != nil {
		return err
	}
	if t.m1, err = newMinion(t.low, t.column.Salt, "m1"); err != nil {
		return err
	}
	if t.m2, err = newMinion(t.low, t.column.Salt, "m2"); err != nil {
		return err
	}
	for _, h := range []*host{t.top, t.low} {
		if err := h.startMaster(ctx); err != nil {
			return err
		}
	}
	if err := t.low.startSyndic(); err != nil {
		return err
	}
	if err := join(ctx, t.master, t.m1, t.m2); err != nil {
		return err
	}
	if err := t.top.waitPending(ctx, t.low.syndic, "syn1"); err != nil {
		return err
	}
	if _, err := t.top.accept(ctx, t.mom, "syn1"); err != nil {
		return err
	}
	if _, err := t.top.waitEvent(ctx, 0, "salt/syndic/syn1/start"); err != nil {
		return err
	}
	return t.complete(ctx)
}

// complete waits at the top until a job comes back from both minions.
func (t *tier) complete(ctx context.Context) error {
	if err := running(t.low.syndic); err != nil {
		return err
	}
	return t.top.complete(ctx, t.mom, "m1", "m2")
}

// asks is the step that has '*' answered completely at the top, at the first try.
func (t *tier) asks(software stock.Software, name string) Step {
	return Step{Name: software.Label() + "-salt/" + name, Run: func(ctx context.Context, b *Bench) error {
		if err := t.start(ctx, b); err != nil {
			return fmt.Errorf("tier not there: %w", err)
		}
		return t.top.pinged(ctx, software, "*", "m1", "m2")
	}}
}

// jobEvents looks for the returns of one job on the bus of the master of masters.
func (t *tier) jobEvents(ctx context.Context, b *Bench) error {
	if err := t.start(ctx, b); err != nil {
		return fmt.Errorf("tier not there: %w", err)
	}
	return t.top.returned(ctx, t.mom, "*", eventTimeout, "m1", "m2")
}
