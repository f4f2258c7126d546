package importrules

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/saltern-io/saltern"

// arrows are the imports allowed between packages of internal/, by their first folder. A package that
// is not listed is a leaf. Every internal package may import rank 0 where restZero names it.
var arrows = map[string][]string{
	"event":       {"unixsocket", "wire"},
	"minioncache": {"wire"},
	"relay":       {"wire", "event", "outbox", "redisdb", "config", "status", "metrics", "logfmt", "version", "signin"},
	"redisdb":     {"config"},
	"signin":      {"wire"},
	"jobexport":   {"wire", "output", "redisdb"},
	"output":      {"wire"},
	"access":      {"target", "wire"},
	"cliargs":     {"config", "wire"},
	"demo":        {"wire", "status"},
	"pillar":      {"render", "target", "fileserver"},
	"client":      {"wire", "jid", "event", "config", "target"},
	"runner":      {"jid", "event", "client", "minioncache"},
	"wheel":       {"event"},
	"netapi":      {"client", "event", "access"},
	"web":         {"metrics", "event"},
	"saltkey":     {"client", "cliargs", "config", "event", "keyrotate", "lifecycle", "logfmt", "output", "target", "version", "wire"},
	"broker":      {"config", "metrics", "status", "version", "wire"},
	"status":      {"metrics", "unixsocket"},
	"soak":        {"demo", "badlink", "event", "status"},
	"check":       {"config", "lifecycle", "status", "wire"},
	"manual":      {"config"},
	"swarm":       {"wire", "target"},
	"keyshare":    {"wire"},
	"bench":       {"wire", "jid", "event", "status", "swarm", "config", "relay", "redisdb", "jobexport"},
}

// toRankZero are the internal packages that may use rank 0.
var toRankZero = map[string][]string{
	"client":    {"pki", "transport"},
	"check":     {"pki"},
	"runner":    {"jobcache"},
	"wheel":     {"pki"},
	"broker":    {"transport"},
	"keyrotate": {"pki"},
	"keyshare":  {"pki"},
	"swarm":     {"pki"},
	"signin":    {"pki"},
	"soak":      {"jobcache"},
	"bench":     {"pki", "transport", "jobcache"},
	"outbox":    {"jobcache"},
	"relay":     {"transport", "pki"},
	"jobexport": {"jobcache"},
	"saltkey":   {"pki"},
}

func rank(pkg string) int {
	switch first, _, _ := strings.Cut(pkg, "/"); first {
	case "pki", "transport", "jobcache":
		return 0
	case "internal":
		return 1
	case "master", "syndic":
		return 2
	case "cmd", "tools":
		return 3
	}
	return -1
}

// area is the folder a rule names: "internal/event/x" → "event", "pki/x" → "pki".
func area(pkg string) string {
	first, _, _ := strings.Cut(strings.TrimPrefix(pkg, "internal/"), "/")
	return first
}

// check says what is wrong with the import of one package of this module by another, "" when nothing.
func check(from, to string) string {
	rf, rt := rank(from), rank(to)
	switch {
	case rf < 0:
		return "is in no rank: say in the import rules where it belongs"
	case rt < 0:
		return "imports a package without a rank"
	case area(from) == area(to) && rf == rt:
		return "" // inside one folder
	case rt > rf:
		return fmt.Sprintf("points up, from rank %d to rank %d", rf, rt)
	case rf == 0:
		return "rank 0 imports nothing of this module"
	case rf == 2 && rt == 2:
		return "master and syndic never import each other"
	case rf == 1 && rt == 1 && !slices.Contains(arrows[area(from)], area(to)):
		return "is an arrow inside internal/ that is not listed"
	case rf == 1 && rt == 0 && !slices.Contains(toRankZero[area(from)], area(to)):
		return "is an arrow from internal/ to rank 0 that is not listed"
	}
	return ""
}

func TestCheck(t *testing.T) {
	for _, tc := range []struct {
		from, to string
		ok       bool
	}{
		{"cmd/saltern", "master", true},
		{"master", "internal/wire", true},
		{"master", "pki", true},
		{"master/mastertest", "master", true},
		{"internal/event", "internal/wire", true},
		{"internal/client", "transport", true},
		{"internal/wire/wiretest", "internal/wire", true},
		{"master", "syndic", false},
		{"pki", "internal/wire", false},
		{"pki", "transport", false},
		{"internal/wire", "pki", false},
		{"internal/wire", "internal/event", false},
		{"internal/event", "master", false},
		{"master", "cmd/saltern", false},
		{"elsewhere", "pki", false},
	} {
		if why := check(tc.from, tc.to); (why == "") != tc.ok {
			t.Errorf("%s → %s: got %q, want ok %v", tc.from, tc.to, why, tc.ok)
		}
	}
}

// TestImports reads every file of the module, those of all build tags included. Tests may reach
// further: they are not part of what others import.
func TestImports(t *testing.T) {
	root := moduleRoot(t)
	files := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); path != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "bin" || name == "dist") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		rel, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		files++
		return checkFile(t, path, filepath.ToSlash(rel))
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 10 {
		t.Fatalf("only %d files found below %s", files, root)
	}
}

func checkFile(t *testing.T, path, from string) error {
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
	if err != nil {
		return err
	}
	for _, spec := range f.Imports {
		to, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return err
		}
		to, ours := strings.CutPrefix(to, module+"/")
		if !ours {
			continue
		}
		if why := check(from, to); why != "" {
			t.Errorf("%s: %s → %s %s", path, from, to, why)
		}
	}
	return nil
}

func moduleRoot(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test")
		}
	}
}
