package scenario

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/saltern-io/saltern/internal/stock"
)

// usersJobs is a saltern syndic under a stock master of masters that lets it ask for jobs it missed. The answer names the
// user of a job, but not the rights (spec: relay-and-broker §3.2).
//
//	top 127.0.5.11 ──▶ a forwarder 127.0.5.13 ──▶ syndic + low 127.0.5.12 ──▶ m1
type usersJobs struct {
	column   *Column
	top, low *host
	way      link
	m1       *minion
	up       once
}

const usersWay = "127.0.5.13"

func usersGroup(c *Column) Group {
	u := &usersJobs{column: c}
	g := Group{Name: "saltern-relay, missed jobs of users", Steps: []Step{
		{Name: "joined", Run: u.start},
		{Name: "root's is run, a user's reported", Run: u.missed},
	}}
	if c.Saltern == nil {
		g.Skip = noSaltern
	}
	return g
}

func (u *usersJobs) start(ctx context.Context, b *Bench) error {
	return u.up.do(func() error { return u.build(ctx, b) })
}

func (u *usersJobs) build(ctx context.Context, b *Bench) error {
	var err error
	extra := append([]string{
		"order_masters: True", "auto_accept: True", "syndic_wait: 3", "peer_run: {'syn1': ['jobs.*']}", "external_auth: {auto: {ops: ['test.*']}}",
	}, u.column.oldMinions()...)
	if u.top, err = newHost(b, "t", "127.0.5.11", hostOptions{master: u.column.Salt, extra: extra}); err != nil {
		return err
	}
	if u.way, err = b.linkTo(usersWay, u.top); err != nil {
		return err
	}
	u.low, err = newHost(b, "l", "127.0.5.12", hostOptions{
		master: u.column.Salt, extra: u.column.oldMinions(), syndic: orNil(u.column.Saltern), sid: "syn1",
		through: []string{usersWay}, aboveRequest: u.top.request, abovePublish: u.top.publish,
	})
	if err != nil {
		return err
	}
	if u.m1, err = newMinion(u.low, u.column.Salt, "m1"); err != nil {
		return err
	}
	for _, start := range []func() error{
		func() error { return u.top.startMaster(ctx) },
		func() error { return u.low.startMaster(ctx) },
		u.low.startSyndic,
		func() error { return join(ctx, u.column.Salt, u.m1) },
	} {
		if err := start(); err != nil {
			return err
		}
	}
	if _, err := u.top.waitEvent(ctx, 0, "salt/syndic/syn1/start"); err != nil {
		return err
	}
	return u.top.complete(ctx, u.column.Salt, "m1")
}

// publish publishes a job of root, or of the user who may call test.* only.
func (u *usersJobs) publish(ctx context.Context, text string, as ...string) (job, error) {
	return u.top.publishJob(ctx, []string{"m1"}, append(as, "m1", "test.echo", text)...)
}

// missed publishes a job of each while the link is cut. The syndic finds both in the job list of the master of masters.
func (u *usersJobs) missed(ctx context.Context, b *Bench) error {
	if err := u.start(ctx, b); err != nil {
		return fmt.Errorf("syndic not there: %w", err)
	}
	user := []string{"-a", "auto", "--username", "ops", "--password", "any"}
	before, err := u.publish(ctx, "before the cut", user...)
	if err != nil {
		return err
	}
	if err := u.runs(ctx, before); err != nil {
		return fmt.Errorf("the user's job before the cut: %w", err)
	}
	if err := u.low.read(ctx); err != nil {
		return err
	}
	told := len(u.low.tally.missed)
	u.way.set(stock.Cut)
	roots, err := u.publish(ctx, "root's, into the cut")
	users, err2 := u.publish(ctx, "a user's, into the cut", user...)
	u.way.set(stock.Passing)
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	if _, _, err := u.top.publishUntil(ctx, func() error { return running(u.low.syndic) }, "m1", []string{"m1"}); err != nil {
		return err
	}
	if err := u.runs(ctx, roots); err != nil {
		return fmt.Errorf("root's job: %w", err)
	}
	if err := u.reported(ctx, told, users); err != nil {
		return err
	}
	starts, err := u.m1.starts()
	if err != nil {
		return err
	}
	if starts[users.jid] != 0 || starts[roots.jid] != 1 {
		return fmt.Errorf("the user's job ran %d times, root's %d times", starts[users.jid], starts[roots.jid])
	}
	b.note("root's job ran under its own id, the user's was reported by its id")
	return nil
}

// runs waits for the return of a job below.
func (u *usersJobs) runs(ctx context.Context, j job) error {
	return stock.Poll(ctx, "the job to run", recovery, func() error {
		if err := u.low.read(ctx); err != nil {
			return err
		}
		if len(u.low.tally.missing(j.jid, j.ids)) > 0 {
			return errIncomplete
		}
		return nil
	})
}

// reported waits for the report of a user's job, on the bus of the lower master.
func (u *usersJobs) reported(ctx context.Context, told int, j job) error {
	return stock.Poll(ctx, "the report of the user's job", recovery, func() error {
		if err := u.low.read(ctx); err != nil {
			return err
		}
		for _, event := range u.low.tally.missed[told:] {
			if event.Str("jid") != j.jid {
				continue
			}
			if reason := event.Str("reason"); !strings.Contains(reason, "a job of ops") {
				return fmt.Errorf("reported for the reason %q: %w", reason, stock.ErrGone)
			}
			return nil
		}
		return fmt.Errorf("%d other reports", len(u.low.tally.missed)-told)
	})
}
