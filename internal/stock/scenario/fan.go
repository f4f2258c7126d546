package scenario

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/saltern-io/saltern/internal/stock"
)

// fan is several masters of masters over several syndics, with a link that can be disturbed between each two.
//
//	127.0.0.1  t0   127.0.0.2  t1            masters of masters, all with the same two ports
//	      ╲  ╱            127.0.1.1 …        links: 127.0.<1+low>.<1+top>, the ports of the tops
//	127.0.0.11 l0   127.0.0.12 l1            syndic + master
//	m1 m2 s0-…      m3 m4 s1-…               stock minions, simulated minions
//
// The tops share their ports because a stock syndic knows one publish port (spec: syndic §2).
type fan struct {
	column  *Column
	moms    []stock.Software
	syndic  stock.Software
	master  stock.Software
	lowered int  // lower masters
	minions int  // stock minions below each
	swarm   int  // simulated minions below each
	peerRun bool // the syndics may ask stock masters of masters for missed jobs (spec: relay-and-broker §3.2)
	jitter  time.Duration
	wait    int // syndic_wait, seconds

	tops, lows []*host
	links      [][]link // by low and top
	m          []*minion
	up         once
	excused    map[string]bool // "jid/id" of returns that a stock lower master never had
}

// link is the two connections between a syndic and a master of masters.
type link struct{ publish, request *stock.Link }

func (l link) set(mode stock.LinkMode) {
	l.publish.Set(mode)
	l.request.Set(mode)
}

func (l link) impair(delay time.Duration, loss float64) {
	l.publish.Impair(delay, loss)
	l.request.Impair(delay, loss)
}

func (f *fan) name() string {
	labels := make([]string, len(f.moms))
	for i, mom := range f.moms {
		labels[i] = mom.Label()
	}
	return strings.Join(labels, ",") + " over " + f.syndic.Label() + "+" + f.master.Label()
}

// skip is why the group does not apply.
func (f *fan) skip() string {
	ours := f.swarm > 0 || strings.Contains(f.name(), "saltern")
	switch {
	case f.column.Saltern == nil && ours:
		return noSaltern
	case !f.column.Long && !f.column.outermost():
		return "neither the first nor the last release given: in the long form only"
	}
	return ""
}

// outermost tells whether the column's release is the first or the last of those given.
func (c *Column) outermost() bool {
	return len(c.All) == 0 || c.Salt == c.All[0] || c.Salt == c.All[len(c.All)-1]
}

// stockSyndic tells that what the syndic loses is its own fault.
func (f *fan) stockSyndic() bool { return f.syndic.Label() == "stock" }

// start brings everything up, until a job of every top is returned by every minion.
func (f *fan) start(ctx context.Context, b *Bench) error {
	err := f.up.do(func() error { return f.build(ctx, b) })
	if err != nil {
		return fmt.Errorf("tier not there: %w", err)
	}
	return nil
}

func (f *fan) build(ctx context.Context, b *Bench) error {
	for _, stage := range []func(context.Context, *Bench) error{
		f.makeTops, f.makeLows, f.startTops, f.startLows, f.joinAll,
	} {
		if err := stage(ctx, b); err != nil {
			return err
		}
	}
	return f.works(ctx)
}

func (f *fan) makeTops(_ context.Context, b *Bench) error {
	publish, err := stock.FreePort("")
	if err != nil {
		return err
	}
	request, err := stock.FreePort("")
	if err != nil {
		return err
	}
	extra := []string{"order_masters: True", "auto_accept: True", fmt.Sprintf("syndic_wait: %d", max(1, f.wait))}
	if f.peerRun {
		extra = append(extra, "peer_run: {'syn.*': ['jobs.*']}")
	}
	for i, mom := range f.moms {
		top, err := newHost(b, "t"+strconv.Itoa(i), fmt.Sprintf("127.0.0.%d", 1+i), hostOptions{
			master: mom, publish: publish, request: request, extra: append(extra, f.column.oldMinions()...),
		})
		if err != nil {
			return err
		}
		f.tops = append(f.tops, top)
	}
	return nil
}

