package pki

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// writeRules writes a rule file and sets its mtime far enough back for the cache to be trusted.
func writeRules(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(text), 0o644))
	must(t, os.Chmod(path, 0o644))
}

func TestAutosign_lines(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "autosign.conf")
	writeRules(t, path, `
# comment.example
  web1.example
web[2-4].*
[!d]b?
m-(\d+)\.lan
(?!bad).*\.good
(?P<x>a+)-(?P=x)
one|two
v\Z
(((
*.unclosed[
`)
	a := NewAutosign(AutosignConfig{AutosignFile: path})
	for id, want := range map[string]bool{
		"web1.example": true, "web1xexample": true, "web1.example2": false, "Web1.example": false,
		"# comment.example": false, "comment.example": false,
		"web2.lan": true, "web5.lan": false, "xb1": true, "db1": false,
		"m-12.lan": true, "m-12.lan.evil": false, "m-.lan": false,
		"x.good": true, "badx.good": false, "aa-aa": true, "aa-a": false,
		"one": true, "two": true, "one-evil": false, "evil-two": false,
		"v": true, "(((": true, "a.unclosed[": true, "": false, "..": false,
	} {
		if got := a.Signs(id, nil); got != want {
			t.Errorf("Signs(%q) = %v", id, got)
		}
	}
	r := NewAutosign(AutosignConfig{AutorejectFile: path})
	if !r.Rejects("web2.lan") || r.Rejects("other") || r.Signs("web2.lan", nil) {
		t.Error("autoreject_file has another meaning")
	}
	if a.Rejects("web2.lan") {
		t.Error("autosign_file rejects")
	}
}

func TestAutosign_rereads(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	a := NewAutosign(AutosignConfig{AutosignFile: path})
	want := func(want bool) {
		t.Helper()
		if a.Signs("m1", nil) != want {
			t.Errorf("Signs = %v", !want)
		}
	}
	want(false)
	writeRules(t, path, "m1\n")
	want(true)
	writeRules(t, path, "m2\n") // same size, same tick
	want(false)
	writeRules(t, path, "m1\n")
	want(true)
	must(t, os.Chmod(path, 0o646))
	want(false)
	must(t, os.Chmod(path, 0o664))
	want(false)
	must(t, os.Chmod(path, 0o644))
	want(true)
	must(t, os.Remove(path))
	want(false)
	must(t, os.Mkdir(path, 0o755))
	want(false)
}

func TestAutosign_permissions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	writeRules(t, path, "m1\n")
	must(t, os.Chmod(path, 0o664))
	cfg := AutosignConfig{AutosignFile: path, PermissivePKI: true}
	if root := os.Geteuid() == 0; NewAutosign(cfg).Signs("m1", nil) == root {
		t.Errorf("group-writable, permissive, as root %v, group unknown", root)
	}
	cfg.UserGroups = []int{os.Getegid()}
	if !NewAutosign(cfg).Signs("m1", nil) {
		t.Error("group-writable, permissive, known group")
	}
	must(t, os.Chmod(path, 0o666))
	if NewAutosign(cfg).Signs("m1", nil) {
		t.Error("world-writable file counts")
	}
}

func TestAutosign_stubs(t *testing.T) {
	dir := t.TempDir()
	a := NewAutosign(AutosignConfig{StubDir: dir, StubTimeout: 2 * time.Hour})
	stub := func(id string, age time.Duration) {
		t.Helper()
		path := filepath.Join(dir, id)
		must(t, os.WriteFile(path, nil, 0o644))
		at := time.Now().Add(-age)
		must(t, os.Chtimes(path, at, at))
	}
	stub("m1", time.Hour)
	stub("old", 3*time.Hour)
	if !a.Signs("m1", nil) || a.Signs("m1", nil) {
		t.Error("a stub counts once")
	}
	if exists(filepath.Join(dir, "old")) {
		t.Error("an old stub is kept")
	}
	stub("late", 3*time.Hour) // no sweep is due
	if a.Signs("late", nil) || exists(filepath.Join(dir, "late")) {
		t.Error("an old stub counts, or is kept")
	}
	must(t, os.Symlink(filepath.Join(dir, "x"), filepath.Join(dir, "link")))
	if a.Signs("link", nil) {
		t.Error("a link is a stub")
	}
	forever := NewAutosign(AutosignConfig{StubDir: dir})
	stub("m2", 1000*time.Hour)
	var signed atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if forever.Signs("m2", nil) {
				signed.Add(1)
			}
		})
	}
	wg.Wait()
	if signed.Load() != 1 {
		t.Errorf("one stub signed %d requests", signed.Load())
	}
}

