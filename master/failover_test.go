package master_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/jobcache"
	"github.com/saltern-io/saltern/master"
	"github.com/saltern-io/saltern/master/mastertest"
	"github.com/saltern-io/saltern/pki"
)

// TestFailover_pendingReplyFull: the key is stored as ever, the minion is sent on.
func TestFailover_pendingReplyFull(t *testing.T) {
	for option, want := range map[string]any{"pending": true, "full": "full"} {
		m := mastertest.Start(t, func(c *config.Master) { c.PendingReply, c.MinimumAuthVersion = option, 0 })
		for level, id := range map[wire.Level]string{0: "web0", 2: "web2", 3: "web3"} {
			minion := mastertest.NewMinion(t, m, id, level)
			for range 2 { // new, then known as pending
				if reply := minion.SignIn(t); reply.Ret != want {
					t.Errorf("%s: level %d hears %v, want %v", option, level, reply.Ret, want)
				}
			}
			if !exists(keyFile(m, pki.Pending, id)) {
				t.Errorf("%s: key of %s not pending", option, id)
			}
		}
		m.Accept(t, "web3")
		if err := os.Remove(keyFile(m, pki.Pending, "web3")); err != nil {
			t.Fatal(err)
		}
		if reply := mastertest.NewMinion(t, m, "web3", 3).SignIn(t); reply.Accept == nil {
			t.Errorf("%s: the accepted one hears %v", option, reply.Ret)
		}
	}
}

// TestFailover_unchangedSignInStoresNothing: after a mass failover the disks have other things to do.
func TestFailover_unchangedSignInStoresNothing(t *testing.T) {
	m := mastertest.Start(t, nil)
	minion := mastertest.SignedIn(t, m, "web1", 3)
	before := tree(t, m.Config.PKIDir, filepath.Join(m.Config.CacheDir, "sessions"))
	for range 3 {
		if reply := minion.SignIn(t); reply.Accept == nil {
			t.Fatal("refused")
		}
	}
	if after := tree(t, m.Config.PKIDir, filepath.Join(m.Config.CacheDir, "sessions")); !slices.Equal(before, after) {
		t.Errorf("changed:\n%q\n%q", before, after)
	}
}

// tree is every name below the directories with its size and time.
func tree(t testing.TB, dirs ...string) (names []string) {
	t.Helper()
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := d.Info()
			if err == nil {
				names = append(names, path+" "+info.ModTime().Format(time.RFC3339Nano)+" "+strconv.FormatInt(info.Size(), 10))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return names
}

// TestFailover_startOfAnUnknownMinion: one that failed over here is asked for its grains, once.
func TestFailover_startOfAnUnknownMinion(t *testing.T) {
	m := mastertest.Start(t, nil)
	known, fresh := mastertest.SignedIn(t, m, "known", 3), mastertest.SignedIn(t, m, "fresh", 3)
	grains := wire.NewMap("cmd", "_pillar", "grains", wire.NewMap("os", "Debian"), "saltenv", "base", "pillarenv", nil,
		"pillar_override", wire.NewMap(), "extra_minion_data", wire.NewMap(), "ver", "2")
	if _, text := known.Private(t, grains); text != "" {
		t.Fatal(text)
	}
	bus := m.Bus(t)
	start := func(of *mastertest.Minion, tag string) {
		of.Do(t, wire.NewMap("cmd", "_minion_event", "tag", tag, "data", "started", "pretag", nil))
	}
	start(known, "salt/minion/known/start")
	start(known, "salt/minion/fresh/start") // speaks for another
	start(fresh, "minion_start")
	start(fresh, "salt/minion/fresh/start")
	job := nextJob(t, bus)
	if job.Str("fun") != "saltutil.refresh_pillar" || asJSON(job.List("minions")) != `["fresh"]` || job.Str("tgt_type") != "list" {
		t.Errorf("published %s", asJSON(job))
	}
	start(fresh, "salt/minion/fresh/start")
	if p := newPublisher(t, m); p.job("known") != nextJob(t, bus).Str("jid") {
		t.Error("asked twice")
	}
}

// nextJob is the data of the next publication.
func nextJob(t testing.TB, bus *mastertest.Bus) *wire.Map {
	t.Helper()
	for {
		if e := bus.Next(t); strings.HasPrefix(e.Tag, "salt/job/") && strings.HasSuffix(e.Tag, "/new") {
			return mastertest.EventData(t, e)
		}
	}
}

// TestFailover_pingBesideSignIns: pings and publications have room of their own beside sign-ins that wait.
func TestFailover_pingBesideSignIns(t *testing.T) {
	m := mastertest.Start(t, func(c *config.Master) { c.AutoAccept = true })
	const n = 2000
	body, err := mastertest.NewMinion(t, m, "storm", 3).AuthRequest().AppendEnvelope(nil)
	if err != nil {
		t.Fatal(err)
	}
	var peers []*rawPeer
	for range 20 { // a DEALER may have many requests under way
		peers = append(peers, mustPeer(t, m, m.RetPort, "DEALER"))
	}
	message := zmtpMessage(nil, body)
	for i := range n {
		if _, err := peers[i%len(peers)].Write(message); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), peerTimeout)
	defer cancel()
	begun := time.Now()
	if err := m.Master.Alive(ctx); err != nil {
		t.Error(err)
	}
	t.Logf("a ping behind %d sign-ins was answered after %v, %d were done", n, time.Since(begun).Round(time.Millisecond), m.Master.Stats().Accepted)
}

