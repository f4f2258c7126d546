package config

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestExpandNodegroups(t *testing.T) {
	dir := t.TempDir()
	text := "nodegroups:\n  web: 'L@w1,w2 or web*'\n  list: [w1, w2]\n  words: [w1, or, 'x*']\n  all: 'N@web or N@list'\n  loop: 'N@loop2'\n  loop2: 'a or N@loop'\n"
	if err := os.WriteFile(filepath.Join(dir, "master"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	m, _, err := LoadMaster(LoadOptions{ConfigDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string]string{
		"web* and not db1":      "web* and not db1",
		"N@web":                 "( L@w1,w2 or web* )",
		"G@os:Debian and N@all": "G@os:Debian and ( ( L@w1,w2 or web* ) or ( L@w1,w2 ) )",
		"N@words":               "( w1 or x* )",
		"":                      "",
	} {
		if got, err := m.ExpandNodegroups(in); err != nil || got != want {
			t.Errorf("%q became %q, %v; want %q", in, got, err, want)
		}
	}
	var ge *NodegroupError
	for in, name := range map[string]string{"x or N@none": "none", "N@loop": "loop"} {
		if _, err := m.ExpandNodegroups(in); !errors.As(err, &ge) || ge.Name != name {
			t.Errorf("%q: %v", in, err)
		}
	}
	if expr, err := m.NodegroupExpr("list"); err != nil || expr != "L@w1,w2" {
		t.Errorf("%q, %v", expr, err)
	}
}
