package scenario

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/saltern-io/saltern/internal/stock"
)

func isTimeout(err error) bool { return errors.Is(err, stock.ErrTimeout) }

// masterStopped is SIGTERM: the minion goes to the second master.
func (f *failover) masterStopped(ctx context.Context, b *Bench) error {
	if err := f.ready(ctx, b); err != nil {
		return err
	}
	position, begun := f.hosts[1].bus.Len(), time.Now()
	ended := make(chan error, 1)
	go func() { ended <- b.stop(f.hosts[0].master) }()
	err := f.moved(ctx, b, 1, position, begun, "SIGTERM")
	return errors.Join(err, <-ended)
}

// masterKilled is SIGKILL.
func (f *failover) masterKilled(ctx context.Context, b *Bench) error {
	if err := f.ready(ctx, b); err != nil {
		return err
	}
	position, begun := f.hosts[1].bus.Len(), time.Now()
	if err := f.hosts[0].master.Kill(); err != nil {
		return err
	}
	return f.moved(ctx, b, 1, position, begun, "SIGKILL")
}

// masterFrozen is SIGSTOP: the connections stay open, and a stock minion has no way to tell (spec: multi-master §3).
func (f *failover) masterFrozen(ctx context.Context, b *Bench) error {
	if err := f.ready(ctx, b); err != nil {
		return err
	}
	group := -f.hosts[0].master.PID()
	if err := syscall.Kill(group, syscall.SIGSTOP); err != nil {
		return err
	}
	return f.unseen(ctx, b, "SIGSTOP", func() error { return syscall.Kill(group, syscall.SIGCONT) })
}

// linkSilent is a link that carries nothing and closes nothing.
func (f *failover) linkSilent(ctx context.Context, b *Bench) error {
	if err := f.ready(ctx, b); err != nil {
		return err
	}
	f.line.set(stock.Silent)
	return f.unseen(ctx, b, "silent link", func() error { f.line.set(stock.Passing); return nil })
}

// unseen looks whether the minion leaves a master that says nothing, ends the disturbance, and has it served again.
func (f *failover) unseen(ctx context.Context, b *Bench, what string, heal func() error) error {
	stays, err := f.stays(ctx, 1, f.hosts[1].bus.Len())
	begun := time.Now()
	if err := errors.Join(err, heal()); err != nil {
		return err
	}
	if !stays {
		b.note("%s: the minion left within %s", what, observed)
		return f.served(ctx, 1)
	}
	if err := f.served(ctx, 0); err != nil {
		return err
	}
	b.measured("stays %.1fs", time.Since(begun).Seconds())
	b.note("%s: the minion does not leave within %s; a job is returned %.1f s after the end of it", what, observed, time.Since(begun).Seconds())
	return nil
}

// keyDeleted deletes the minion's key at the first master while it is there. What the minion does depends on the
// answer to its next sign-in: "pending" holds it for ever, "full" does not.
func (f *failover) keyDeleted(ctx context.Context, b *Bench) error {
	if err := f.ready(ctx, b); err != nil {
		return err
	}
	defer func() {
		// What the next step finds, whatever became of this one.
		if err := copyKeys(f.hosts[1], f.hosts[0]); err != nil {
			b.note("keys not restored: %v", err)
		}
	}()
	position, begun := f.hosts[1].bus.Len(), time.Now()
	if _, err := b.run(ctx, f.soft[0], stock.Key, f.hosts[0].configDir, "-y", "-d", f.m.id); err != nil {
		return err
	}
	// A publication shows the minion that its keys are no longer the master's.
	if _, err := b.run(ctx, f.soft[0], stock.Command, f.hosts[0].configDir, "--async", "*", "test.ping"); err != nil {
		return err
	}
	stays, err := f.stays(ctx, 1, position)
	if err != nil {
		return err
	}
	if !stays {
		return f.moved(ctx, b, 1, position, begun, "key deleted")
	}
	b.measured("stays")
	b.note("key deleted: the running minion does not leave within %s", observed)
	// Started again, it asks the first master first.
	if err := f.startMinion(f.base()...); err != nil {
		return err
	}
	begun = time.Now()
	stays, err = f.stays(ctx, 1, position)
	if err != nil {
		return err
	}
	full := f.soft[0].Label() == "saltern"
	switch {
	case stays && full:
		return fmt.Errorf("the minion was not sent on by saltern_pending_reply: full")
	case stays:
		b.note("key deleted, minion restarted: held by the pending key")
		return nil
	case !full:
		return fmt.Errorf("the minion left a stock master with a pending key")
	}
	return f.moved(ctx, b, 1, position, begun, "key deleted, minion restarted, pending_reply full")
}

