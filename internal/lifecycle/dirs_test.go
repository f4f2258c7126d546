package lifecycle

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func owner(t *testing.T, path string) int {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return int(info.Sys().(*syscall.Stat_t).Uid)
}

func TestPrepareDirs(t *testing.T) {
	base := t.TempDir()
	pki := filepath.Join(base, "pki", "master")
	outside := filepath.Join(base, "outside")
	if err := os.MkdirAll(filepath.Join(pki, "minions"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{outside, filepath.Join(pki, "master.pem"), filepath.Join(pki, "minions", "m1")} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	link, hard := filepath.Join(pki, "link"), filepath.Join(pki, "hard")
	if err := os.Symlink(outside, link); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(outside, hard); err != nil {
		t.Fatal(err)
	}
	a := &Account{Name: "other", UID: os.Getuid() + 12345, GID: os.Getgid()}
	fresh := filepath.Join(base, "cache", "jobs")
	if err := PrepareDirs([]Dir{{pki, 0o700}, {fresh, 0o750}, {"", 0}}, a); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(fresh); err != nil || info.Mode().Perm() != 0o750 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if os.Getuid() != 0 {
		return // only root can give files away
	}
	for _, name := range []string{pki, fresh, filepath.Join(pki, "master.pem"), filepath.Join(pki, "minions", "m1")} {
		if got := owner(t, name); got != a.UID {
			t.Errorf("%s belongs to %d", name, got)
		}
	}
	for _, name := range []string{outside, hard, link, base} {
		if got := owner(t, name); got == a.UID {
			t.Errorf("%s was given away", name)
		}
	}
}

func TestPrepareDirs_fails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := PrepareDirs([]Dir{{file, 0o700}}, nil); err == nil {
		t.Error("a file passed for a directory")
	}
}
