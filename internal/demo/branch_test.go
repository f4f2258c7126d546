package demo

import (
	"os"
	"testing"

	"github.com/saltern-io/saltern/internal/config"
)

// TestNewBranch_configurations: what the demo writes is what broker and masters read.
func TestNewBranch_configurations(t *testing.T) {
	shortTemp(t)
	b, err := NewBranch("/bin/true", 3, true)
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(b.Tier.Dir)
	cfg, _, err := config.LoadBroker(config.LoadOptions{ConfigDir: b.config})
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Masters) != 2 || cfg.PublishPort != b.pub || cfg.RetPort != b.ret {
		t.Errorf("broker: %+v", cfg)
	}
	for i, m := range b.Tier.Tops() {
		if got := cfg.Masters[i].Entry; got != m.Address() {
			t.Errorf("master %d is %q to the broker, %q here", i, got, m.Address())
		}
		master, _, err := config.LoadMaster(config.LoadOptions{ConfigDir: m.Config})
		if err != nil {
			t.Fatal(err)
		}
		if !master.ZMQFiltering || !master.AutoAccept || master.PublishPort != cfg.Masters[i].PublishPort {
			t.Errorf("master %d: %+v", i, master)
		}
	}
	if got := b.IDs(); len(got) != 3 || got[2] != "branch-002" {
		t.Errorf("ids %q", got)
	}
}
