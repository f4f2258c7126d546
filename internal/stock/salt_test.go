package stock

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestLevel(t *testing.T) {
	for _, test := range []struct {
		release string
		want    int
	}{
		{"3004", 2},
		{"3006.10", 2},
		{"3006.11", 2},
		{"3006.12", 3},
		{"3006.12rc1", 3},
		{"3007.3", 2},
		{"3007.4+12.gabc", 3},
		{"3008.0", 3},
		{"3009", 3},
	} {
		t.Run(test.release, func(t *testing.T) {
			if got := (&Salt{Release: test.release}).Level(); got != test.want {
				t.Errorf("level of %s is %d, want %d", test.release, got, test.want)
			}
		})
	}
}

// tree makes an install with the given scripts.
func tree(t *testing.T, scripts, script string) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, scripts, "salt-master"), script)
	return dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
}

func find(t *testing.T, env map[string]string) ([]*Salt, error) {
	t.Helper()
	return Find(t.Context(), func(name string) string { return env[name] })
}

func TestFind_sourceTree(t *testing.T) {
	dir := tree(t, "scripts", "never run")
	write(t, filepath.Join(dir, "salt", "version.py"), "")
	write(t, filepath.Join(dir, "salt", "_version.txt"), "v3007.8\n")
	library := t.TempDir()
	write(t, filepath.Join(library, "3007", "sitecustomize.py"), "")
	write(t, filepath.Join(library, "3006", "other.py"), "")
	found, err := find(t, map[string]string{
		"STOCK_SALT": dir + "::", "STOCK_SALT_PYTHON": "/usr/bin/true", "STOCK_SALT_PYTHONPATH": library,
	})
	if err != nil || len(found) != 1 || found[0].Release != "3007.8" {
		t.Fatalf("found %v, %v", found, err)
	}
	argv, err := found[0].Argv(Master, "-c", "x")
	want := []string{"/usr/bin/true", filepath.Join(dir, "scripts/salt-master"), "-c", "x"}
	if err != nil || !slices.Equal(argv, want) {
		t.Errorf("argv %q, %v, want %q", argv, err, want)
	}
	path := "PYTHONPATH=" + strings.Join([]string{filepath.Join(library, "3007"), library, dir}, ":")
	if !slices.Contains(found[0].Environ(), path) {
		t.Errorf("%s is not in the environment", path)
	}
	if _, err := found[0].Argv(Syndic); err == nil {
		t.Error("a missing script has a command line")
	}
}

func TestFind_prefixIsAsked(t *testing.T) {
	for _, scripts := range []string{"bin", "."} {
		dir := tree(t, scripts, "#!/bin/sh\necho 'salt-master 3006.16 (Sulfur)'\n")
		found, err := find(t, map[string]string{"STOCK_SALT": dir})
		if err != nil || len(found) != 1 || found[0].Release != "3006.16" {
			t.Errorf("%s: found %v, %v", scripts, found, err)
		}
	}
}

func TestFind_reportsEveryBadEntry(t *testing.T) {
	empty, failing := t.TempDir(), tree(t, "bin", "#!/bin/sh\nexit 3\n")
	found, err := find(t, map[string]string{"STOCK_SALT": empty + ":" + failing})
	if err == nil || !strings.Contains(err.Error(), empty) || !strings.Contains(err.Error(), "status 3") {
		t.Errorf("found %v, %v", found, err)
	}
	if found, err := find(t, nil); err != nil || len(found) != 0 {
		t.Errorf("nothing given: found %v, %v", found, err)
	}
}

func TestSaltern(t *testing.T) {
	binary := filepath.Join(tree(t, "bin", "#!/bin/sh\n"), "bin/salt-master")
	saltern, err := NewSaltern(binary)
	if err != nil {
		t.Fatal(err)
	}
	argv, err := saltern.Argv(Key, "-L")
	if err != nil || !slices.Equal(argv, []string{binary, "key", "-L"}) {
		t.Errorf("argv %q, %v", argv, err)
	}
	if _, err := saltern.Argv(Minion); err == nil {
		t.Error("saltern has a minion")
	}
	for _, bad := range []string{t.TempDir(), filepath.Join(t.TempDir(), "none")} {
		if _, err := NewSaltern(bad); err == nil {
			t.Errorf("%s was taken for a binary", bad)
		}
	}
}
