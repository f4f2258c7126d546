package keyshare

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/saltern-io/saltern/pki"
)

// eachRedis runs a test against the stand-in and, where redis-server is installed, against the real one.
func eachRedis(t *testing.T, test func(t *testing.T, url string)) {
	t.Run("miniredis", func(t *testing.T) { test(t, "redis://"+miniredis.RunT(t).Addr()+"/0") })
	t.Run("redis-server", func(t *testing.T) {
		program, err := exec.LookPath("redis-server")
		if err != nil {
			t.Skip("redis-server is not installed")
		}
		test(t, startRedis(t, program))
	})
}

// startRedis runs a server on a Unix socket of the test.
func startRedis(t *testing.T, program string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "rt") // short: the kernel limits the names of Unix sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	cmd := exec.Command(program, "--port", "0", "--unixsocket", socket, "--save", "", "--dir", dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if conn, err := net.Dial("unix", socket); err == nil {
			fmt.Fprint(conn, "PING\r\n")
			line, err := bufio.NewReader(conn).ReadString('\n')
			conn.Close()
			if err == nil && strings.HasPrefix(line, "+PONG") {
				return "unix://" + socket
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("redis-server does not answer")
		}
	}
}

func (m *testMaster) redis(url string) *RedisStore {
	m.t.Helper()
	r, err := OpenRedis(url, "saltern:")
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { r.Close() })
	return r
}

func (m *testMaster) mustSync(r *RedisStore) Report {
	m.t.Helper()
	report, err := m.SyncRedis(context.Background(), r, m.key)
	if err != nil {
		m.t.Fatalf("%s: %v", m.name, err)
	}
	return report
}

func TestRedis_lifeOfAKey(t *testing.T) {
	eachRedis(t, func(t *testing.T, url string) {
		ms := newMasters(t, 3)
		stores := make([]*RedisStore, len(ms))
		for i, m := range ms {
			stores[i] = m.redis(url)
		}
		round := func() (reports []Report) {
			t.Helper()
			for range 2 {
				reports = nil
				for i, m := range ms {
					reports = append(reports, m.mustSync(stores[i]))
				}
			}
			return reports
		}
		all := func(want string) {
			t.Helper()
			for _, m := range ms {
				if got := m.has("web"); got != want {
					t.Errorf("%s has %s, want %s", m.name, got, want)
				}
			}
		}
		ms[0].put("web", pki.Accepted, minionKey(0))
		round()
		all("minions 0")
		ms[2].remove("web", pki.Accepted)
		round()
		all("none")
		ms[1].put("web", pki.Accepted, minionKey(1))
		round()
		all("minions 1")
		ms[0].put("db", pki.Accepted, minionKey(0))
		ms[1].put("db", pki.Accepted, minionKey(2))
		reports := round()
		if len(reports[0].Conflicts)+len(reports[1].Conflicts) == 0 {
			t.Errorf("no conflict: %+v", reports)
		}
		if ms[0].has("db") != "minions 0" || ms[1].has("db") != "minions 2" {
			t.Error("a conflict was decided")
		}
	})
}

// TestRedis_quietRoundReadsNothing: a round without news costs two reads of a number.
func TestRedis_quietRoundReadsNothing(t *testing.T) {
	server := miniredis.RunT(t)
	m := newMasters(t, 1)[0]
	r := m.redis("redis://" + server.Addr())
	m.put("web", pki.Accepted, minionKey(0))
	m.mustSync(r)
	m.mustSync(r)
	before := server.CommandCount()
	m.mustSync(r)
	if n := server.CommandCount() - before; n != 1 {
		t.Errorf("%d commands", n)
	}
}

// TestRedis_foreignEntries: who can write to Redis decides nothing.
func TestRedis_foreignEntries(t *testing.T) {
	server := miniredis.RunT(t)
	ms := newMasters(t, 2)
	r := ms[0].redis("redis://" + server.Addr())
	e := Entry{ID: "evil", State: Accepted, Pub: pki.CleanKey(string(minionKey(0))), Version: Version{node(9): 1}}
	foreign, err := sealStored(e, keys[2]())
	if err != nil {
		t.Fatal(err)
	}
	good, err := sealStored(e, ms[1].key)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"foreign": foreign, "changed": strings.Replace(good, "evil", "moon", 1), "no JSON": "x", "empty": `{}`,
	} {
		server.HSet("saltern:keys", "evil", value)
		server.Set("saltern:seq", "7")
		if _, err := ms[0].SyncRedis(t.Context(), r, ms[0].key); err == nil || ms[0].has("evil") != "none" || ms[0].has("moon") != "none" {
			t.Errorf("%s: %v, %s", name, err, ms[0].has("evil"))
		}
	}
	server.HSet("saltern:keys", "evil", good)
	ms[0].mustSync(r)
	if ms[0].has("evil") != "minions 0" {
		t.Error("a peer's entry was not taken")
	}
}

// TestRedis_gone: without Redis the directory goes on, and what was decided meanwhile travels later.
func TestRedis_gone(t *testing.T) {
	server := miniredis.RunT(t)
	ms := newMasters(t, 2)
	a, b := ms[0].redis("redis://"+server.Addr()), ms[1].redis("redis://"+server.Addr())
	ms[0].mustSync(a)
	server.SetError("LOADING")
	ms[0].put("web", pki.Accepted, minionKey(0))
	if _, err := ms[0].SyncRedis(t.Context(), a, ms[0].key); err == nil {
		t.Error("no error")
	}
	server.SetError("")
	server.FlushAll() // and it has forgotten everything
	ms[0].mustSync(a)
	if ms[1].mustSync(b); ms[1].has("web") != "minions 0" {
		t.Error("the decision did not travel")
	}
	if _, err := OpenRedis("http://x", ""); err == nil {
		t.Error("a URL of something else was taken")
	}
}

// TestRedis_raceForOneEntry: the slower writer finds out and takes the other's word first.
func TestRedis_raceForOneEntry(t *testing.T) {
	eachRedis(t, func(t *testing.T, url string) {
		opts, err := redis.ParseURL(url)
		if err != nil {
			t.Fatal(err)
		}
		client := redis.NewClient(opts)
		defer client.Close()
		ctx := context.Background()
		write := func(old, value string) uint64 {
			t.Helper()
			n, err := put.Run(ctx, client, []string{"k", "s"}, "id", old, value).Uint64()
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		if write("", "one") == 0 || write("", "two") != 0 || write("one", "three") == 0 || write("three", "") == 0 {
			t.Error("a write over what was not read")
		}
		if err := client.HGet(ctx, "k", "id").Err(); !errors.Is(err, redis.Nil) {
			t.Errorf("left: %v", err)
		}
	})
}
