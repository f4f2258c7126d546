package scenario

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/saltern-io/saltern/internal/stock"
)

// exported is a saltern master that exports its jobs to Redis, two stock minions, and a stock salt-run that reads the
// same Redis.
//
//	saltern master 127.0.6.1 ──export──▶ Redis ◀──redis returner── stock salt-run jobs.…
//	  └ m1, m2           └ ext: minions write their returns there themselves
type exported struct {
	column *Column
	reader *stock.Salt
	option string // master_job_cache, or ext_job_cache

	host    *host
	redis   *redisServer
	minions [2]*minion
	up      once
}

const (
	exportBefore = 3
	exportInto   = 10 // jobs while Redis is away
)

// redisModules are what a stock reader of Redis needs. 3008 has left the returner to an extension (spec: job-cache §3).
var redisModules = []string{"redis", "salt.returners.redis_return"}

func exportGroups(c *Column) []Group {
	var groups []Group
	for _, option := range []string{"master_job_cache", "ext_job_cache"} {
		e := &exported{column: c, option: option}
		g := Group{Name: "saltern " + option + " in Redis", Skip: e.skip(), Steps: []Step{
			{Name: "jobs", Run: e.before},
			{Name: "Redis killed", Run: e.outage},
			{Name: "master killed in the outage", Run: e.masterKilled},
		}}
		if g.Skip == "" && option == "ext_job_cache" {
			g.Steps[2].Skip = "minions write their returns themselves: nothing waits at the master"
		}
		groups = append(groups, g)
	}
	return groups
}

// skip is why the group does not apply. It finds the release that reads: the column's, or another one that can.
func (e *exported) skip() string {
	switch {
	case e.column.Saltern == nil:
		return noSaltern
	case noRedis() != "":
		return noRedis()
	}
	candidates := []*stock.Salt{e.column.Salt}
	if e.option == "master_job_cache" {
		candidates = append(candidates, e.column.All...)
	}
	for _, s := range candidates {
		if s.CanImport(context.Background(), redisModules...) {
			e.reader = s
			return ""
		}
	}
	return "no Redis returner, or no Python module redis"
}

func (e *exported) start(ctx context.Context, b *Bench) error {
	return e.up.do(func() error {
		var err error
		if e.redis, err = newRedis(b, "127.0.6.1"); err != nil {
			return err
		}
		if err := e.redis.start(ctx); err != nil {
			return err
		}
		extra := append(append(e.column.oldMinions(), e.redis.options()...), e.option+": redis")
		if e.host, err = newHost(b, "m", "127.0.6.1", hostOptions{master: e.column.Saltern, extra: extra}); err != nil {
			return err
		}
		for i := range e.minions {
			if e.minions[i], err = e.minion(fmt.Sprintf("m%d", i+1)); err != nil {
				return err
			}
		}
		if err := e.host.startMaster(ctx); err != nil {
			return err
		}
		if err := join(ctx, e.column.Saltern, e.minions[:]...); err != nil {
			return err
		}
		return e.host.complete(ctx, e.column.Saltern, "m1", "m2")
	})
}

// minion makes a minion that knows the server, for ext_job_cache.
func (e *exported) minion(id string) (*minion, error) {
	m, err := newMinion(e.host, e.column.Salt, id)
	if err != nil {
		return nil, err
	}
	dir, err := e.host.bench.subdir(id)
	if err != nil {
		return nil, err
	}
	return m, stock.MinionConfig{
		Root: dir + "/r", ID: id, Master: e.host.address, RequestPort: e.host.request, Extra: e.redis.options(),
	}.Write(m.configDir)
}

// publishes publishes jobs and waits for all their returns at the master.
func (e *exported) publishes(ctx context.Context, n int, text string) ([]job, error) {
	var jobs []job
	for range n {
		j, err := e.host.publishJob(ctx, []string{"m1", "m2"}, "m*", "test.echo", text)
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, j)
	}
	return jobs, stock.Poll(ctx, "every return", settleTimeout, func() error {
		if err := e.host.read(ctx); err != nil {
			return err
		}
		for _, j := range jobs {
			if left := e.host.tally.missing(j.jid, j.ids); len(left) > 0 {
				return fmt.Errorf("job %s: %v missing", j.jid, left)
			}
		}
		return nil
	})
}

