package outbox

import (
	"errors"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// faultFS fails the chosen operations on files with the suffix while it is switched on.
func faultFS(fs vfs.FS, kind errorfs.OpKind, suffix string, cause error) (vfs.FS, *atomic.Bool) {
	var on atomic.Bool
	return errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if on.Load() && op.Kind == kind && strings.HasSuffix(op.Path, suffix) {
			return cause
		}
		return nil
	})), &on
}

// TestFault_heals: a write fails, the outcome says so, and when the cause is gone everything promised is there and the
// store works, without a restart.
func TestFault_heals(t *testing.T) {
	for _, c := range []struct {
		name  string
		kind  errorfs.OpKind
		cause error
		state State
		err   error
	}{
		{"write ENOSPC", errorfs.OpFileWrite, syscall.ENOSPC, StateDiskFull, ErrDiskFull},
		{"write EDQUOT", errorfs.OpFileWrite, syscall.EDQUOT, StateDiskFull, ErrDiskFull},
		{"write EIO", errorfs.OpFileWrite, syscall.EIO, StateUnavailable, ErrUnavailable},
		{"sync EIO", errorfs.OpFileSyncData, syscall.EIO, StateUnavailable, ErrUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			fs, on := faultFS(vfs.NewMem(), c.kind, ".log", c.cause)
			s, q := openMem(t, Options{FS: fs, backoff: time.Millisecond, tick: 2 * time.Millisecond})
			for _, b := range seq(0, 10) {
				if o := putOne(q, 1, b, b); o != (Outcome{}) {
					t.Fatal(o)
				}
			}
			mustAck(t, q, take(t, q, 3))
			mustSync(t, s)
			on.Store(true)
			if o := putOne(q, 1, "bad", "bad"); !errors.Is(o.Err, c.err) {
				t.Fatalf("outcome of the failed write: %+v", o)
			}
			if st := s.State(); st.State != c.state || !errors.Is(st.Err, c.err) || st.Since.IsZero() {
				t.Errorf("state: %+v", st)
			}
			if o := putOne(q, 1, "bad", "bad"); !errors.Is(o.Err, c.err) {
				t.Errorf("outcome while it lasts: %+v", o)
			}
			on.Store(false)
			eventually(t, "the store works again", func() bool { return s.State().State == StateOK })
			if o := putOne(q, 1, "good", "good"); o != (Outcome{}) {
				t.Fatal(o)
			}
			got := bodies(t, q, 100)
			if len(got) == 9 && got[7] == "bad" { // allowed: the sync failed, the write did not
				got = append(got[:7], got[8])
			}
			check(t, "waiting", got, append(seq(3, 7), "good"))
			if o := putOne(q, 1, "00001", "again"); !o.Duplicate {
				t.Errorf("a known key: %+v", o)
			}
			mustAck(t, q, take(t, q, 100))
			mustSync(t, s)
			audit(t, s)
			st := stats(t, q)
			if st.Items != 0 || st.Refused < 2 || st.Received != st.Stored+st.Refused+st.Duplicates {
				t.Errorf("%+v", st)
			}
			select {
			case err := <-s.Dead():
				t.Errorf("dead: %v", err)
			default:
			}
		})
	}
}

// TestFault_background: new files cannot be made, so flushes and new logs fail. Nothing that was promised is lost; the store
// heals, or says that it is dead.
func TestFault_background(t *testing.T) {
	for _, c := range []struct {
		name, suffix string
		kind         errorfs.OpKind
		cause        error
	}{
		{"create table ENOSPC", ".sst", errorfs.OpCreate, syscall.ENOSPC},
		{"write table ENOSPC", ".sst", errorfs.OpFileWrite, syscall.ENOSPC},
		{"write table EIO", ".sst", errorfs.OpFileWrite, syscall.EIO},
		{"create log ENOSPC", ".log", errorfs.OpCreate, syscall.ENOSPC},
		{"reuse log ENOSPC", ".log", errorfs.OpReuseForWrite, syscall.ENOSPC},
		{"write manifest ENOSPC", "", errorfs.OpFileWrite, syscall.ENOSPC},
	} {
		t.Run(c.name, func(t *testing.T) {
			mem := vfs.NewCrashableMem()
			fs, on := faultFS(mem, c.kind, c.suffix, c.cause)
			opts := Options{FS: fs, MemTable: 64 << 10, backoff: time.Millisecond, tick: 2 * time.Millisecond}
			s, err := Open("outbox", opts)
			if err != nil {
				t.Fatal(err)
			}
			q := openQueue(t, s, "mom")
			stored := map[string]bool{}
			store := func(n int) (failed int) {
				for range n {
					name := seq(len(stored)+failed, 1)[0] + strings.Repeat("x", 3000)
					if o := putOne(q, 1, name[:5], name); o.Err == nil {
						stored[name] = true
					} else {
						failed++
					}
				}
				return failed
			}
			store(10)
			on.Store(true)
			eventually(t, "the fault shows", func() bool { return store(1) > 0 })
			on.Store(false)
			eventually(t, "the store heals or is dead", func() bool {
				state := s.State().State
				return state == StateDead || state == StateOK && store(1) == 0
			})
			t.Logf("after %d items: %v", len(stored), s.State().State)
			if s.State().State == StateDead {
				if err := <-s.Dead(); !errors.Is(err, ErrDead) {
					t.Errorf("Dead delivers %v", err)
				}
				mem = mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 0})
				s.Close()
				s = openTest(t, "outbox", Options{FS: mem})
				q = openQueue(t, s, "mom")
			} else {
				defer s.Close()
			}
			for _, body := range bodies(t, q, 10_000) {
				delete(stored, body)
			}
			if len(stored) > 0 {
				t.Errorf("%d promised items are lost", len(stored))
			}
			audit(t, s)
		})
	}
}

