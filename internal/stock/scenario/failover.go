package scenario

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/saltern-io/saltern/internal/stock"
)

// failover is two masters with one key pair and one stock minion that has both in its list.
//
//	127.0.3.1 ─ link ─▶ 127.0.2.1  first master     same two ports everywhere: the liveness check of a minion
//	                    127.0.2.2  second master    looks for one publish port (spec: multi-master §3.2)
//	m1: master: [127.0.3.1, 127.0.2.2]
type failover struct {
	column *Column
	soft   [2]stock.Software
	signed bool // each master has a key pair of its own, signed by one key that the minion checks

	hosts  [2]*host
	line   link // between the minion and the first master
	list   [2]string
	m      *minion
	joined once
}

// aliveInterval is the minion's master_alive_interval in seconds.
const aliveInterval = 2

// observed is how long a step looks whether a minion stays where it is.
const observed = 15 * time.Second

// failoverGroups are the pairs of masters: stock and saltern in both orders, and saltern twice.
func failoverGroups(c *Column) []Group {
	our := orNil(c.Saltern)
	var groups []Group
	for _, pair := range [][2]stock.Software{{c.Salt, our}, {our, c.Salt}, {our, our}} {
		f, s := &failover{column: c, soft: pair}, &failover{column: c, soft: pair, signed: true}
		names := fmt.Sprintf("%s to %s", pair[0].Label(), pair[1].Label())
		for _, g := range []Group{{Name: "failover " + names, Steps: f.steps()}, {Name: "failover signed " + names, Steps: s.signedSteps()}} {
			if c.Saltern == nil {
				g.Skip = noSaltern
			}
			groups = append(groups, g)
		}
	}
	return groups
}

func (f *failover) steps() []Step {
	return []Step{
		{Name: "master stopped", Run: f.masterStopped},
		{Name: "master killed", Run: f.masterKilled},
		{Name: "master frozen", Run: f.masterFrozen},
		{Name: "link silent", Run: f.linkSilent},
		{Name: "key deleted", Run: f.keyDeleted},
		{Name: "master key changed", Run: f.keyChanged},
		{Name: "failback", Run: f.failback},
		{Name: "shuffled", Run: f.shuffled},
		{Name: "hot", Run: f.hot},
	}
}

// build brings both masters up with the same keys, the minion accepted.
func (f *failover) build(ctx context.Context, b *Bench) error {
	return f.joined.do(func() error {
		if err := f.makeHosts(b); err != nil {
			return err
		}
		if f.signed {
			if err := f.shareSigningKey(); err != nil {
				return err
			}
		}
		if err := f.hosts[0].startMaster(ctx); err != nil {
			return err
		}
		if err := f.startMinion(f.base()...); err != nil {
			return err
		}
		if err := f.hosts[0].waitPending(ctx, f.m.process, f.m.id); err != nil {
			return err
		}
		if _, err := f.hosts[0].accept(ctx, f.soft[0], f.m.id); err != nil {
			return err
		}
		if err := copyKeys(f.hosts[0], f.hosts[1]); err != nil {
			return err
		}
		if f.signed {
			if err := f.hosts[1].ownMasterKey(); err != nil {
				return err
			}
		}
		return f.hosts[1].startMaster(ctx)
	})
}

func (f *failover) makeHosts(b *Bench) error {
	publish, err := stock.FreePort("")
	if err != nil {
		return err
	}
	request, err := stock.FreePort("")
	if err != nil {
		return err
	}
	addresses := [2]string{"127.0.2.1", "127.0.2.2"}
	for i, name := range []string{"a", "b"} {
		extra := f.column.oldMinions()
		if f.signed {
			extra = append(extra, "master_sign_pubkey: True")
		}
		if f.soft[i].Label() == "saltern" {
			extra = append(extra, "saltern_pending_reply: full")
		}
		f.hosts[i], err = newHost(b, name, addresses[i], hostOptions{
			master: f.soft[i], publish: publish, request: request, extra: extra,
		})
		if err != nil {
			return err
		}
	}
	f.list = [2]string{"127.0.3.1", addresses[1]}
	open := func(port int) (*stock.Link, error) {
		return b.link(fmt.Sprintf("%s:%d", f.list[0], port), fmt.Sprintf("%s:%d", addresses[0], port))
	}
	if f.line.publish, err = open(publish); err != nil {
		return err
	}
	if f.line.request, err = open(request); err != nil {
		return err
	}
	dir, err := b.subdir("m1")
	f.m = &minion{id: "m1", above: f.hosts[0], salt: f.column.Salt, configDir: filepath.Join(dir, "c")}
	return err
}

