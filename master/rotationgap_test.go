package master_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/swarm"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/jobcache"
	"github.com/saltern-io/saltern/master/mastertest"
)

// TestRotation_deletionsInARow: twenty keys are deleted one after the other while jobs run. A minion learns one AES key
// at a time, so a job under a key that is replaced before the minion has signed in can never be read: the first deletion
// rotates, the others are one rotation more, and no job of the minions that stay is lost. The long form has 400 of them.
func TestRotation_deletionsInARow(t *testing.T) {
	n, victims := 60, 20
	if os.Getenv(longEnv) != "" {
		n = 400
	}
	c := &clock{}
	m := c.start(t, func(cfg *config.Master) {
		cfg.AutoAccept, cfg.MinimumAuthVersion, cfg.RotationGap = true, 2, time.Hour
		cfg.LoopInterval = 50 * time.Millisecond
	})
	s := startSwarm(t, m, swarm.Config{
		N: n, IDPrefix: "m", StartSequence: true, VerifyPublications: true,
		AuthTimeout: time.Minute, RequestTimeout: time.Minute, ReturnTimer: time.Minute, ReturnTimerMax: time.Minute + time.Second,
	})
	gone := make([]*mastertest.Minion, victims)
	for i := range gone {
		gone[i] = mastertest.SignedIn(t, m, fmt.Sprint("victim", i), wire.Level(2+i%2))
	}
	c.advance(2 * time.Hour) // the key is not new any more
	p, bus := newPublisher(t, m), m.Bus(t)
	before, rotations := s.Stats(), 0
	var jids []string
	for i, victim := range gone {
		if err := os.Remove(filepath.Join(m.Config.PKIDir, "minions", fmt.Sprint("victim", i))); err != nil {
			t.Fatal(err)
		}
		dropfile(t, m, m.Config.ID, 0o400)
		if i == 0 {
			bus.Until(t, "key")
			rotations++
		}
		// What it was deleted for does not wait for a new key.
		if reply, refusal := victim.Try(t, wire.NewMap("cmd", "_minion_event", "id", fmt.Sprint("victim", i), "tag", "x", "data", wire.NewMap())); refusal == "" {
			t.Errorf("the deleted minion %d is served: %v", i, reply)
		}
		jids = append(jids, p.job("m*"))
		for _, tag := range rounds(t, bus, 1) {
			if tag == "key" {
				rotations++
			}
		}
	}
	want := uint64(n * len(jids))
	for deadline := time.Now().Add(5 * time.Minute); s.Stats().ReturnsAcked-before.ReturnsAcked < want && rotations == 1 && time.Now().Before(deadline); {
		time.Sleep(20 * time.Millisecond)
	}
	if rotations == 1 {
		c.advance(2 * time.Hour)
		bus.Until(t, "key")
	}
	if exists(filepath.Join(m.Config.CacheDir, ".dfn")) {
		t.Error("the flag is still there")
	}
	after := s.Stats()
	t.Logf("%d minions, %d deletions, %d+1 rotations: %d sign-ins, %d returns acknowledged", n, victims, rotations, after.SignIns-before.SignIns, after.ReturnsAcked-before.ReturnsAcked)
	if rotations != 1 {
		t.Errorf("rotated %d times before the gap was over", rotations)
	}
	m.Stop(t)
	store := openStore(t, m)
	for i, jid := range jids {
		returns := map[string]bool{}
		err := store.Returns(jid, func(r jobcache.Return) error { returns[r.MinionID] = true; return nil })
		if err != nil || len(returns) != n {
			t.Errorf("job %d: %d of %d returns stored, %v", i, len(returns), n, err)
		}
	}
}