// runner has the stock reader run a function of the runner jobs; the result is an object in JSON.
func (e *exported) runner(ctx context.Context, args ...string) (map[string]any, error) {
	result, err := e.host.bench.run(ctx, e.reader, stock.Runner, e.host.configDir, append([]string{"--out", "json"}, args...)...)
	if err != nil {
		return nil, err
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(result.Stdout), &got); err != nil {
		return nil, fmt.Errorf("salt-run %v: %w: %q, %q", args, err, result.Stdout, result.Stderr)
	}
	return got, nil
}

// listed wants every job in jobs.list_jobs as it was published.
func (e *exported) listed(ctx context.Context, jobs []job) error {
	return stock.Poll(ctx, "every job in jobs.list_jobs", settleTimeout, func() error {
		all, err := e.runner(ctx, "jobs.list_jobs")
		if err != nil {
			return err
		}
		for _, j := range jobs {
			one, _ := all[j.jid].(map[string]any)
			if one["Function"] != "test.echo" || one["Target"] != "m*" || one["Target-type"] != "glob" {
				return fmt.Errorf("job %s of %d is listed as %v", j.jid, len(jobs), one)
			}
		}
		return nil
	})
}

// complete wants the returns of both minions in jobs.lookup_jid.
func (e *exported) complete(ctx context.Context, jobs []job, text string) error {
	for _, j := range jobs {
		err := stock.Poll(ctx, "jobs.lookup_jid "+j.jid, settleTimeout, func() error {
			got, err := e.runner(ctx, "jobs.lookup_jid", j.jid)
			if err == nil && (got["m1"] != text || got["m2"] != text) {
				err = fmt.Errorf("it says %v", got)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (e *exported) before(ctx context.Context, b *Bench) error {
	if err := e.start(ctx, b); err != nil {
		return err
	}
	jobs, err := e.publishes(ctx, exportBefore, "before")
	if err != nil {
		return err
	}
	if err := e.listed(ctx, jobs); err != nil {
		return err
	}
	b.note("read by salt-run of %s", e.reader.Release)
	return e.complete(ctx, jobs, "before")
}

// outage publishes while Redis is away: nothing waits for it, and afterwards the reader sees everything. What minions
// could not write themselves (ext_job_cache) is lost as with stock, but not the jobs.
func (e *exported) outage(ctx context.Context, b *Bench) error {
	return e.around(ctx, b, func() error { return nil })
}

// masterKilled kills the master as well, before Redis is back.
func (e *exported) masterKilled(ctx context.Context, b *Bench) error {
	return e.around(ctx, b, func() error {
		if err := e.host.master.Kill(); err != nil {
			return err
		}
		return e.host.startMaster(ctx)
	})
}

func (e *exported) around(ctx context.Context, b *Bench, meanwhile func() error) error {
	if err := e.start(ctx, b); err != nil {
		return err
	}
	if err := e.redis.kill(); err != nil {
		return err
	}
	into, err := e.publishes(ctx, exportInto, "into the outage")
	if err != nil {
		return err
	}
	if err := meanwhile(); err != nil {
		return err
	}
	if err := e.redis.start(ctx); err != nil {
		return err
	}
	back := time.Now()
	if err := e.listed(ctx, into); err != nil {
		return err
	}
	b.measured("%s", seconds(time.Since(back)))
	if e.option == "master_job_cache" {
		if err := e.complete(ctx, into, "into the outage"); err != nil {
			return err
		}
	}
	if err := e.host.complete(ctx, e.column.Saltern, "m1", "m2"); err != nil {
		return err
	}
	after, err := e.publishes(ctx, exportBefore, "after")
	if err != nil {
		return err
	}
	if err := e.listed(ctx, after); err != nil {
		return err
	}
	return e.complete(ctx, after, "after")
}
