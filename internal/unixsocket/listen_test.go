package unixsocket

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func listen(t *testing.T, path string) *Listener {
	t.Helper()
	l, err := Listen(path, 0o620)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// names is what a directory holds.
func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func TestListen(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	l := listen(t, path)
	if l.Addr().String() != path {
		t.Errorf("address %s", l.Addr())
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o620 {
		t.Errorf("mode %v: %v", info.Mode(), err)
	}
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Close(), l.Close(), l.Close()); err != nil {
		t.Error(err)
	}
	if left := names(t, dir); left != nil {
		t.Errorf("left behind: %q", left)
	}
}

func TestListen_refuses(t *testing.T) {
	dir := t.TempDir()
	listen(t, filepath.Join(dir, "served"))
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		path string
		want error
	}{
		"somebody listens": {filepath.Join(dir, "served"), ErrInUse},
		"a file":           {file, ErrPath},
		"a directory":      {dir, ErrPath},
		"too long":         {filepath.Join(dir, strings.Repeat("x", MaxPath)), ErrPath},
	} {
		if _, err := Listen(c.path, 0o600); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if left := names(t, dir); len(left) != 2 {
		t.Errorf("left behind: %q", left)
	}
}

// What an earlier process left is replaced, what a later one put there stays.
func TestListen_staleAndSuccessor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	if err := stale.Close(); err != nil {
		t.Fatal(err)
	}
	l := listen(t, path)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	next, err := Placeholder(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the successor's file is gone: %v", err)
	}
	if err := errors.Join(next.Remove(), next.Remove()); err != nil {
		t.Error(err)
	}
	if left := names(t, filepath.Dir(path)); left != nil {
		t.Errorf("left behind: %q", left)
	}
}

func TestPlaceholder_stale(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p")
	if _, err := Placeholder(path); err != nil {
		t.Fatal(err)
	}
	second, err := Placeholder(path) // an empty file may be replaced
	if err != nil {
		t.Fatal(err)
	}
	l := listen(t, path) // by a socket, too
	if err := second.Remove(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the socket is gone: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}
