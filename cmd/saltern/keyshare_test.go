package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/master/mastertest"
	"github.com/saltern-io/saltern/pki"
)

// TestKeyShare_overTheRequestPort: two masters that run, one asked by hand and one that asks by itself.
func TestKeyShare_overTheRequestPort(t *testing.T) {
	serving := mastertest.Start(t, func(c *config.Master) {
		c.ID = "a_master"
		c.KeyPeers = peersOf(t, "b", "")
	})
	serving.Accept(t, "web1")
	h := newToolHost(t, fmt.Sprintf("saltern_key_peers:\n  a: 127.0.0.1:%d", serving.RetPort))
	own := toolKey(t)
	base := filepath.Join(h.pki(), "master")
	if err := pki.WriteKeyPair(base+".pem", base+".pub", own, nil); err != nil {
		t.Fatal(err)
	}
	rename(t, h, "b")
	if _, err := h.run("sync", "--from", "a"); err == nil || !strings.Contains(err.Error(), "refuses") {
		t.Fatalf("without pins: %v", err)
	}
	if out := h.must("pin", "a", filepath.Join(serving.Config.PKIDir, "master.pub")); !strings.Contains(out, "a is pinned: ") {
		t.Errorf("%s", out)
	}
	peers := filepath.Join(serving.Config.PKIDir, "saltern-share/peers/b.pub")
	if err := os.WriteFile(peers, own.Public().PEM(), 0o644); err != nil {
		t.Fatal(err)
	}
	if out := h.must("sync", "--from", "127.0.0.1"); !strings.Contains(out, "web1 accepted (a)") {
		t.Errorf("%s", out)
	}
	if out := h.must("conflicts"); !strings.Contains(out, "1 accepted") || !strings.Contains(out, "pinned masters: a") {
		t.Errorf("%s", out)
	}
	// Decided differently on both sides.
	store, err := pki.OpenDirStore(h.pki(), pki.DirOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Move("web1", pki.Accepted, pki.Rejected); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(serving.Config.PKIDir, "minions", "web1")); err != nil {
		t.Fatal(err)
	}
	out, err := h.run("sync")
	if err == nil || !strings.Contains(out, "CONFLICT web1: rejected key") || !strings.Contains(out, "deleted at a") {
		t.Errorf("%v\n%s", err, out)
	}
	h.must("resolve", "web1", "--keep", "theirs")
	if out := h.must("sync"); strings.Contains(out, "CONFLICT") {
		t.Errorf("%s", out)
	}
	if e, err := store.Lookup("web1"); err != nil || e.State != pki.None {
		t.Errorf("web1 is %v, %v", e.State, err)
	}
	for _, from := range []string{"c", "10.9.9.9", filepath.Join(h.root, "none")} {
		if _, err := h.run("sync", "--from", from); err == nil || !strings.Contains(err.Error(), "neither") {
			t.Errorf("from %s: %v", from, err)
		}
	}
}

// TestKeyShare_exportImport carries decisions by a file.
func TestKeyShare_exportImport(t *testing.T) {
	from, to := newToolHost(t), newToolHost(t)
	for _, h := range []toolHost{from, to} {
		key := toolKey(t)
		base := filepath.Join(h.pki(), "master")
		if err := pki.WriteKeyPair(base+".pem", base+".pub", key, nil); err != nil {
			t.Fatal(err)
		}
	}
	store, err := pki.OpenDirStore(from.pki(), pki.DirOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Put("web1", pki.Accepted, mastertest.MinionKey().Public().PEM()); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(from.root, "keys")
	if out := from.must("export", file); !strings.Contains(out, "1 decisions") {
		t.Errorf("%s", out)
	}
	if _, err := to.run("import", file); err == nil || !strings.Contains(err.Error(), "not signed by a master that is pinned here") {
		t.Errorf("not pinned: %v", err)
	}
	to.must("pin", "a", filepath.Join(from.pki(), "master.pub"))
	if out := to.must("sync", "--from", file); !strings.Contains(out, "web1 accepted (a)") {
		t.Errorf("%s", out)
	}
	to.must("pin", "a", "--remove")
	if _, err := to.run("import", file); err == nil {
		t.Error("taken without the pin")
	}
}

// rename gives the master of a configuration directory another id.
func rename(t testing.TB, h toolHost, id string) {
	t.Helper()
	path := filepath.Join(h.dir, "master")
	text, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, []byte(strings.Replace(string(text), "id: m1", "id: "+id, 1)), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// peersOf is saltern_key_peers with one entry.
func peersOf(t testing.TB, name, address string) *config.Map {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "master"), []byte(fmt.Sprintf("saltern_key_peers:\n  %s: '%s'\n", name, address)), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, _, err := config.LoadMaster(config.LoadOptions{ConfigDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return cfg.KeyPeers
}
