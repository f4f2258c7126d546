package jobexport

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/saltern-io/saltern/internal/redisdb/redistest"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/jobcache"
)

// TestOutage exports many returns while Redis is stopped twice, once with a kill, and the exporter once: none is missing,
// none out of order.
func TestOutage(t *testing.T) {
	total := 2000
	if os.Getenv("SALTERN_LONG") != "" {
		total = 50_000
	}
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	f := &fixture{t: t}
	var err error
	if f.store, err = jobcache.Open("jobs", jobcache.Options{FS: vfs.NewMem(), ExportMax: 1_000_000}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.store.Close() }) // in memory
	f.load("job", wire.NewMap("cmd", "publish", "tgt", "*", "fun", "test.ping", "jid", "job"))

	start := func() (exp *Exporter, stop func()) {
		exp = f.exporter(server.Config(), time.Hour)
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		wg.Go(func() { exp.Run(ctx) })
		return exp, func() { cancel(); wg.Wait() }
	}
	exp, stop := start()
	var pending sync.WaitGroup
	for i := range total {
		switch i {
		case total / 5:
			server.Kill()
		case 2 * total / 5:
			server.Run()
			stop()
			exp, stop = start()
		case 3 * total / 5:
			server.Stop()
		case 4 * total / 5:
			server.Run()
		}
		id := fmt.Sprintf("m%06d", i)
		raw, err := wire.Encode(wire.NewMap("cmd", "_return", "id", id, "jid", "job", "return", true, "fun", "test.ping"), wire.Wire)
		if err != nil {
			t.Fatal(err)
		}
		pending.Add(1)
		f.store.SaveReturn(jobcache.Return{JID: "job", MinionID: id, Body: raw}, func(o jobcache.Outcome) {
			if o.Err != nil {
				t.Error(o.Err)
			}
			pending.Done()
		})
	}
	pending.Wait()
	deadline := time.Now().Add(2 * time.Minute)
	for exp.Stats().Log.Waiting > 0 {
		if time.Now().After(deadline) {
			t.Fatalf("not exported in time: %+v", exp.Stats())
		}
		time.Sleep(10 * time.Millisecond) // until the last pipeline is acknowledged
	}
	stop()
	client := server.Client()
	if n, err := client.HLen(context.Background(), "ret:job").Result(); err != nil || n != int64(total) {
		t.Errorf("%d of %d returns are in Redis: %v", n, total, err)
	}
	if n, err := client.SCard(context.Background(), keyMinions).Result(); err != nil || n != int64(total) {
		t.Errorf("%d of %d minions are in Redis: %v", n, total, err)
	}
	server.Stop()
	checkOrder(t, server, total)
}

// checkOrder reads from Redis' own log in which order the returns came. A pipeline that is sent again repeats some; the
// first of each counts.
func checkOrder(t *testing.T, server *redistest.Server, total int) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(server.Dir, "appendonlydir", "*.incr.aof"))
	if err != nil || len(files) == 0 {
		t.Fatal("no log", err)
	}
	next := 0
	for _, path := range files {
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(file)
		lines.Buffer(nil, 1<<20)
		seen := []string{"", "", ""}
		for lines.Scan() {
			line := strings.TrimSuffix(lines.Text(), "\r")
			if strings.HasPrefix(line, "$") || strings.HasPrefix(line, "*") {
				continue
			}
			seen = append(seen[1:], line)
			if !strings.EqualFold(seen[0], "hset") || seen[1] != "ret:job" {
				continue
			}
			var n int
			if _, err := fmt.Sscanf(seen[2], "m%d", &n); err != nil {
				t.Fatal(err)
			}
			if n > next {
				t.Fatalf("return %d came before return %d", n, next)
			}
			next = max(next, n+1)
		}
		if err := lines.Err(); err != nil {
			t.Fatal(err)
		}
		_ = file.Close() // only read
	}
	if next != total {
		t.Errorf("the log shows %d of %d", next, total)
	}
}
