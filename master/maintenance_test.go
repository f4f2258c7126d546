package master_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/swarm"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/jobcache"
	"github.com/saltern-io/saltern/master"
	"github.com/saltern-io/saltern/master/mastertest"
	"github.com/saltern-io/saltern/pki"
)

// clock is a time that a test moves on.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time           { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) advance(by time.Duration) { c.ahead.Add(int64(by)) }
func (c *clock) options() master.Options  { return master.Options{Now: c.now} }
func (c *clock) start(t testing.TB, change func(*config.Master)) *mastertest.Running {
	t.Helper()
	dir, err := os.MkdirTemp("", "mt")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	cfg := mastertest.DefaultConfig(t, dir)
	// Presence events mark the end of each round.
	cfg.LoopInterval, cfg.PresenceEvents = 5*time.Millisecond, true
	if change != nil {
		change(cfg)
	}
	return mastertest.RunWith(t, dir, cfg, c.options())
}

// rounds waits until n rounds of maintenance were begun and ended, and returns the tags in between.
func rounds(t testing.TB, bus *mastertest.Bus, n int) []string {
	t.Helper()
	var tags []string
	bus.Drain(t)
	for range n + 1 { // the first one may have been half over
		for {
			tag := bus.Next(t).Tag
			if tag == "salt/presence/present" {
				break
			}
			tags = append(tags, tag)
		}
	}
	return tags
}

