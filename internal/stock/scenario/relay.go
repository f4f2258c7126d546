package scenario

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"github.com/saltern-io/saltern/internal/stock"
)

// relayed is a stock master of masters whose publications take two ways to a syndic, stock or saltern, and the stock
// master and minion below it.
//
//	top 127.0.5.1 ──▶ a forwarder 127.0.5.5 ──▶ tap ──▶ Redis ──▶ outlet 127.0.5.4 ──▶ a forwarder 127.0.5.6 ──▶ syndic + low 127.0.5.2 ──▶ m1
//	      └──────────▶ direct way, a forwarder 127.0.5.3 ──▶    (mode both; requests go the direct way)
type relayed struct {
	column *Column
	syndic stock.Software

	top, low    *host
	direct      link
	tapWay      link
	lowWay      link
	redis       *redisServer
	tap, outlet *stock.Process
	outletDir   string
	m1          *minion
	up          once
	told        int // reports of the relay seen before the current step
}

const (
	relayDirect = "127.0.5.3"
	relayOutlet = "127.0.5.4"
	relayTapWay = "127.0.5.5"
	relayLowWay = "127.0.5.6"
	relayQuiet  = 10 * time.Second // without another job that ran or was reported, nothing more is to come
	relayStream = "mom"            // name of the stream, and in reports
)

func relayGroups(c *Column) []Group {
	var groups []Group
	for _, syndic := range []stock.Software{c.Salt, orNil(c.Saltern)} {
		r := &relayed{column: c, syndic: syndic}
		// The name has saltern in it: without it there is no relay.
		g := Group{Name: "saltern-relay before " + syndic.Label() + " syndic", Skip: noRedis(), Steps: []Step{
			{Name: "joined", Run: r.start},
			{Name: "syndic killed", Run: r.syndicKilled},
			{Name: "direct way cut", Run: r.directCut},
			{Name: "Redis killed", Run: r.redisKilled},
			{Name: "both ways cut", Run: r.bothCut},
			{Name: "outlet killed", Run: r.outletKilled},
			{Name: "tap restarted", Run: r.tapRestarted},
			{Name: "tap cut", Run: r.tapCut},
			{Name: "syndic's way cut", Run: r.lowCut},
		}}
		for i := range g.Steps {
			g.Steps[i].Limit = r.limit()
		}
		g.Steps = append(g.Steps, r.more()...)
		if c.Saltern == nil {
			g.Skip = noSaltern
		}
		groups = append(groups, g)
	}
	return append(groups, usersGroup(c))
}

// start brings everything up: keys accepted on both levels, and one job answered through the outlet.
func (r *relayed) start(ctx context.Context, b *Bench) error {
	return r.up.do(func() error { return r.build(ctx, b) })
}

func (r *relayed) build(ctx context.Context, b *Bench) error {
	if err := r.buildTop(ctx, b); err != nil {
		return err
	}
	if err := r.buildRelay(ctx, b); err != nil {
		return err
	}
	if err := r.low.startMaster(ctx); err != nil {
		return err
	}
	if err := r.low.startSyndic(); err != nil {
		return err
	}
	if err := join(ctx, r.column.Salt, r.m1); err != nil {
		return err
	}
	if err := r.top.waitPending(ctx, r.low.syndic, "syn1"); err != nil {
		return err
	}
	if _, err := r.top.accept(ctx, r.column.Salt, "syn1"); err != nil {
		return err
	}
	if _, err := r.top.waitEvent(ctx, 0, "salt/syndic/syn1/start"); err != nil {
		return err
	}
	return r.top.complete(ctx, r.column.Salt, "m1")
}

func (r *relayed) buildTop(ctx context.Context, b *Bench) error {
	var err error
	extra := append([]string{"order_masters: True", "syndic_wait: 3"}, r.column.oldMinions()...)
	if r.top, err = newHost(b, "t", "127.0.5.1", hostOptions{master: r.column.Salt, extra: extra}); err != nil {
		return err
	}
	if r.direct, err = b.linkTo(relayDirect, r.top); err != nil {
		return err
	}
	if r.tapWay, err = b.linkTo(relayTapWay, r.top); err != nil {
		return err
	}
	if r.redis, err = newRedis(b, r.top.address); err != nil {
		return err
	}
	if err := r.redis.start(ctx); err != nil {
		return err
	}
	return r.top.startMaster(ctx)
}

