package swarm

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/saltern-io/saltern/pki"
)

func startKeys(t *testing.T) []*pki.PrivateKey {
	t.Helper()
	return []*pki.PrivateKey{testKey(t, "minion")}
}

func TestNew_refusesConfig(t *testing.T) {
	good := func() Config {
		return Config{Masters: []Master{{Host: "::1"}}, N: 3, Keys: startKeys(t)}
	}
	if _, err := New(good()); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Config){
		"no master":     func(c *Config) { c.Masters = nil },
		"no host":       func(c *Config) { c.Masters[0].Host = "" },
		"port":          func(c *Config) { c.Masters[0].RetPort = 70000 },
		"no minion":     func(c *Config) { c.N = 0 },
		"level":         func(c *Config) { c.Level = 1 },
		"algorithm":     func(c *Config) { c.EncAlgorithm = "OAEP-MD5" },
		"signature":     func(c *Config) { c.SigAlgorithm = "none" },
		"same ids":      func(c *Config) { c.IDTemplate = "all" },
		"two numbers":   func(c *Config) { c.IDTemplate = "%d-%d" },
		"id with slash": func(c *Config) { c.IDPrefix = "a/b" },
		"mute":          func(c *Config) { c.MutePercent = 101 },
		"timer":         func(c *Config) { c.ReturnTimer, c.ReturnTimerMax = 20, 10 },
	} {
		c := good()
		change(&c)
		if _, err := New(c); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNew_ids(t *testing.T) {
	s, err := New(Config{Masters: []Master{{Host: "h"}}, N: 2, FirstIndex: 9, IDTemplate: "web%03d.example", Keys: startKeys(t)})
	if err != nil {
		t.Fatal(err)
	}
	if ids := s.IDs(); len(ids) != 2 || ids[0] != "web009.example" || ids[1] != "web010.example" {
		t.Errorf("%q", ids)
	}
	if s, err = New(Config{Masters: []Master{{Host: "h"}}, N: 1, IDPrefix: "100%-", Keys: startKeys(t)}); err != nil || s.IDs()[0] != "100%-0" {
		t.Errorf("%v", err)
	}
}

func TestLoadIdentities_keyDir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	cfg := Config{KeyPairs: 2, KeyBits: 1024, KeyDir: dir}
	first, err := loadIdentities(cfg)
	if err != nil {
		t.Fatal(err)
	}
	again, err := loadIdentities(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if len(first) != 2 || first[0].pub == first[1].pub || first[0].pub != again[0].pub || first[1].pub != again[1].pub {
		t.Error("the second run is not the same fleet")
	}
	info, err := os.Stat(filepath.Join(dir, "key-1.pem"))
	if err != nil || info.Mode().Perm() != 0o400 {
		t.Errorf("%v %v", info.Mode(), err)
	}
}