// TestFailover_publishPortClosesFirst: while requests are drained the publish port is closed already.
func TestFailover_publishPortClosesFirst(t *testing.T) {
	m := mastertest.Start(t, nil)
	m.Accept(t, "web1")
	subscriber := mustPeer(t, m, m.PublishPort, "SUB")
	p := newPublisher(t, m)
	p.job("web1")
	m.Stop(t)
	if _, err := subscriber.Read(make([]byte, 1<<20)); err == nil {
		// What was sent before may still be read; then the connection ends.
		for err == nil {
			_, err = subscriber.Read(make([]byte, 1<<20))
		}
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			t.Error("the publish connection stays open")
		}
	}
	if _, err := net.DialTimeout("tcp", net.JoinHostPort(m.Host, strconv.Itoa(m.PublishPort)), peerTimeout); err == nil {
		t.Error("the publish port is still bound")
	}
}

// TestFailover_watchdog: a master that does not answer itself ends; one that only hiccups does not.
func TestFailover_watchdog(t *testing.T) {
	dir := t.TempDir()
	cfg := mastertest.DefaultConfig(t, dir)
	cfg.Watchdog = 30 * time.Millisecond
	var stuck atomic.Bool
	var probes atomic.Int64
	m, err := master.New(cfg, quiet(), master.Options{Probe: func(context.Context) error {
		if n := probes.Add(1); stuck.Load() || n%3 != 0 { // two failures in a row are nothing
			return errors.New("no answer")
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- m.Run(t.Context()) }()
	until(t, "the hiccups are over", func() bool { return probes.Load() > 9 })
	select {
	case err := <-done:
		t.Fatalf("ended: %v", err)
	default:
	}
	addr := strings.TrimPrefix(m.PublishAddr(), "tcp://")
	stuck.Store(true)
	select {
	case err := <-done:
		if err == nil || !strings.Contains(err.Error(), "does not answer its own pings") {
			t.Errorf("ended with %v", err)
		}
	case <-time.After(peerTimeout):
		t.Fatal("still serving")
	}
	if conn, err := net.DialTimeout("tcp", addr, peerTimeout); err == nil {
		conn.Close()
		t.Error("the publish port is still bound")
	}
}

// TestFailover_sameJobFromTwoMasters: both let it through, each has one record, and a minion returns to one.
func TestFailover_sameJobFromTwoMasters(t *testing.T) {
	const jid = "20261120141909944303"
	var running []*mastertest.Running
	for range 2 {
		m := mastertest.Start(t, nil)
		m.Accept(t, "web1")
		req := ping("web1")
		req.JID = jid
		if reply := mustPublish(t, m, req); reply.JID != jid || !slices.Equal(reply.Minions, []string{"web1"}) {
			t.Errorf("%+v", reply)
		}
		running = append(running, m)
	}
	minion := mastertest.SignedIn(t, running[0], "web1", 3)
	for range 2 {
		minion.Do(t, wire.NewMap("cmd", "_return", "id", "web1", "jid", jid, "fun", "test.ping", "return", true, "retcode", 0, "success", true))
	}
	for i, m := range running {
		m.Stop(t)
		s := openStore(t, m)
		if _, ok, err := s.Job(jid); !ok || err != nil {
			t.Errorf("master %d: job stored %v, %v", i, ok, err)
		}
		returns := 0
		if err := s.Returns(jid, func(jobcache.Return) error { returns++; return nil }); err != nil || returns != 1-i {
			t.Errorf("master %d: %d returns, %v", i, returns, err)
		}
	}
}

// TestRotation_watchedFlag: the flag is taken at once, not at the next round of maintenance.
func TestRotation_watchedFlag(t *testing.T) {
	m := mastertest.Start(t, func(c *config.Master) { c.LoopInterval = time.Hour })
	bus := m.Bus(t)
	path := dropfile(t, m, "whatever", 0o400)
	bus.Until(t, "key")
	if exists(path) {
		t.Error("the flag is still there")
	}
	// 3006 writes it in place: it has its mode a moment after its name.
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	bus.Until(t, "key")
}

// TestRotation_flagFromBefore: a key was deleted while no master ran.
func TestRotation_flagFromBefore(t *testing.T) {
	m := mastertest.Start(t, func(c *config.Master) { c.LoopInterval = time.Hour })
	minion := mastertest.SignedIn(t, m, "web1", 3)
	before := minion.Shared.KeyString()
	m.Stop(t)
	path := dropfile(t, m, "", 0o400)
	cfg := *m.Config
	m = mastertest.Run(t, m.Dir, &cfg)
	until(t, "the flag is taken", func() bool { return !exists(path) })
	again := mastertest.NewMinion(t, m, "web1", 3)
	until(t, "the key is another one", func() bool {
		again.SignIn(t)
		return again.Shared.KeyString() != before
	})
}

// TestRotation_masterKeyAtReload: another pair in pki_dir is put in force by SIGHUP, with a new AES key; half a pair is not.
func TestRotation_masterKeyAtReload(t *testing.T) {
	m := mastertest.Start(t, nil)
	minion := mastertest.SignedIn(t, m, "web1", 3)
	old, shared := minion.Master, minion.Shared.KeyString()
	next, err := pki.GenerateKey(2048)
	if err != nil {
		t.Fatal(err)
	}
	private, public := filepath.Join(m.Config.PKIDir, "master.pem"), filepath.Join(m.Config.PKIDir, "master.pub")
	write := func(path string, text []byte) {
		t.Helper()
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o400); err != nil {
			t.Fatal(err)
		}
	}
	write(private, next.PEM())
	m.Master.Reload(m.Config) // the public half is still the old one
	if minion.SignIn(t); !minion.Master.Equal(old) || minion.Shared.KeyString() != shared {
		t.Fatal("half a pair was taken")
	}
	write(public, next.Public().PEM())
	m.Master.Reload(m.Config)
	if minion.SignIn(t); !minion.Master.Equal(next.Public()) || minion.Shared.KeyString() == shared {
		t.Error("the new pair is not in force")
	}
	if err := os.Remove(private); err != nil {
		t.Fatal(err)
	}
	m.Master.Reload(m.Config)
	if exists(private) {
		t.Error("a reload made a new master key")
	}
	p := newPublisher(t, m)
	sub := m.Subscribe(t, minion, func() string { return p.job("web1") }, "")
	if jobs := sub.Job(t, p.job("web1")); len(jobs) != 1 { // its signature is checked inside
		t.Errorf("%d publications", len(jobs))
	}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }
