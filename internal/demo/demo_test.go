package demo

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/wire"
)

// TestNewTier_configurations: what the demo writes is what the daemons read.
func TestNewTier_configurations(t *testing.T) {
	shortTemp(t)
	tier, err := NewTier("/bin/true", Shape{Tops: 2, Hosts: 2, PerHost: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(tier.Dir)
	if want := []string{"mid-1-000", "mid-1-001", "mid-1-002", "mid-2-000", "mid-2-001", "mid-2-002"}; !slices.Equal(tier.IDs(), want) || tier.Minions() != 6 {
		t.Errorf("IDs %q", tier.IDs())
	}
	for _, m := range tier.Tops() {
		cfg, _, err := config.LoadMaster(config.LoadOptions{ConfigDir: m.Config})
		if err != nil {
			t.Fatal(err)
		}
		if cfg.ID != m.Name || cfg.RetPort != m.Ret || !cfg.OrderMasters || cfg.JobCacheDir != m.JobCache || !strings.HasPrefix(cfg.PKIDir, m.Config) {
			t.Errorf("%s: %+v", m.Name, cfg)
		}
	}
	for _, m := range tier.mids {
		cfg, _, err := config.LoadSyndic(config.LoadOptions{ConfigDir: m.Config})
		if err != nil {
			t.Fatal(err)
		}
		if cfg.ID != m.Name || len(cfg.Upstreams) != 2 || cfg.RetPort != m.Ret || filepath.Dir(cfg.PKIDir) == "" {
			t.Errorf("%s: %+v", m.Name, cfg)
		}
	}
	if err := tier.Stop(); err != nil {
		t.Errorf("stop of nothing: %v", err)
	}
}

func TestAwait_namesTheProcessThatEnded(t *testing.T) {
	shortTemp(t)
	tier, err := NewTier("/bin/false", Shape{Tops: 1, Hosts: 1, PerHost: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(tier.Dir)
	if err := tier.start("short-lived"); err != nil {
		t.Fatal(err)
	}
	err = tier.await(t.Context(), "a thing that never comes", func() bool { return false })
	if err == nil || !strings.Contains(err.Error(), "short-lived ended") {
		t.Errorf("await: %v", err)
	}
	if err := tier.Stop(); err == nil || !strings.Contains(err.Error(), "short-lived") {
		t.Errorf("stop: %v", err)
	}
}

func TestDescribe(t *testing.T) {
	load, err := wire.Encode(wire.NewMap("fun", "test.ping", "tgt", "*", "tgt_type", "glob", "user", "root"), wire.Wire)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := Describe(load), "fun test.ping, tgt * (glob), user root"; got != want {
		t.Errorf("Describe = %q, want %q", got, want)
	}
	if Describe([]byte{0xc1}) == "" {
		t.Error("nothing said of a damaged load")
	}
}

// shortTemp makes a temporary directory whose name leaves room for the names of sockets.
func shortTemp(t *testing.T) {
	t.Helper()
	dir, err := os.MkdirTemp("", "d")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	t.Setenv("TMPDIR", dir)
}