func TestAutosign_grains(t *testing.T) {
	dir := t.TempDir()
	writeRules(t, filepath.Join(dir, "uuid"), "# key\n  abc \n42\nTrue\n1.5\n1e+22\nNone\n")
	writeRules(t, filepath.Join(dir, "role"), "web\n")
	a := NewAutosign(AutosignConfig{GrainsDir: dir})
	for i, v := range []struct {
		grains map[string]any
		want   bool
	}{
		{map[string]any{"uuid": "abc"}, true},
		{map[string]any{"uuid": int64(42)}, true},
		{map[string]any{"uuid": uint64(42)}, true},
		{map[string]any{"uuid": 42}, true},
		{map[string]any{"uuid": true}, true},
		{map[string]any{"uuid": false}, false},
		{map[string]any{"uuid": 1.5}, true},
		{map[string]any{"uuid": 1e22}, true},
		{map[string]any{"uuid": nil}, true},
		{map[string]any{"uuid": []any{"abc"}}, false},
		{map[string]any{"uuid": "# key"}, false},
		{map[string]any{"uuid": "no", "role": "web"}, true},
		{map[string]any{"../role": "web"}, false},
		{map[string]any{"role": "uuid"}, false},
		{nil, false},
	} {
		if got := a.Signs("m1", v.grains); got != v.want {
			t.Errorf("%d %v: %v", i, v.grains, got)
		}
	}
	if !NewAutosign(AutosignConfig{AutoAccept: true}).Signs("m1", nil) {
		t.Error("auto_accept")
	}
}

// An expression that would run for years costs one time limit and matches nothing.
func TestAutosign_slowExpression(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	writeRules(t, path, "(a+)+b\n")
	if NewAutosign(AutosignConfig{AutosignFile: path}).Signs("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac", nil) {
		t.Error("matched")
	}
}

func TestPythonFloat(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0.0", 1: "1.0", -2.5: "-2.5", 1e15: "1000000000000000.0", 1e16: "1e+16", 1e-4: "0.0001", 1e-5: "1e-05", 0.1: "0.1",
	} {
		if got := pythonFloat(v); got != want {
			t.Errorf("pythonFloat(%g) = %s, want %s", v, got, want)
		}
	}
}

func TestGlob(t *testing.T) {
	for _, v := range []struct {
		pattern, text string
		want          bool
	}{
		{"*", "", true},
		{"*", "any/thing", true},
		{"a*c*e", "abcde", true},
		{"a*c*e", "abcd", false},
		{"?", "ü", true},
		{"?", "", false},
		{"[]a]", "]", true},
		{"[!]a]", "]", false},
		{"[!]a]", "b", true},
		{"[a-]", "-", true},
		{"[z-a]", "b", false},
		{"[!z-a]", "b", true},
		{"[a-c-e]", "-", true},
		{"[^a]", "^", true},
		{"[^a]", "b", false},
		{"[", "[", true},
		{"[!]", "[!]", true},
		{"a[", "a[", true},
		{"[0-9]*.lan", "7x.lan", true},
		{"**a**", "bab", true},
		{"A", "a", false},
		{"*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
	} {
		if got := compileGlob(v.pattern).match(v.text); got != v.want {
			t.Errorf("%q on %q: %v", v.pattern, v.text, got)
		}
	}
}

func TestTranslatePython(t *testing.T) {
	for in, want := range map[string]string{
		`a\Z`: `a\z`, `[\Z]`: `[\Z]`, `(?P<n>x)(?P=n)`: `(?<n>x)\k<n>`, `\(?P<n>`: `\(?P<n>`, `[(?P<]`: `[(?P<]`, `[]\]](?P<n>)`: `[]\]](?<n>)`, `(?P=`: `(?P=`, `\`: `\`,
	} {
		if got := translatePython(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}

// Ten thousand minions asking a bad file make one line, and the next line tells how many asked.
func TestComplaints(t *testing.T) {
	var out strings.Builder
	c := newComplaints(slog.New(slog.NewTextHandler(&out, nil)))
	for range 5 {
		c.warn("Bad file")
	}
	c.next = time.Time{}
	c.warn("Bad file")
	if got := out.String(); strings.Count(got, "Bad file") != 2 || !strings.Contains(got, "more=4") {
		t.Errorf("logged %q", got)
	}
}