func (r *relayed) buildRelay(ctx context.Context, b *Bench) error {
	publish, err := stock.FreePort(relayOutlet)
	if err != nil {
		return err
	}
	request, err := stock.FreePort(relayOutlet)
	if err != nil {
		return err
	}
	r.low, err = newHost(b, "l", "127.0.5.2", hostOptions{
		master: r.column.Salt, extra: r.column.oldMinions(), syndic: r.syndic, sid: "syn1",
		through: []string{relayLowWay}, aboveRequest: request, abovePublish: publish,
	})
	if err != nil {
		return err
	}
	r.lowWay, err = b.linkTo(relayLowWay, &host{address: relayOutlet, publish: publish, request: request})
	if err != nil {
		return err
	}
	if r.m1, err = newMinion(r.low, r.column.Salt, "m1"); err != nil {
		return err
	}
	if err := r.startTap(b); err != nil {
		return err
	}
	r.outletDir, err = r.write(b, "outlet",
		fmt.Sprintf("outlets: [{master: %s, name: %s, master_publish_port: %d, master_ret_port: %d, interface: %s, publish_port: %d, ret_port: %d, mode: both}]",
			relayDirect, relayStream, r.top.publish, r.top.request, relayOutlet, publish, request),
		"event_dir: "+stock.SockDir(r.low.root))
	if err != nil {
		return err
	}
	return r.startOutlet(b)
}

// write makes the configuration directory of one relay.
func (r *relayed) write(b *Bench, name string, lines ...string) (string, error) {
	dir, err := b.subdir(name)
	if err != nil {
		return "", err
	}
	me, err := user.Current()
	if err != nil {
		return "", err
	}
	own := filepath.Join(dir, "r")
	lines = append([]string{
		"id: " + name, "user: " + me.Username, "log_level: info", "cachedir: " + filepath.Join(own, "cache"),
		"sock_dir: " + filepath.Join(own, "run"), "pidfile: " + filepath.Join(own, "pid"), "log_file: " + filepath.Join(own, "log"),
	}, append(lines, r.redis.options()...)...)
	return dir, errors.Join(os.MkdirAll(own, 0o700), os.WriteFile(filepath.Join(dir, "relay"), []byte(strings.Join(lines, "\n")+"\n"), 0o600))
}

func (r *relayed) startTap(b *Bench) error {
	dir, err := r.write(b, "tap", fmt.Sprintf("taps: [{master: %s, name: %s, publish_port: %d}]", relayTapWay, relayStream, r.top.publish))
	if err != nil {
		return err
	}
	r.tap, err = b.start("tap", r.column.Saltern, stock.Relay, dir)
	return err
}

func (r *relayed) startOutlet(b *Bench) error {
	var err error
	r.outlet, err = b.start("outlet", r.column.Saltern, stock.Relay, r.outletDir)
	return err
}

// begin is what every step does first.
func (r *relayed) begin(ctx context.Context, b *Bench) error {
	if err := r.start(ctx, b); err != nil {
		return fmt.Errorf("relay not there: %w", err)
	}
	if err := r.linked(ctx, b); err != nil {
		return err
	}
	if err := r.low.read(ctx); err != nil {
		return err
	}
	r.told = len(r.low.tally.missed)
	return nil
}

// relayStatus is the part of a relay's report that is looked at.
type relayStatus struct {
	Relay struct {
		Report *struct {
			Sections []struct {
				Links []struct {
					Name string
					Up   bool
				}
			}
		}
	} `json:"saltern-relay"`
}

// linked waits until all links of tap and outlet are up: what a step is about has to be all that is broken.
func (r *relayed) linked(ctx context.Context, b *Bench) error {
	return r.linkedIn(ctx, b, filepath.Join(b.Dir, "tap"), r.outletDir)
}

