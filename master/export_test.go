package master_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/redisdb/redistest"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/master/mastertest"
)

func exporting(server *redistest.Server) func(*config.Master) {
	return func(c *config.Master) {
		c.MasterJobCache, c.Redis = "redis", server.Config()
	}
}

// publishSeries publishes n jobs, returns for each, and gives the times the publications took.
func publishSeries(t *testing.T, m *mastertest.Running, minion *mastertest.Minion, n int) (jids []string, took []time.Duration) {
	t.Helper()
	clear := m.Clear(t)
	key := m.RootKey(t)
	for range n {
		began := time.Now()
		reply := clear(wire.NewMap("cmd", "publish", "fun", "test.ping", "tgt", "*", "arg", []any{}, "tgt_type", "glob", "ret", "", "jid", "", "user", m.Config.User, "key", key))
		took = append(took, time.Since(began))
		jid := reply.(*wire.Map).Map("load").Str("jid")
		if jid == "" {
			t.Fatalf("not published: %v", reply)
		}
		minion.Do(t, wire.NewMap("cmd", "_return", "id", "m1", "jid", jid, "fun", "test.ping", "return", true, "retcode", int64(0), "success", true))
		jids = append(jids, jid)
	}
	slices.Sort(took)
	return jids, took
}

// TestExport_outage: with Redis away jobs are published and answered as ever; when it is back, and after a restart of the
// master in between, all of them are there.
func TestExport_outage(t *testing.T) {
	server := redistest.Start(t)
	m := mastertest.Start(t, exporting(server))
	minion := mastertest.SignedIn(t, m, "m1", 3)
	jids, _ := publishSeries(t, m, minion, 5)
	server.Kill()
	more, _ := publishSeries(t, m, minion, 20)
	jids = append(jids[:0:0], more...) // Redis kept nothing of the first
	m.Stop(t)
	mastertest.Run(t, m.Dir, m.Config)
	server.Run()
	client, ctx := server.Client(), context.Background()
	deadline := time.Now().Add(time.Minute)
	for _, jid := range jids {
		for {
			load, _ := client.Get(ctx, "load:"+jid).Result() // "" while it is not there
			ret, _ := client.HGet(ctx, "ret:"+jid, "m1").Result()
			if load != "" && ret != "" {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("job %s is not in Redis: load %q, return %q", jid, load, ret)
			}
			time.Sleep(10 * time.Millisecond) // until it is exported
		}
	}
}

// TestExport_latency prints how long publications take without an export, with one, and with one that has no Redis.
func TestExport_latency(t *testing.T) {
	if os.Getenv(longEnv) == "" {
		t.Skip("figures, no test; SALTERN_LONG=1 prints them")
	}
	const n = 2000
	show := func(name string, change func(*config.Master), before func()) {
		m := mastertest.Start(t, change)
		minion := mastertest.SignedIn(t, m, "m1", 3)
		publishSeries(t, m, minion, 50)
		if before != nil {
			before()
		}
		_, took := publishSeries(t, m, minion, n)
		fmt.Printf("publish, %-28s p50 %v  p99 %v  max %v\n", name, took[n/2], took[n*99/100], took[n-1])
		m.Stop(t)
	}
	server := redistest.Start(t)
	show("no export", nil, nil)
	show("export, Redis there", exporting(server), nil)
	show("export, Redis stopped", exporting(server), server.Kill)
	show("no export (again)", nil, nil)
}
