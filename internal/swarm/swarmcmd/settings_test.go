package swarmcmd

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestSettle: the command line wins over the environment, the environment over the file.
func TestSettle(t *testing.T) {
	file := filepath.Join(t.TempDir(), "swarm.yaml")
	text := "minions: 7\nlevel: 2\nid-prefix: file-\nduration: 3s\nmaster: [10.0.0.1, 10.0.0.2]\nmute: 2.5\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SALTERN_SWARM_LEVEL", "3")
	t.Setenv("SALTERN_SWARM_ID_PREFIX", "env-")
	var o options
	cmd := command(&o)
	if err := cmd.ParseFlags([]string{"--config", file, "--id-prefix", "line-"}); err != nil {
		t.Fatal(err)
	}
	if err := o.settle(cmd); err != nil {
		t.Fatal(err)
	}
	if o.cfg.N != 7 || o.level != 3 || o.cfg.IDPrefix != "line-" || o.duration != 3*time.Second || o.cfg.MutePercent != 2.5 ||
		!slices.Equal(o.masters, []string{"10.0.0.1", "10.0.0.2"}) {
		t.Errorf("options %+v", o)
	}
}

func TestSettle_faults(t *testing.T) {
	file := filepath.Join(t.TempDir(), "swarm.yaml")
	for text, want := range map[string]string{
		"minnions: 7\n":   `no option "minnions"`,
		"minions: many\n": "option minions",
		"minions: [\n":    "--config",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var o options
		cmd := command(&o)
		if err := cmd.ParseFlags([]string{"--config", file}); err != nil {
			t.Fatal(err)
		}
		if err := o.settle(cmd); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
