package syndic

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/wire"
)

// TestLocalRequest_nodegroups: groups in a compound target are those of the local master (spec: syndic §5).
func TestLocalRequest_nodegroups(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "master"), []byte("nodegroups:\n  web: 'L@w1,w2'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	local, _, err := config.LoadMaster(config.LoadOptions{ConfigDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	cfg := config.DefaultSyndic()
	cfg.Local = local
	for _, c := range []struct {
		kind      string
		tgt, want any
	}{
		{"compound", "G@os:Debian and N@web", "G@os:Debian and ( L@w1,w2 )"},
		{"compound", "m1 or N@other", "m1 or N@other"},
		{"compound", "m1  or   m2", "m1  or   m2"},
		{"glob", "N@web", "N@web"},
		{"list", "N@web", "N@web"},
	} {
		if got := localRequest(wire.NewMap("tgt", c.tgt, "tgt_type", c.kind, "fun", "test.ping", "arg", []any{}), "k", cfg).Tgt; got != c.want {
			t.Errorf("%s %v became %v, want %v", c.kind, c.tgt, got, c.want)
		}
	}
}