func (r *relayed) linkedIn(ctx context.Context, b *Bench, dirs ...string) error {
	for _, dir := range dirs {
		err := stock.Poll(ctx, "links of "+filepath.Base(dir), settleTimeout, func() error {
			result, err := b.run(ctx, r.column.Saltern, stock.Status, dir, "--json", "relay")
			if err != nil {
				return err
			}
			var got relayStatus
			if err := json.Unmarshal([]byte(result.Stdout), &got); err != nil || got.Relay.Report == nil {
				return fmt.Errorf("status of the relay: %w: %q, %q", err, result.Stdout, result.Stderr)
			}
			links := 0
			for _, section := range got.Relay.Report.Sections {
				for _, link := range section.Links {
					if links++; !link.Up {
						return fmt.Errorf("%s is not up", link.Name)
					}
				}
			}
			if links == 0 {
				return errors.New("no link in the status")
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// relayCut is how long things are away.
func (r *relayed) relayCut() time.Duration {
	if r.column.Long {
		return time.Minute
	}
	return cutFor
}

// around publishes before a fault, into it and after it. during says what has to hold while it lasts.
func (r *relayed) around(ctx context.Context, b *Bench, breaks, mends func() error, during func(context.Context, []job) error) ([]job, error) {
	if err := r.begin(ctx, b); err != nil {
		return nil, err
	}
	n := 3
	if r.column.Long {
		n = 33
	}
	all, err := r.publishes(ctx, n)
	if err != nil {
		return nil, err
	}
	if err := r.allRan(ctx, all); err != nil {
		return nil, fmt.Errorf("before: %w", err)
	}
	if err := breaks(); err != nil {
		return nil, err
	}
	over := time.After(r.relayCut())
	into, err := r.publishes(ctx, n)
	if err == nil && during != nil {
		if err = during(ctx, into); err != nil {
			err = fmt.Errorf("meanwhile: %w", err)
		}
	}
	if err != nil {
		return nil, errors.Join(err, mends())
	}
	select {
	case <-over:
	case <-ctx.Done():
	}
	if err := mends(); err != nil {
		return nil, err
	}
	after, err := r.publishes(ctx, n)
	if err != nil {
		return nil, err
	}
	return append(append(all, into...), after...), r.accounted(ctx, b, append(append(all, into...), after...))
}

func (r *relayed) cut() error {
	r.direct.set(stock.Cut)
	return nil
}

func (r *relayed) heal() error {
	r.direct.set(stock.Passing)
	return nil
}

// directCut takes the direct way: the stream brings the jobs meanwhile. Returns wait, as requests go that way; a stock
// syndic may have given up on them.
func (r *relayed) directCut(ctx context.Context, b *Bench) error {
	jobs, err := r.around(ctx, b, r.cut, r.heal, r.allRan)
	if err != nil || r.syndic.Label() == "stock" {
		return err
	}
	return r.answered(ctx, jobs)
}

// redisKilled takes Redis: the direct link brings the jobs meanwhile, and their returns arrive.
func (r *relayed) redisKilled(ctx context.Context, b *Bench) error {
	jobs, err := r.around(ctx, b, r.redis.kill, func() error { return r.redis.start(ctx) }, r.allRan)
	if err != nil {
		return err
	}
	return r.answered(ctx, jobs)
}

// bothCut takes both ways: the tap writes later what it heard meanwhile.
func (r *relayed) bothCut(ctx context.Context, b *Bench) error {
	_, err := r.around(ctx, b,
		func() error { return errors.Join(r.cut(), r.redis.kill()) },
		func() error { return errors.Join(r.redis.start(ctx), r.heal()) }, nil)
	return err
}

// outletKilled kills the outlet: it goes on from its position.
func (r *relayed) outletKilled(ctx context.Context, b *Bench) error {
	_, err := r.around(ctx, b, func() error { return r.outlet.Kill() }, func() error { return r.startOutlet(b) }, nil)
	return err
}

// tapRestarted stops the tap; the direct link brings the jobs meanwhile.
func (r *relayed) tapRestarted(ctx context.Context, b *Bench) error {
	_, err := r.around(ctx, b, func() error { return b.stop(r.tap) }, func() error { return r.startTap(b) }, r.allRan)
	return err
}

// tapCut takes the tap's way to the master; the direct link brings the jobs meanwhile.
func (r *relayed) tapCut(ctx context.Context, b *Bench) error {
	_, err := r.around(ctx, b,
		func() error { r.tapWay.set(stock.Cut); return nil }, func() error { r.tapWay.set(stock.Passing); return nil }, r.allRan)
	return err
}

// lowCut cuts the subscription between outlet and syndic, which then subscribes anew: what it had is not run again.
func (r *relayed) lowCut(ctx context.Context, b *Bench) error {
	jobs, err := r.around(ctx, b,
		func() error { r.lowWay.set(stock.Cut); return nil }, func() error { r.lowWay.set(stock.Passing); return nil }, nil)
	if err != nil {
		return err
	}
	return r.allRan(ctx, jobs[2*len(jobs)/3:])
}

// syndicKilled replaces the process of the syndic: the next one did not make the key itself, as the first one did. Reports of
// what the first one may not have read are no excuse for what the next one gets.
func (r *relayed) syndicKilled(ctx context.Context, b *Bench) error {
	jobs, err := r.around(ctx, b, func() error { return r.low.syndic.Kill() }, func() error {
		position := r.top.bus.Len()
		if err := r.low.startSyndic(); err != nil {
			return err
		}
		_, err := r.top.waitEvent(ctx, position, "salt/syndic/syn1/start")
		return err
	}, nil)
	if err != nil {
		return err
	}
	return r.allRan(ctx, jobs[2*len(jobs)/3:])
}
