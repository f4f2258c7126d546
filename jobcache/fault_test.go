package jobcache

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// faultFS fails the chosen operations on log files once it is switched on.
func faultFS(fs vfs.FS, kind errorfs.OpKind, cause error) (vfs.FS, *atomic.Bool) {
	var on atomic.Bool
	return errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if on.Load() && op.Kind == kind && strings.HasSuffix(op.Path, ".log") {
			return cause
		}
		return nil
	})), &on
}

func TestFault_failedWriteIsNotAcknowledged(t *testing.T) {
	for _, c := range []struct {
		name  string
		kind  errorfs.OpKind
		cause error
	}{
		{"write EIO", errorfs.OpFileWrite, syscall.EIO},
		{"write ENOSPC", errorfs.OpFileWrite, syscall.ENOSPC},
		{"sync EIO", errorfs.OpFileSync, syscall.EIO},
		{"sync data EIO", errorfs.OpFileSyncData, syscall.EIO},
	} {
		t.Run(c.name, func(t *testing.T) {
			mem := vfs.NewCrashableMem()
			fs, on := faultFS(mem, c.kind, c.cause)
			s, err := Open("jobs", Options{FS: fs})
			if err != nil {
				t.Fatal(err)
			}
			if o := save(s, testJID, "good", "x"); o != (Outcome{}) {
				t.Fatal(o)
			}
			on.Store(true)
			o := save(s, testJID, "bad", "x")
			if c.kind == errorfs.OpFileSync && o.Err == nil {
				t.Skip("the engine syncs its log by another call on this system")
			}
			if !errors.Is(o.Err, ErrDead) {
				t.Fatalf("outcome of the failed write: %+v", o)
			}
			if err := <-s.Dead(); !errors.Is(err, ErrDead) {
				t.Errorf("Dead delivers %v", err)
			}
			if _, open := <-s.Dead(); open {
				t.Error("Dead delivers twice")
			}
			checkRefuses(t, s)
			if err := s.Close(); !errors.Is(err, ErrDead) {
				t.Errorf("Close: %v", err)
			}
			again, err := Open("jobs", Options{FS: mem.CrashClone(vfs.CrashCloneCfg{})})
			if err != nil {
				t.Fatal(err)
			}
			if got := returnsOf(t, again, testJID)["good"]; got != "x" {
				t.Error("the acknowledged return is lost")
			}
			if err := again.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func checkRefuses(t *testing.T, s *Store) {
	t.Helper()
	if o := save(s, testJID, "after", "x"); !errors.Is(o.Err, ErrDead) {
		t.Errorf("SaveReturn: %+v", o)
	}
	if o := saveUnit(s, Return{JID: testJID, MinionID: "after"}); !errors.Is(o[0].Err, ErrDead) {
		t.Errorf("SaveReturns: %+v", o)
	}
	if err := s.SaveLoad(context.Background(), Job{JID: "x"}); !errors.Is(err, ErrDead) {
		t.Errorf("SaveLoad: %v", err)
	}
}

// TestFault_wholeGroupFails: everybody who shares the failed sync is told.
func TestFault_wholeGroupFails(t *testing.T) {
	fs, on := faultFS(vfs.NewMem(), errorfs.OpFileWrite, syscall.EIO)
	s, err := Open("jobs", Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	release := hold(t, s)
	defer release()
	const n = 50
	got := make(chan Outcome, n)
	for i := range n {
		s.SaveReturn(Return{JID: testJID, MinionID: minionName(i)}, func(o Outcome) { got <- o })
	}
	unit := make(chan []Outcome, 1)
	s.SaveReturns([]Return{{JID: "a", MinionID: "m"}, {JID: "b", MinionID: "m"}}, func(o []Outcome) { unit <- o })
	on.Store(true)
	release()
	for range n {
		if o := <-got; !errors.Is(o.Err, ErrDead) {
			t.Errorf("%+v", o)
		}
	}
	if o := <-unit; len(o) != 2 || !errors.Is(o[0].Err, ErrDead) || !errors.Is(o[1].Err, ErrDead) {
		t.Errorf("unit: %+v", o)
	}
	if err := s.Close(); !errors.Is(err, ErrDead) {
		t.Error(err)
	}
	if st := s.Stats(); st.ReturnsStored != 0 || st.ReturnsFailed != n+2 {
		t.Errorf("stats: %+v", st)
	}
}
