package master_test

import (
	"slices"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/master/mastertest"
)

// TestReload_live changes every kind of live option at a running master and looks for the effect.
func TestReload_live(t *testing.T) {
	m := mastertest.Start(t, func(c *config.Master) { c.LoopInterval = time.Hour })
	minion := mastertest.SignedIn(t, m, "web1", 3)
	p := newPublisher(t, m)
	bus := m.Bus(t)
	cfg := *m.Config
	reload := func(change func(*config.Master)) {
		t.Helper()
		next := cfg
		change(&next)
		cfg = next
		if later := m.Master.Reload(&cfg); len(later) != 0 {
			t.Errorf("needs a restart: %q", later)
		}
	}

	reload(func(c *config.Master) { c.LoopInterval, c.PresenceEvents = time.Millisecond, true })
	bus.Until(t, "salt/presence/present")
	reload(func(c *config.Master) { c.LoopInterval, c.PresenceEvents = time.Hour, false })

	two := mastertest.NewMinion(t, m, "web1", 2)
	reload(func(c *config.Master) { c.MinimumAuthVersion = 2 })
	if two.SignIn(t).Accept == nil {
		t.Error("minimum_auth_version is not live")
	}
	reload(func(c *config.Master) { c.MinimumAuthVersion = 3 })
	if _, refusal := two.Try(t, wire.NewMap("cmd", "_master_opts")); refusal != "bad load" {
		t.Errorf("a level that is served no more: %q", refusal)
	}

	reload(func(c *config.Master) { c.AuthEvents = false })
	bus.Drain(t)
	minion.SignIn(t)
	if tags := mastertest.Tags(bus.Drain(t)); slices.Contains(tags, "salt/auth") {
		t.Error("auth_events is not live")
	}

	stale := wire.NewMap("cmd", "_master_opts", "ts", time.Now().Unix()-100)
	minion.Do(t, stale)
	reload(func(c *config.Master) { c.RequestServerTTL = 50 * time.Second })
	if _, refusal := minion.Try(t, stale); refusal != "bad load" {
		t.Errorf("request_server_ttl is not live: %q", refusal)
	}

	reload(func(c *config.Master) {
		c.FileRoots = []config.Environment{{Name: "base"}, {Name: "late"}}
		c.StateTop, c.FailHard, c.DefaultTop = "other.sls", true, "late"
		c.Nodegroups = []config.Nodegroup{{Name: "g", Expr: &config.Value{Data: "web*"}}}
	})
	opts := minion.Do(t, wire.NewMap("cmd", "_master_opts")).(*wire.Map)
	if !opts.Map("file_roots").Has("late") || opts.Str("state_top") != "other.sls" || !opts.Bool("failhard") ||
		opts.Str("default_top") != "late" || opts.Map("nodegroups").Str("g") != "web*" {
		t.Errorf("_master_opts: %s", asJSON(opts))
	}

	reload(func(c *config.Master) { c.PublisherACLBlacklist.Modules = []string{"cmd.*"} })
	if got := p.send(p.load("web1", "fun", "cmd.run")).(*wire.Map); got.Map("error").Str("name") != "AuthorizationError" {
		t.Errorf("publisher_acl_blacklist is not live: %s", asJSON(got))
	}
	reload(func(c *config.Master) { c.OrderMasters = true })
	p.job("nobody-here")

	// A session key that is older than the new limit is replaced at the next sign-in.
	before := minion.Session.KeyString()
	reload(func(c *config.Master) { c.PublishSession = time.Nanosecond })
	if _, refusal := minion.Try(t, wire.NewMap("cmd", "_master_opts")); refusal != "bad load" {
		t.Errorf("publish_session is not live for session keys: %q", refusal)
	}
	reload(func(c *config.Master) { c.PublishSession = time.Hour })
	minion.Do(t, wire.NewMap("cmd", "_master_opts"))
	if minion.SignIn(t); minion.Session.KeyString() != before {
		t.Error("a session that is young enough was replaced")
	}
}

func TestReload_restart(t *testing.T) {
	m := mastertest.Start(t, nil)
	minion := mastertest.SignedIn(t, m, "web1", 3)
	p := newPublisher(t, m)
	sub := m.Subscribe(t, minion, func() string { return p.job("web1") })
	cfg := *m.Config
	cfg.SignPubMessages, cfg.RetPort, cfg.DrainTimeout = false, 1, time.Hour
	later := m.Master.Reload(&cfg)
	slices.Sort(later)
	if want := []string{"ret_port", "saltern_drain_timeout", "sign_pub_messages"}; !slices.Equal(later, want) {
		t.Errorf("needs a restart: %q, want %q", later, want)
	}
	if e := sub.Job(t, p.job("web1"))[0].Envelope; e.Sig == nil {
		t.Error("an option that needs a restart had its effect")
	}
}
