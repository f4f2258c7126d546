package master_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/master/mastertest"
	"github.com/saltern-io/saltern/pki"
)

// peersOf is saltern_key_peers with one entry.
func peersOf(t testing.TB, name, address string) *config.Map {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "master"), fmt.Appendf(nil, "saltern_key_peers: {%s: '%s'}\n", name, address), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, _, err := config.LoadMaster(config.LoadOptions{ConfigDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return cfg.KeyPeers
}

// TestKeySharing_minionThatFailsOver: accepted on one master it is accepted on the other before it comes, and deleted on
// one it is locked out of both. The masters of mastertest have one key pair, so nothing has to be pinned.
func TestKeySharing_minionThatFailsOver(t *testing.T) {
	a := mastertest.Start(t, func(c *config.Master) { c.ID, c.KeyPeers = "a_master", peersOf(t, "b", "") })
	b := mastertest.Start(t, func(c *config.Master) {
		c.ID, c.KeyPeers = "b_master", peersOf(t, "a", fmt.Sprintf("127.0.0.1:%d", a.RetPort))
		c.KeySync, c.LoopInterval = 20*time.Millisecond, time.Hour // the key changes without waiting for it
	})
	minion := mastertest.NewMinion(t, b, "web1", 3)
	if reply := minion.SignIn(t); reply.Ret != true {
		t.Fatalf("an unknown minion hears %+v", reply)
	}
	bus := b.Bus(t)
	a.Accept(t, "web1")
	if data := bus.Until(t, "salt/key"); data.Str("act") != "accept" || data.Str("id") != "web1" {
		t.Errorf("event %s", asJSON(data))
	}
	until(t, "the decision has travelled", func() bool { return exists(keyFile(b, pki.Accepted, "web1")) })
	if exists(keyFile(b, pki.Pending, "web1")) {
		t.Error("pending still")
	}
	if reply := minion.SignIn(t); reply.Accept == nil {
		t.Fatalf("the accepted minion hears %+v", reply)
	}
	if err := os.Remove(keyFile(a, pki.Accepted, "web1")); err != nil {
		t.Fatal(err)
	}
	for deleted, rotated := false, false; !deleted || !rotated; { // in either order: the rotation is another goroutine's
		switch e := bus.Next(t); e.Tag {
		case "salt/key":
			data := mastertest.EventData(t, e)
			deleted = data.Str("act") == "delete" && data.Str("id") == "web1"
		case "key":
			rotated = true
		}
	}
	if _, refusal := minion.Try(t, wire.NewMap("cmd", "_master_opts")); refusal == "" {
		t.Error("the deleted minion is served")
	}
}

// TestKeySharing_notConfigured answers like a command that nobody knows.
func TestKeySharing_notConfigured(t *testing.T) {
	m := mastertest.Start(t, nil)
	if reply := asJSON(m.Clear(t)(wire.NewMap("cmd", "_saltern_keys", "body", "x", "sig", "y"))); reply != "{}" {
		t.Errorf("%s", reply)
	}
	listed := mastertest.Start(t, func(c *config.Master) { c.KeyPeers = peersOf(t, "b", "") })
	for _, load := range []*wire.Map{wire.NewMap("cmd", "_saltern_keys"), wire.NewMap("cmd", "_saltern_keys", "body", []byte("{}"), "sig", []byte("y"))} {
		if reply := asJSON(listed.Clear(t)(load)); reply != `{"error":"keys are not shared with you"}` {
			t.Errorf("%s", reply)
		}
	}
}