// keyChanged gives the first master another key pair: the minion refuses it and takes the second one.
func (f *failover) keyChanged(ctx context.Context, b *Bench) error {
	if err := f.ready(ctx, b); err != nil {
		return err
	}
	if err := b.stop(f.hosts[0].master); err != nil {
		return err
	}
	restore, err := f.hosts[0].otherMasterKey()
	if err != nil {
		return err
	}
	again := func() error {
		return errors.Join(b.stop(f.hosts[0].master), restore())
	}
	if err := f.masters(ctx, b); err != nil {
		return errors.Join(err, again())
	}
	position, begun := f.hosts[1].bus.Len(), time.Now()
	if err := f.startMinion(f.base()...); err != nil {
		return errors.Join(err, again())
	}
	return errors.Join(f.moved(ctx, b, 1, position, begun, "first master with another key"), again())
}

// failback has the minion return to the first master once that answers again.
func (f *failover) failback(ctx context.Context, b *Bench) error {
	if err := f.ready(ctx, b, "master_failback: True", "master_failback_interval: 3"); err != nil {
		return err
	}
	position := f.hosts[1].bus.Len()
	if err := f.hosts[0].master.Kill(); err != nil {
		return err
	}
	if _, err := f.hosts[1].waitEvent(ctx, position, f.startTag()); err != nil {
		return err
	}
	if err := f.hosts[0].startMaster(ctx); err != nil {
		return err
	}
	return f.moved(ctx, b, 0, 0, time.Now(), "failback")
}

// shuffled starts the minion with its list in any order, under the name of either generation.
func (f *failover) shuffled(ctx context.Context, b *Bench) error {
	if err := f.masters(ctx, b); err != nil {
		return err
	}
	for _, option := range []string{"random_master: True", "master_shuffle: True"} {
		positions := [2]int{f.hosts[0].bus.Len(), f.hosts[1].bus.Len()}
		if err := f.startMinion(f.base(option)...); err != nil {
			return err
		}
		came := -1
		err := stock.Poll(ctx, "the minion at either master", startTimeout, func() error {
			for i, h := range f.hosts {
				for _, e := range h.bus.Since(positions[i]) {
					if e.Tag == f.startTag() {
						came = i
						return nil
					}
				}
			}
			return errors.New("not seen yet")
		})
		if err == nil {
			err = f.served(ctx, came)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", option, err)
		}
		b.note("%s: served by master %d of the list", option, came+1)
	}
	return nil
}

// hot has the minion at both masters at once; one is killed and comes back.
func (f *failover) hot(ctx context.Context, b *Bench) error {
	if err := f.masters(ctx, b); err != nil {
		return err
	}
	err := f.startMinion("master: ["+f.list[0]+", "+f.list[1]+"]", "master_type: str",
		fmt.Sprintf("master_port: %d", f.hosts[0].request), "retry_dns: 0", "auth_timeout: 3")
	if err != nil {
		return err
	}
	for i := range f.hosts {
		if err := f.served(ctx, i); err != nil {
			return err
		}
	}
	if err := f.hosts[0].master.Kill(); err != nil {
		return err
	}
	begun := time.Now()
	if err := f.served(ctx, 1); err != nil {
		return err
	}
	b.note("hot: a job of the other master is returned %.1f s after the first was killed", time.Since(begun).Seconds())
	if err := f.hosts[0].startMaster(ctx); err != nil {
		return err
	}
	begun = time.Now()
	if err := f.served(ctx, 0); err != nil {
		return err
	}
	b.measured("%.1fs", time.Since(begun).Seconds())
	b.note("hot: a job of the first one is returned %.1f s after it serves again", time.Since(begun).Seconds())
	return nil
}