// TestFault_lostAcks: acknowledgements that the failed engine took with it are offered again, and the books balance.
func TestFault_lostAcks(t *testing.T) {
	fs, on := faultFS(vfs.NewMem(), errorfs.OpFileWrite, ".log", syscall.ENOSPC)
	s, q := openMem(t, Options{FS: fs, backoff: time.Millisecond, tick: time.Hour})
	mustPut(t, q, 1, seq(0, 9)...)
	first, all := take(t, q, 3), take(t, q, 6)
	on.Store(true)
	mustAck(t, q, first)
	if err := s.Sync(); !errors.Is(err, ErrDiskFull) {
		t.Fatalf("sync: %v", err)
	}
	on.Store(false)
	eventually(t, "the store works again", func() bool { return s.Sync() == nil })
	check(t, "offered again", bodies(t, q, 100), seq(0, 9))
	if err := q.Ack(all[3:]); !errors.Is(err, ErrOrder) {
		t.Errorf("ack of what comes after: %v", err)
	}
	mustAck(t, q, all)
	mustSync(t, s)
	check(t, "left", bodies(t, q, 100), seq(6, 3))
	audit(t, s)
}

// TestFault_dead: an engine that does not let go ends the store with a clear error.
func TestFault_dead(t *testing.T) {
	mem := vfs.NewMem()
	s, err := Open("outbox", Options{FS: mem, tick: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	q := openQueue(t, s, "mom")
	if o := putOne(q, 1, "k", "good"); o != (Outcome{}) {
		t.Fatal(o)
	}
	// A damaged record cannot heal.
	err = s.do(func(g *group) error {
		return g.batch.Set(appendDedupAge(nil, q.id, 0), []byte("x"), nil)
	}, true)
	if err != nil {
		t.Fatal(err)
	}
	err = s.do(func(g *group) error {
		g.touch(q)
		q.next.keyHead, q.next.keys = 0, 1+s.opts.MaxKeys
		return nil
	}, true)
	if !errors.Is(err, ErrDead) || !errors.Is(err, ErrRecord) {
		t.Fatalf("outcome: %v", err)
	}
	if err := <-s.Dead(); !errors.Is(err, ErrDead) {
		t.Errorf("Dead delivers %v", err)
	}
	if _, open := <-s.Dead(); open {
		t.Error("Dead delivers twice")
	}
	if o := putOne(q, 1, "k2", "x"); !errors.Is(o.Err, ErrDead) {
		t.Errorf("put: %+v", o)
	}
	if st := s.State(); st.State != StateDead || st.State.String() != "dead" {
		t.Errorf("state: %+v", st)
	}
	if err := s.Close(); err == nil {
		t.Error("Close says nothing")
	}
	again := openTest(t, "outbox", Options{FS: mem})
	check(t, "promised", bodies(t, openQueue(t, again, "mom"), 10), []string{"good"})
}

// smallDisk tells how much is free.
type smallDisk struct {
	vfs.FS
	free atomic.Uint64
}

func (d *smallDisk) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: d.free.Load()}, nil
}

// TestSpace: before the disk is full nothing new is accepted, while the queue can be emptied.
func TestSpace(t *testing.T) {
	disk := &smallDisk{FS: vfs.NewMem()}
	disk.free.Store(1 << 30)
	s, q := openMem(t, Options{FS: disk, tick: 2 * time.Millisecond})
	mustPut(t, q, 1, seq(0, 10)...)
	disk.free.Store(1 << 20)
	eventually(t, "the state says so", func() bool { return s.State().State == StateDiskFull })
	if o := putOne(q, 1, "k", "x"); !errors.Is(o.Err, ErrDiskFull) {
		t.Errorf("put: %+v", o)
	}
	if err := s.SetFact("f", nil); !errors.Is(err, ErrDiskFull) {
		t.Errorf("fact: %v", err)
	}
	if _, err := s.Queue("new"); !errors.Is(err, ErrDiskFull) {
		t.Errorf("queue: %v", err)
	}
	mustAck(t, q, take(t, q, 4))
	mustSync(t, s)
	disk.free.Store(1 << 30)
	eventually(t, "the store works again", func() bool { return s.State().State == StateOK })
	if o := putOne(q, 1, "k", "x"); o != (Outcome{}) {
		t.Errorf("put: %+v", o)
	}
	check(t, "waiting", bodies(t, q, 100), append(seq(4, 6), "x"))
	mustSync(t, s)
	check(t, "refused", stats(t, q).Refused, uint64(1))
	audit(t, s)
}