func dropfile(t testing.TB, m *mastertest.Running, content string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(m.Config.CacheDir, ".dfn")
	if err := os.WriteFile(path+"-next", []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path+"-next", mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+"-next", path); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestMaintenance_dropfile(t *testing.T) {
	m := (&clock{}).start(t, func(c *config.Master) { c.MinimumAuthVersion = 2 })
	three, two := mastertest.SignedIn(t, m, "web1", 3), mastertest.SignedIn(t, m, "web2", 2)
	bus := m.Bus(t)
	path := dropfile(t, m, m.Config.ID, 0o600)
	if tags := rounds(t, bus, 2); slices.Contains(tags, "key") || !exists(path) {
		t.Errorf("taken with the wrong mode, events %q", tags)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	opts := wire.NewMap("cmd", "_master_opts", "env_only", true)
	for _, content := range []string{m.Config.ID, "", "other_master"} {
		two.SignIn(t)
		before := two.Shared.KeyString()
		two.Do(t, opts)
		path := dropfile(t, m, content, 0o400)
		if data := bus.Until(t, "key"); !data.Bool("rotate_aes_key") {
			t.Errorf("event %s", asJSON(data))
		}
		if exists(path) {
			t.Error("the flag is still there")
		}
		// A key was deleted: nobody goes on with the old one.
		if _, refusal := two.Try(t, opts); refusal != "bad load" {
			t.Errorf("a request under the replaced key: %q", refusal)
		}
		three.Do(t, opts) // level 3 has keys of its own
		two.SignIn(t)
		if two.Shared.KeyString() == before {
			t.Error("the key is the same")
		}
	}
}

// TestMaintenance_timedRotation: the previous key opens requests a little longer.
func TestMaintenance_timedRotation(t *testing.T) {
	c := &clock{}
	m := c.start(t, func(c *config.Master) { c.MinimumAuthVersion, c.PublishSession, c.PingOnRotate = 2, time.Hour, true })
	minion := mastertest.SignedIn(t, m, "web2", 2)
	bus := m.Bus(t)
	if tags := rounds(t, bus, 1); slices.Contains(tags, "key") {
		t.Error("rotated before the time")
	}
	before := minion.Shared.KeyString()
	c.advance(time.Hour + time.Second)
	bus.Until(t, "key")
	var ping *wire.Map
	for ping == nil {
		if e := bus.Next(t); strings.HasPrefix(e.Tag, "salt/job/") && strings.HasSuffix(e.Tag, "/new") {
			ping = mastertest.EventData(t, e)
		}
	}
	if ping.Str("fun") != "test.ping" || ping.Str("tgt") != "*" || asJSON(ping.List("minions")) != `["web2"]` {
		t.Errorf("ping_on_rotate published %s", asJSON(ping))
	}
	minion.Do(t, wire.NewMap("cmd", "_master_opts"))
	minion.SignIn(t)
	if minion.Shared.KeyString() == before {
		t.Error("the key is the same")
	}
}

// TestMaintenance_revoked: a minion that gave up its key must not read on.
func TestMaintenance_revoked(t *testing.T) {
	m := (&clock{}).start(t, nil)
	minion := mastertest.SignedIn(t, m, "web1", 3)
	bus := m.Bus(t)
	minion.Do(t, wire.NewMap("cmd", "revoke_auth"))
	bus.Until(t, "key")
}

func TestMaintenance_expiry(t *testing.T) {
	c := &clock{}
	m := c.start(t, func(c *config.Master) { c.KeepJobs = 100 * time.Hour })
	m.Accept(t, "web1")
	p := newPublisher(t, m)
	local := jobcache.LocalDir{Root: filepath.Join(m.Config.CacheDir, "jobs"), HashType: m.Config.HashType}
	old := p.job("web1")
	dir, err := local.Dir(old)
	if err != nil {
		t.Fatal(err)
	}
	bus := m.Bus(t)
	c.advance(2 * time.Hour)
	rounds(t, bus, 2)
	if !exists(dir) {
		t.Fatal("expired before the time")
	}
	cfg := *m.Config
	cfg.KeepJobs = time.Hour
	m.Master.Reload(&cfg)
	rounds(t, bus, 2)
	if exists(dir) {
		t.Error("the job directory is still there")
	}
	fresh := p.job("web1")
	m.Stop(t)
	s := openStore(t, m)
	if _, ok, err := s.Job(old); ok || err != nil {
		t.Errorf("the old job is stored: %v, %v", ok, err)
	}
	if _, ok, err := s.Job(fresh); !ok || err != nil {
		t.Errorf("the fresh job is gone: %v, %v", ok, err)
	}
}

func TestMaintenance_sessionsOfDeletedKeys(t *testing.T) {
	m := (&clock{}).start(t, nil)
	mastertest.SignedIn(t, m, "web1", 3)
	mastertest.SignedIn(t, m, "web2", 3)
	session := func(id string) string { return filepath.Join(m.Config.CacheDir, "sessions", id) }
	if err := os.Remove(keyFile(m, pki.Accepted, "web1")); err != nil {
		t.Fatal(err)
	}
	rounds(t, m.Bus(t), 2)
	if exists(session("web1")) || !exists(session("web2")) {
		t.Errorf("sessions: web1 %v, web2 %v", exists(session("web1")), exists(session("web2")))
	}
}

func TestMaintenance_presence(t *testing.T) {
	c := &clock{}
	m := c.start(t, nil)
	bus := m.Bus(t)
	mastertest.SignedIn(t, m, "web1", 3)
	if data := bus.Until(t, "salt/presence/change"); asJSON(data.List("new")) != `["web1"]` || asJSON(data.List("lost")) != `[]` {
		t.Errorf("event %s", asJSON(data))
	}
	if data := bus.Until(t, "salt/presence/present"); asJSON(data.List("present")) != `["web1"]` {
		t.Errorf("event %s", asJSON(data))
	}
	c.advance(time.Hour)
	if data := bus.Until(t, "salt/presence/change"); asJSON(data.List("new")) != `[]` || asJSON(data.List("lost")) != `["web1"]` {
		t.Errorf("event %s", asJSON(data))
	}
}

// TestMaintenance_fleetSurvives runs jobs before and after a rotation and a restart of the master:
// the key and the serials go on, and the minions come back by themselves.
func TestMaintenance_fleetSurvives(t *testing.T) {
	for _, level := range []wire.Level{2, 3} {
		c := &clock{}
		m := c.start(t, func(c *config.Master) { c.AutoAccept, c.MinimumAuthVersion = true, 2 })
		const n = 10
		startSwarm(t, m, swarm.Config{
			N: n, IDPrefix: "m", Level: level, Reconnect: time.Millisecond, ReconnectMax: 20 * time.Millisecond,
			RequestTimeout: 5 * time.Second, AuthTimeout: 5 * time.Second, ReturnTimer: 5 * time.Second, ReturnTimerMax: 6 * time.Second,
		})
		probe := mastertest.SignedIn(t, m, "probe", level)
		everyone := func(m *mastertest.Running) (tries int) {
			t.Helper()
			bus, p := m.Bus(t), newPublisher(t, m)
			for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); tries++ {
				if allReturn(t, bus, p.job("m*"), n) {
					return tries
				}
			}
			t.Fatalf("level %d: the fleet does not come back", level)
			return 0
		}
		everyone(m)
		dropfile(t, m, m.Config.ID, 0o400)
		m.Bus(t)
		bus := m.Bus(t)
		rounds(t, bus, 2)
		if tries := everyone(m); tries > 0 {
			t.Errorf("level %d: %d jobs were lost to a rotation", level, tries)
		}
		probe.SignIn(t)
		key := probe.Shared.KeyString()
		p := newPublisher(t, m)
		serial := m.Subscribe(t, probe, func() string { return p.job("probe") }).Job(t, p.job("m*"))[0].Load.Int("serial")
		m.Stop(t)

		cfg := *m.Config
		cfg.RetPort, cfg.PublishPort = m.RetPort, m.PublishPort
		again := mastertest.RunWith(t, m.Dir, &cfg, c.options())
		everyone(again)
		after := mastertest.SignedIn(t, again, "probe", level)
		if after.Shared.KeyString() != key {
			t.Errorf("level %d: the shared key did not survive the restart", level)
		}
		p = newPublisher(t, again)
		sub := again.Subscribe(t, after, func() string { return p.job("probe") })
		if now := sub.Job(t, p.job("probe"))[0].Load.Int("serial"); now <= serial {
			t.Errorf("level %d: serial %d after %d", level, now, serial)
		}
	}
}

// allReturn reads the bus until n minions returned for the job; false when it takes so long that some
// will not.
func allReturn(t testing.TB, bus *mastertest.Bus, jid string, n int) bool {
	t.Helper()
	got := 0
	for deadline := time.Now().Add(2 * time.Second); time.Now().Before(deadline); {
		for _, e := range bus.Drain(t) {
			if strings.HasPrefix(e.Tag, "salt/job/"+jid+"/ret/") {
				got++
			}
		}
		if got >= n {
			return true
		}
	}
	return false
}
