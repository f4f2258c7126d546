package saltkey

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/cliargs"
	"github.com/saltern-io/saltern/internal/event"
	"github.com/saltern-io/saltern/internal/wire"
)

func TestEndsSessions(t *testing.T) {
	h := newHost(t, t.TempDir(), hostSeed{}, nil)
	for _, id := range []string{"Bravo", "delta", "web1.example.com"} {
		h.write(t, filepath.Join("m/cache/sessions", id), strings.Repeat("x", 76), 0o600)
	}
	must(t, os.Chmod(h.path("m/cache/sessions"), 0o700))
	h.run("", "-c", h.root, "-y", "-d", "Bravo")
	h.run("", "-c", h.root, "-y", "-r", "delta")
	left, err := os.ReadDir(h.path("m/cache/sessions"))
	if err != nil || len(left) != 1 || left[0].Name() != "web1.example.com" {
		t.Errorf("%v, %v", left, err)
	}
}

func TestForceReplacesAccepted(t *testing.T) {
	h := newHost(t, t.TempDir(), hostSeed{}, nil)
	_, stdout, _ := h.run("", "-c", h.root, "-y", "-a", "alpha", "--include-denied", "--force")
	if !strings.HasSuffix(stdout, "Key for minion alpha accepted.\n") || len(h.events) != 1 {
		t.Errorf("%q %q", stdout, h.events)
	}
}

func TestRotationFlagIsNotReplaced(t *testing.T) {
	h := newHost(t, t.TempDir(), hostSeed{}, nil)
	h.write(t, "m/cache/.dfn", "other", 0o400)
	h.write(t, "m/cache/.dfn-next", "left by a crash", 0o400)
	h.run("", "-c", h.root, "-y", "-d", "Bravo")
	flag := h.path("m/cache/.dfn")
	if got, _ := os.ReadFile(flag); string(got) != "other" {
		t.Errorf("%q", got)
	}
	must(t, os.Remove(flag))
	h.run("", "-c", h.root, "-y", "-d", "alpha")
	if got, _ := os.ReadFile(flag); string(got) != "golden" {
		t.Errorf("%q", got)
	}
}

func TestBrokenConfigExits1(t *testing.T) {
	h := newHost(t, t.TempDir(), hostSeed{}, map[string]string{"a: b": "[c"})
	if code, stdout, stderr := h.run("", "-c", h.root); code != 1 || stdout != "" || stderr == "" {
		t.Errorf("%d %q %q", code, stdout, stderr)
	}
}

// TestUsage are command lines that end before anything is read.
func TestUsage(t *testing.T) {
	for _, tt := range []struct{ args, text string }{
		{"-T -L", "belong to --eauth"},
		{"--password x", "belong to --eauth"},
		{"--eauth pam -d x --preserve-minions True", "--preserve-minions works on this host's own key files"},
		{"--auth=pam --watch", "--watch works on this host's own key files"},
		{"--external-auth pam -L --state acc", "--state works on this host's own key files"},
		{"--compat 2019", "option --compat: '2019' is not 3006, 3007 or 3008"},
		{"--state bogus", "option --state: 'bogus' is not a state"},
		{"--older-than 3", "time: missing unit"},
		{"--older-than -3s", "take times above 0"},
		{"--log-level loud", "option --log-level: invalid choice: 'loud'"},
		{"--accept-from f -a x", "cannot be combined"},
		{"--watch -A", "cannot be combined"},
		{"--watch --verify-signature", "cannot be combined"},
		{"--out-indent x", "option --out-indent: invalid integer value: 'x'"},
		{"--saltfile /nonexistent", "'/nonexistent' file does not exist."},
		{"--acc x", "ambiguous option: --acc (--accept, --accept-all?)"},
	} {
		h := newHost(t, t.TempDir(), hostSeed{}, nil)
		code, stdout, stderr := h.run("", append([]string{"-c", h.root}, strings.Fields(tt.args)...)...)
		if code != 64 || stdout != "" || !strings.Contains(stderr, "\nsalt-key: error: ") || !strings.Contains(stderr, tt.text) {
			t.Errorf("%s: %d %q %q", tt.args, code, stdout, stderr)
		}
	}
}

// TestAbbreviations: what stock accepts as short for its options is not taken away by our own options.
func TestAbbreviations(t *testing.T) {
	h := newHost(t, t.TempDir(), hostSeed{}, nil)
	for _, args := range []string{"--co " + h.root + " -y --accept-a", "-c " + h.root + " -y --accept- --force-color"} {
		if code, _, stderr := h.run("", strings.Fields(args)...); code != 0 || strings.Contains(stderr, "error:") {
			t.Errorf("%s: %d %q", args, code, stderr)
		}
	}
}