func (f *fan) makeLows(_ context.Context, b *Bench) error {
	extra := append([]string{"auto_accept: True"}, f.column.oldMinions()...)
	for i := range f.lowered {
		var (
			row     []link
			through []string
		)
		for j, top := range f.tops {
			address := fmt.Sprintf("127.0.%d.%d", 1+i, 1+j)
			made, err := b.linkTo(address, top)
			if err != nil {
				return err
			}
			row, through = append(row, made), append(through, address)
		}
		low, err := newHost(b, "l"+strconv.Itoa(i), fmt.Sprintf("127.0.0.%d", 11+i), hostOptions{
			master: f.master, syndic: f.syndic, sid: f.sid(i), extra: extra,
			through: through, aboveRequest: f.tops[0].request, abovePublish: f.tops[0].publish,
		})
		if err != nil {
			return err
		}
		f.lows, f.links = append(f.lows, low), append(f.links, row)
		for range f.minions {
			m, err := newMinion(low, f.column.Salt, "m"+strconv.Itoa(len(f.m)+1))
			if err != nil {
				return err
			}
			f.m = append(f.m, m)
		}
	}
	return nil
}

// linkTo makes both connections to a top pass through address.
func (b *Bench) linkTo(address string, top *host) (l link, err error) {
	for port, to := range map[int]**stock.Link{top.publish: &l.publish, top.request: &l.request} {
		text := strconv.Itoa(port)
		if *to, err = b.link(net.JoinHostPort(address, text), net.JoinHostPort(top.address, text)); err != nil {
			return l, err
		}
	}
	return l, nil
}

func (f *fan) sid(low int) string { return "syn" + strconv.Itoa(low+1) }

// startTops starts the masters of masters. Those above a stock syndic share one key pair, because it keeps
// one for all of them (spec: syndic §3).
func (f *fan) startTops(ctx context.Context, _ *Bench) error {
	for i, top := range f.tops {
		if i > 0 && f.stockSyndic() {
			if err := shareKeys(f.tops[0], top); err != nil {
				return err
			}
		}
		if err := top.startMaster(ctx); err != nil {
			return err
		}
	}
	return nil
}

func shareKeys(from, to *host) error {
	dir := stock.PKIDir(to.root)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, name := range []string{"master.pem", "master.pub"} {
		text, err := os.ReadFile(filepath.Join(stock.PKIDir(from.root), name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o400); err != nil {
			return err
		}
	}
	return nil
}

func (f *fan) startLows(ctx context.Context, b *Bench) error {
	for i, low := range f.lows {
		if err := low.startMaster(ctx); err != nil {
			return err
		}
		if err := low.startSyndic(); err != nil {
			return err
		}
		if f.swarm == 0 {
			continue
		}
		if err := low.startSwarm(f.swarmPrefix(i), f.swarm, f.column.Salt.Level(), f.jitter); err != nil {
			return err
		}
	}
	for _, m := range f.m {
		if err := m.start(); err != nil {
			return err
		}
	}
	return nil
}

// joinAll waits for every start event.
func (f *fan) joinAll(ctx context.Context, b *Bench) error {
	for i := range f.lows {
		for _, top := range f.tops {
			if _, err := top.waitEvent(ctx, 0, "salt/syndic/"+f.sid(i)+"/start"); err != nil {
				return err
			}
		}
	}
	for _, m := range f.m {
		if _, err := m.above.waitEvent(ctx, 0, "salt/minion/"+m.id+"/start"); err != nil {
			return err
		}
	}
	for _, low := range f.lows {
		if f.swarm == 0 {
			break
		}
		// A stock master signs in a few a second, on a busy machine one or two.
		patience := startTimeout + min(time.Duration(f.swarm)*time.Second/2, 3*time.Minute)
		err := stock.Poll(ctx, "simulated minions below "+low.name, patience, func() error {
			if err := running(low.swarm); err != nil {
				return err
			}
			_, err := os.Stat(low.swarmReady())
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// works waits until a job of every top has been returned by every stock minion, and one by every simulated.
func (f *fan) works(ctx context.Context) error {
	for _, top := range f.tops {
		ids := f.stockIDs()
		target := "m*"
		if len(ids) == 0 {
			ids, target = f.swarmIDs(0), "s0-*"
		}
		if _, err := top.untilComplete(ctx, f.alive, target, ids); err != nil {
			return err
		}
	}
	return nil
}

func (f *fan) stockIDs() []string {
	ids := make([]string, len(f.m))
	for i, m := range f.m {
		ids[i] = m.id
	}
	return ids
}

func (f *fan) swarmPrefix(low int) string { return "s" + strconv.Itoa(low) + "-" }

// swarmIDs are the simulated minions below one lower master.
func (f *fan) swarmIDs(low int) []string {
	ids := make([]string, f.swarm)
	for i := range ids {
		ids[i] = fmt.Sprintf("%s%05d", f.swarmPrefix(low), i)
	}
	return ids
}

var errIncomplete = errors.New("returns are missing")
