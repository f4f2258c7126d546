package scenario

import (
	"context"
	"fmt"

	"github.com/saltern-io/saltern/internal/stock"
)

// levels is one master with a level-2 and a level-3 minion side by side.
type levels struct {
	column *Column
	master stock.Software
	old    *stock.Salt // the level-2 release

	host *host
	up   once
}

// levelGroups mix protocol levels at a stock and at a saltern master.
func levelGroups(c *Column) []Group {
	var old *stock.Salt
	for _, salt := range c.All {
		if salt.Level() < 3 {
			old = salt
		}
	}
	var groups []Group
	for _, master := range []stock.Software{c.Salt, orNil(c.Saltern)} {
		l := &levels{column: c, master: master, old: old}
		g := Group{Name: "levels at " + master.Label(), Steps: l.steps()}
		switch {
		case master.Label() == "saltern" && c.Saltern == nil:
			g.Skip = noSaltern
		case c.Salt.Level() < 3:
			g.Skip = "the release speaks level 2 itself"
		case old == nil:
			g.Skip = "no release of level 2 given"
		}
		groups = append(groups, g)
	}
	return groups
}

func (l *levels) steps() []Step {
	steps := []Step{{Name: "joined", Run: l.start}, l.asks(l.master)}
	if l.master.Label() != "stock" {
		steps = append(steps, l.asks(l.column.Salt))
	}
	return steps
}

func (l *levels) start(ctx context.Context, b *Bench) error {
	return l.up.do(func() error {
		var err error
		l.host, err = newHost(b, "m", "127.0.0.1", hostOptions{
			master: l.master, extra: []string{"minimum_auth_version: 0"},
		})
		if err != nil {
			return err
		}
		older, err := newMinion(l.host, l.old, "older")
		if err != nil {
			return err
		}
		newer, err := newMinion(l.host, l.column.Salt, "newer")
		if err != nil {
			return err
		}
		if err := l.host.startMaster(ctx); err != nil {
			return err
		}
		return join(ctx, l.master, older, newer)
	})
}

func (l *levels) asks(software stock.Software) Step {
	return Step{Name: software.Label() + "-salt/test.ping", Run: func(ctx context.Context, b *Bench) error {
		if err := l.start(ctx, b); err != nil {
			return fmt.Errorf("minions not there: %w", err)
		}
		return l.host.pinged(ctx, software, "*", "newer", "older")
	}}
}