func TestVersionsReport(t *testing.T) {
	h := newHost(t, t.TempDir(), hostSeed{}, nil)
	code, stdout, _ := h.run("", "-V")
	for _, want := range []string{"Salt Version:\n", "\n          Salt: saltern ", "\nDependency Versions:\n", "\nSystem Versions:\n"} {
		if code != 0 || !strings.Contains(stdout, want) {
			t.Errorf("%d %q lacks %q", code, stdout, want)
		}
	}
}

func TestCompatSources(t *testing.T) {
	conf := newHost(t, t.TempDir(), hostSeed{}, map[string]string{"saltern_key_compat": "3008"})
	plain := newHost(t, t.TempDir(), hostSeed{}, nil)
	whole, body := "61:2e:89", "bc:65:3d"
	for _, tt := range []struct {
		h         *host
		env, flag string
		want      string
	}{
		{plain, "", "", body},
		{plain, "", "3008", whole},
		{plain, "3008", "", whole},
		{plain, "3008", "3006.10", body},
		{conf, "", "", whole},
		{conf, "3007", "", body},
	} {
		t.Setenv("SALTERN_KEY_COMPAT", tt.env)
		args := []string{"-c", tt.h.root, "-f", "delta"}
		if tt.flag != "" {
			args = append(args, "--compat", tt.flag)
		}
		if _, stdout, stderr := tt.h.run("", args...); !strings.Contains(stdout, tt.want) {
			t.Errorf("env %q flag %q: %q %q", tt.env, tt.flag, stdout, stderr)
		}
	}
	t.Setenv("SALTERN_KEY_COMPAT", "x")
	if code, _, stderr := plain.run("", "-c", plain.root); code != 1 || !strings.Contains(stderr, "SALTERN_KEY_COMPAT: 'x' is not") {
		t.Errorf("%d %q", code, stderr)
	}
}

func TestSaltfile(t *testing.T) {
	h := newHost(t, t.TempDir(), hostSeed{}, nil)
	h.write(t, "Saltfile", "salt-key:\n  config_dir: "+h.root+"\n  yes: True\n  out: json\n  unknown: 1\nsalt:\n  out: raw\n", 0o600)
	code, stdout, stderr := h.run("", "--saltfile", h.path("Saltfile"), "-a", "delta", "--out", "quiet")
	if code != 0 || stdout != "The following keys are going to be accepted:\nKey for minion delta accepted.\n" {
		t.Errorf("%d %q %q", code, stdout, stderr)
	}
	h.write(t, "Saltfile", "salt-key: {keysize: big}", 0o600)
	if code, _, stderr := h.run("", "--saltfile", h.path("Saltfile"), "-c", h.root); code != 64 || !strings.Contains(stderr, "keysize") {
		t.Errorf("%d %q", code, stderr)
	}
	h.write(t, "Saltfile", "salt-key: [", 0o600)
	if code, _, _ := h.run("", "--saltfile", h.path("Saltfile"), "-c", h.root); code != 1 {
		t.Errorf("%d", code)
	}
}

func TestLogFile(t *testing.T) {
	h := newHost(t, t.TempDir(), hostSeed{}, nil)
	h.run("", "-c", h.root, "-y", "-a", "junk")
	h.run("", "-c", h.root, "-y", "-a", "junk", "--log-file", h.path("own"), "--log-level", "quiet")
	for _, path := range []string{"log/key", "own"} {
		text, err := os.ReadFile(h.path(path))
		if err != nil || !strings.Contains(string(text), "[salt.key") || !strings.Contains(string(text), "Invalid RSA public key: junk") {
			t.Errorf("%s: %q, %v", path, text, err)
		}
	}
}

// TestFiresOnTheBus runs against a real pull socket.
func TestFiresOnTheBus(t *testing.T) {
	h := newHost(t, t.TempDir(), hostSeed{}, nil)
	sock := h.path("m/sock")
	must(t, os.MkdirAll(sock, 0o755))
	log := slog.New(slog.DiscardHandler)
	b := event.NewBus(event.BusConfig{Log: log})
	sub := b.Subscribe(event.SubscribeOptions{Prefix: []string{event.TagKey}})
	defer sub.Close()
	server, err := event.Listen(event.ServerConfig{SockDir: sock, Log: log}, b)
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	cmd := NewCommand()
	cmd.SetOut(&bytes.Buffer{})
	cmd.SetErr(&bytes.Buffer{})
	if code := cliargs.Execute(cmd, []string{"-c", h.root, "-y", "-a", "delta"}); code != 0 {
		t.Fatal(code)
	}
	select {
	case e := <-sub.C():
		data, err := wire.DecodeMap(e.Data, wire.Local, wire.LoadLimits)
		if err != nil || e.Tag != "salt/key" || !data.Bool("result") || data.Str("act") != "accept" || data.Str("id") != "delta" || data.Str("_stamp") == "" {
			t.Errorf("%s %v, %v", e.Tag, data, err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("no event")
	}
}