// base are the minion's options of a failover list, in the order given.
func (f *failover) base(more ...string) []string {
	if f.signed {
		more = append(more, "verify_master_pubkey_sign: True")
	}
	return append([]string{
		"master: [" + strings.Join(f.list[:], ", ") + "]", "master_type: failover",
		fmt.Sprintf("master_port: %d", f.hosts[0].request), fmt.Sprintf("master_alive_interval: %d", aliveInterval),
		"master_tries: -1", "retry_dns: 0", "auth_timeout: 3",
	}, more...)
}

// startMinion starts the minion anew with these options; one that runs is killed.
func (f *failover) startMinion(options ...string) error {
	if f.m.process != nil {
		if err := f.m.process.Kill(); err != nil {
			return err
		}
	}
	root := filepath.Join(filepath.Dir(f.m.configDir), "r")
	// A killed minion's children may be unreaped for a while, and its successor takes them for a running minion.
	pidFiles, err := filepath.Glob(filepath.Join(root, "var/run/*.pid"))
	if err != nil {
		return err
	}
	for _, path := range pidFiles {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	err = stock.MinionConfig{
		Root: root, ID: f.m.id, PublishPort: f.hosts[0].publish, Extra: options,
	}.Write(f.m.configDir)
	if err != nil {
		return err
	}
	return f.m.start()
}

// ready starts everything that does not run and the minion anew, and returns when the first master has it.
func (f *failover) ready(ctx context.Context, b *Bench, options ...string) error {
	if err := f.masters(ctx, b); err != nil {
		return err
	}
	position, tag := f.hosts[0].bus.Len(), f.startTag()
	if err := f.startMinion(f.base(options...)...); err != nil {
		return err
	}
	// Longer than a start: on a busy machine a sign-in can take the minion more than its auth_timeout, and it goes
	// round its list until one is in time.
	_, err := f.hosts[0].bus.Wait(ctx, tag, position, 2*startTimeout, func(e stock.Event) bool { return e.Tag == tag })
	if err != nil {
		return err
	}
	return f.served(ctx, 0)
}

// masters has both masters running over a line that carries.
func (f *failover) masters(ctx context.Context, b *Bench) error {
	if err := f.build(ctx, b); err != nil {
		return fmt.Errorf("masters and minion not there: %w", err)
	}
	f.line.set(stock.Passing)
	for _, h := range f.hosts {
		if running(h.master) == nil && h.listen(ctx) == nil {
			continue
		}
		if err := h.startMaster(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (f *failover) startTag() string { return "salt/minion/" + f.m.id + "/start" }

// served waits until the minion returns a job of master i.
func (f *failover) served(ctx context.Context, i int) error {
	return stock.Poll(ctx, "a return at "+f.hosts[i].name, settleTimeout, func() error {
		return f.hosts[i].returned(ctx, f.soft[i], f.m.id, 2*time.Second, f.m.id)
	})
}

// moved waits for the minion at master i, and notes how long after begun it came and returned a job.
func (f *failover) moved(ctx context.Context, b *Bench, i, position int, begun time.Time, what string) error {
	if _, err := f.hosts[i].waitEvent(ctx, position, f.startTag()); err != nil {
		return err
	}
	came := time.Since(begun)
	if err := f.served(ctx, i); err != nil {
		return err
	}
	again := time.Since(begun)
	b.measured("%.1fs", again.Seconds())
	b.note("%s: the minion announces itself at the other master after %.1f s, a job is returned after %.1f s", what, came.Seconds(), again.Seconds())
	return nil
}

// stays reports whether the minion is not seen at master i for the time observed.
func (f *failover) stays(ctx context.Context, i, position int) (bool, error) {
	tag := f.startTag()
	_, err := f.hosts[i].bus.Wait(ctx, tag, position, observed, func(e stock.Event) bool { return e.Tag == tag })
	if err == nil {
		return false, nil
	}
	if isTimeout(err) && ctx.Err() == nil {
		return true, nil
	}
	return false, err
}
