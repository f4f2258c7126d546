package main

import (
	"bytes"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"github.com/saltern-io/saltern/pki"
)

// toolHost is a configuration directory of a master that does not run.
type toolHost struct {
	t         testing.TB
	root, dir string
}

func newToolHost(t testing.TB, extra ...string) toolHost {
	t.Helper()
	u, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	h := toolHost{t: t, root: t.TempDir()}
	h.dir = filepath.Join(h.root, "c")
	text := fmt.Sprintf("root_dir: %s\nuser: %s\nid: m1\n%s\n", h.root, u.Username, strings.Join(extra, "\n"))
	for _, dir := range []string{h.dir, h.cache(), h.pki()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(h.dir, "master"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h toolHost) pki() string   { return filepath.Join(h.root, "etc/salt/pki/master") }
func (h toolHost) cache() string { return filepath.Join(h.root, "var/cache/salt/master") }

// run runs "saltern key WORD args…" and returns what it printed.
func (h toolHost) run(word string, args ...string) (string, error) {
	h.t.Helper()
	p, ok := keyToolNamed([]string{word})
	if !ok {
		h.t.Fatalf("no tool %q", word)
	}
	cmd := p.make()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetArgs(append(args, "-c", h.dir))
	err := cmd.Execute()
	return out.String(), err
}

func (h toolHost) must(word string, args ...string) string {
	h.t.Helper()
	out, err := h.run(word, args...)
	if err != nil {
		h.t.Fatalf("%s %q: %v\n%s", word, args, err, out)
	}
	return out
}

func toolKey(t testing.TB) *pki.PrivateKey {
	t.Helper()
	key, err := pki.GenerateKey(2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestRotateAES_leavesTheFlag(t *testing.T) {
	h := newToolHost(t)
	h.must("rotate-aes")
	if text, err := os.ReadFile(filepath.Join(h.cache(), ".dfn")); err != nil || string(text) != "m1" {
		t.Errorf("%q, %v", text, err)
	}
}

func TestRotateMaster_guide(t *testing.T) {
	h := newToolHost(t)
	if _, err := h.run("rotate-master", "prepare"); err == nil || !strings.Contains(err.Error(), "start the master once") {
		t.Errorf("without a master key: %v", err)
	}
	key := toolKey(t)
	base := filepath.Join(h.pki(), "master")
	if err := pki.WriteKeyPair(base+".pem", base+".pub", key, nil); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct{ args, want string }{
		{"status", "idle"},
		{"prepare", "is not signed"},
		{"status", "master_sign_pubkey is off"},
		{"switch --force", "switched"},
		{"rollback", "prepared"},
		{"discard", "idle"},
	} {
		if out := h.must("rotate-master", strings.Fields(step.args)...); !strings.Contains(out, step.want) {
			t.Errorf("%s: %q not in\n%s", step.args, step.want, out)
		}
	}
	h.must("rotate-master", "prepare")
	if _, err := h.run("rotate-master", "switch"); err == nil || !strings.Contains(err.Error(), "left behind") {
		t.Errorf("unsafe switch: %v", err)
	}
	if _, err := h.run("rotate-master", "swich"); err == nil {
		t.Error("an unknown step was taken")
	}
}

func TestRotateMinion(t *testing.T) {
	h := newToolHost(t)
	store, err := pki.OpenDirStore(h.pki(), pki.DirOptions{})
	if err != nil {
		t.Fatal(err)
	}
	before, after := toolKey(t), toolKey(t)
	put := func(s pki.State, key *pki.PrivateKey) {
		t.Helper()
		if err := store.Put("web1", s, key.Public().PEM()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.run("rotate-minion", "web1"); err == nil || !strings.Contains(err.Error(), "no accepted key") {
		t.Errorf("unknown minion: %v", err)
	}
	put(pki.Accepted, before)
	if out := h.must("rotate-minion", "web1"); !strings.Contains(out, "rm /etc/salt/pki/minion/minion.pem") {
		t.Errorf("guide: %s", out)
	}
	put(pki.Denied, after)
	finger, err := pki.Fingerprint(after.Public().PEM(), "sha256")
	if err != nil {
		t.Fatal(err)
	}
	if out := h.must("rotate-minion", "web1"); !strings.Contains(out, "--fingerprint "+finger) {
		t.Errorf("the key shown: %s", out)
	}
	if _, err := h.run("rotate-minion", "web1", "--fingerprint", strings.Repeat("00:", 31)+"00"); err == nil {
		t.Error("a foreign fingerprint replaced the key")
	}
	h.must("rotate-minion", "web1", "--fingerprint", strings.ToUpper(finger), "--wait", "1s")
	entry, err := store.Lookup("web1")
	if err != nil || entry.Key == nil || !entry.Key.Equal(after.Public()) {
		t.Errorf("accepted now: %+v, %v", entry.State, err)
	}
	if denied, err := store.Read("web1", pki.Denied); err != nil || denied.State != pki.None {
		t.Errorf("denied still: %v, %v", denied.State, err)
	}
	if _, err := os.Stat(filepath.Join(h.cache(), ".dfn")); err != nil {
		t.Error("no rotation of the AES key was asked for")
	}
}
