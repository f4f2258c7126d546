package swarmcmd

import (
	"bytes"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/saltern-io/saltern/internal/swarm"
)

func TestParseMaster(t *testing.T) {
	for _, c := range []struct {
		text string
		want swarm.Master
		bad  bool
	}{
		{"salt", swarm.Master{Host: "salt", RetPort: 4506}, false},
		{"salt:14506", swarm.Master{Host: "salt", RetPort: 14506}, false},
		{"::1", swarm.Master{Host: "::1", RetPort: 4506}, false},
		{"[::1]:14506", swarm.Master{Host: "::1", RetPort: 14506}, false},
		{"[::1]", swarm.Master{Host: "[::1]", RetPort: 4506}, false},
		{"salt:", swarm.Master{}, true},
		{"salt:0", swarm.Master{}, true},
		{"salt:70000", swarm.Master{}, true},
	} {
		got, err := parseMaster(c.text, 4506)
		if got != c.want || (err != nil) != c.bad {
			t.Errorf("%q: %+v, %v", c.text, got, err)
		}
	}
}

func TestCommand_figuresWithoutMaster(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // nobody accepts: a master that says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dir := t.TempDir()
	ready := filepath.Join(dir, "ready")
	cmd := New()
	var stdout, stderr bytes.Buffer
	cmd.SetOut(&stdout)
	cmd.SetErr(&stderr)
	cmd.SetArgs([]string{"--master", l.Addr().String(), "-n", "2", "--key-bits", "1024", "--duration", "50ms", "--progress", "never", "--ready-file", ready})
	if err := cmd.Execute(); err != nil {
		t.Fatal(err)
	}
	var st struct {
		Seconds float64
		swarm.Stats
	}
	if err := json.Unmarshal(stdout.Bytes(), &st); err != nil {
		t.Fatalf("%v in %q", err, stdout.String())
	}
	if st.Minions != 2 || st.Ready != 0 || st.Seconds <= 0 {
		t.Errorf("%+v", st)
	}
	if _, err := os.Stat(ready); err == nil {
		t.Error("ready file without ready minions")
	}
}

func TestCommand_refusesOptions(t *testing.T) {
	for _, args := range [][]string{{"--progress", "maybe"}, {"--level", "7"}, {"-n", "0"}, {"-n", "900000000"}, {"--id-template", "x"}, {"-m", "a:b"}} {
		cmd := New()
		cmd.SetOut(&bytes.Buffer{})
		cmd.SetErr(&bytes.Buffer{})
		cmd.SetArgs(args)
		if err := cmd.Execute(); err == nil {
			t.Errorf("%q passes", args)
		}
	}
}

func TestProgressLine(t *testing.T) {
	got := progressLine(swarm.Stats{Minions: 5, Ready: 4, Pending: 1, Publications: 9, ReturnsSent: 3, ReturnsAcked: 2})
	if got != "ready 4/5  publications 9  returns 2/3  pending 1" || strings.Contains(got, "retries") {
		t.Errorf("%q", got)
	}
}
