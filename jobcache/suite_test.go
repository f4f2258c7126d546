package jobcache

import (
	"context"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
)

// loadKeeper is what every form of the job cache can do: keep loads and minion lists.
type loadKeeper interface {
	saveLoad(jid string, load []byte, minions []string) error
	addMinions(jid, syndicID string, minions []string) error
	load(jid string) ([]byte, bool, error)
	minions(jid string) ([]string, error)
}

type storeKeeper struct{ s *Store }

func (k storeKeeper) saveLoad(jid string, load []byte, minions []string) error {
	return k.s.SaveLoad(context.Background(), Job{JID: jid, Load: load, Minions: minions})
}

func (k storeKeeper) addMinions(jid, syndicID string, minions []string) error {
	return k.s.AddMinions(context.Background(), jid, syndicID, minions)
}

func (k storeKeeper) load(jid string) ([]byte, bool, error) {
	j, _, err := k.s.Job(jid)
	return j.Load, j.Load != nil, err
}

func (k storeKeeper) minions(jid string) ([]string, error) {
	j, _, err := k.s.Job(jid)
	return j.AllMinions(), err
}

type dirKeeper struct{ d LocalDir }

func (k dirKeeper) saveLoad(jid string, load []byte, minions []string) error {
	return k.d.SaveLoad(jid, load, minions)
}

func (k dirKeeper) addMinions(jid, syndicID string, minions []string) error {
	return k.d.AddMinions(jid, syndicID, minions)
}
func (k dirKeeper) load(jid string) ([]byte, bool, error) { return k.d.Load(jid) }
func (k dirKeeper) minions(jid string) ([]string, error)  { return k.d.Minions(jid) }

func TestLoadKeepers(t *testing.T) {
	for name, open := range map[string]func(t *testing.T) loadKeeper{
		"store on disk":   func(t *testing.T) loadKeeper { return storeKeeper{openTest(t, t.TempDir(), Options{})} },
		"store in memory": func(t *testing.T) loadKeeper { return storeKeeper{openTest(t, "d", Options{FS: vfs.NewMem()})} },
		"stock directory": func(t *testing.T) loadKeeper { return dirKeeper{LocalDir{Root: t.TempDir()}} },
	} {
		t.Run(name, func(t *testing.T) { suiteLoads(t, open(t)) })
	}
}

func suiteLoads(t *testing.T, k loadKeeper) {
	check := func(jid string, wantLoad string, known bool, wantMinions ...string) {
		t.Helper()
		load, ok, err := k.load(jid)
		if err != nil || ok != known || string(load) != wantLoad {
			t.Errorf("load of %q: %q %v %v", jid, load, ok, err)
		}
		got, err := k.minions(jid)
		if err != nil || len(got) != len(wantMinions) || len(got) > 0 && !cmp.Equal(got, wantMinions) {
			t.Errorf("minions of %q: %v %v, want %v", jid, got, err, wantMinions)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check("a", "", false)
	must(k.addMinions("a", "syn1", []string{"s2", "s1"}))
	check("a", "", false, "s1", "s2")
	must(k.saveLoad("a", []byte("load"), []string{"m1", "s1"}))
	check("a", "load", true, "m1", "s1", "s2")
	must(k.addMinions("a", "syn2", []string{"m9"}))
	must(k.addMinions("a", "syn1", []string{"s3"}))
	check("a", "load", true, "m1", "m9", "s1", "s3")
	must(k.saveLoad("a", []byte("again"), nil))
	must(k.saveLoad("odd/../jid \xff", []byte{}, []string{}))
	check("odd/../jid \xff", "", true)
	check("b", "", false)
}
