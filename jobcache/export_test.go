package jobcache

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// changesOf reads the export log as "jid" or "jid/minion".
func changesOf(t *testing.T, s *Store) (list []string, last uint64) {
	t.Helper()
	err := s.Changes(0, 1000, func(c Change) error {
		name := c.JID
		if c.MinionID != "" {
			name += "/" + c.MinionID
		}
		list, last = append(list, name), c.Seq
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list, last
}

func saveOne(t *testing.T, s *Store, jid, minion string) Outcome {
	t.Helper()
	done := make(chan Outcome, 1)
	s.SaveReturn(Return{JID: jid, MinionID: minion, Body: []byte("body")}, func(o Outcome) { done <- o })
	o := <-done
	if o.Err != nil {
		t.Fatal(o.Err)
	}
	return o
}

func openExporting(t *testing.T, fs vfs.FS, most int) *Store {
	t.Helper()
	s, err := Open("jobs", Options{FS: fs, ExportMax: most})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestExportLog_followsCommits(t *testing.T) {
	fs := vfs.NewMem()
	s := openExporting(t, fs, 100)
	ctx := context.Background()
	if err := s.SaveLoad(ctx, Job{JID: "1", Load: []byte("l")}); err != nil {
		t.Fatal(err)
	}
	saveOne(t, s, "1", "a")
	if o := saveOne(t, s, "1", "a"); !o.Duplicate {
		t.Fatal("the second return is a duplicate")
	}
	if err := s.AddMinions(ctx, "1", "syn", []string{"b"}); err != nil {
		t.Fatal(err)
	}
	if stored, err := s.SaveLoadIfAbsent(ctx, Job{JID: "1", Load: []byte("other")}); err != nil || stored {
		t.Fatal(stored, err)
	}
	unit := make(chan []Outcome, 1)
	s.SaveReturns([]Return{{JID: "2", MinionID: "a"}, {JID: "2", MinionID: "b"}}, func(o []Outcome) { unit <- o })
	<-unit
	want := []string{"1", "1/a", "1", "2/a", "2/b"}
	list, _ := changesOf(t, s)
	if !slices.Equal(list, want) {
		t.Fatalf("log %v, want %v", list, want)
	}
	<-s.ChangesWake()
	if err := s.ChangesDone(2); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = openExporting(t, fs, 100)
	<-s.ChangesWake() // what waited wakes the next life
	if list, _ = changesOf(t, s); !slices.Equal(list, want[2:]) {
		t.Fatalf("after a restart %v, want %v", list, want[2:])
	}
	if st := s.ExportStats(); st.Waiting != 3 || st.Oldest.IsZero() {
		t.Fatalf("%+v", st)
	}
	saveOne(t, s, "3", "a")
	list, last := changesOf(t, s)
	if !slices.Equal(list, append(want[2:], "3/a")) || last != 6 {
		t.Fatalf("%v, last %d", list, last)
	}
	if err := s.ChangesDone(last + 100); err != nil {
		t.Fatal(err)
	}
	if st := s.ExportStats(); st.Waiting != 0 || !st.Oldest.IsZero() {
		t.Fatalf("%+v", st)
	}
}

func TestExportLog_bounded(t *testing.T) {
	s := openExporting(t, vfs.NewMem(), 32)
	for i := range 100 {
		saveOne(t, s, "job", fmt.Sprintf("m%03d", i))
	}
	list, _ := changesOf(t, s)
	st := s.ExportStats()
	if len(list) > 32 || len(list) < 30 || st.Waiting != int64(len(list)) || st.Dropped != uint64(100-len(list)) {
		t.Fatalf("%d wait, %+v", len(list), st)
	}
	if list[len(list)-1] != "job/m099" {
		t.Fatalf("the newest is %s", list[len(list)-1])
	}
}

func TestExportLog_off(t *testing.T) {
	fs := vfs.NewMem()
	s := openExporting(t, fs, 10)
	saveOne(t, s, "1", "a")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openExporting(t, fs, 0)
	saveOne(t, s, "1", "b")
	if list, _ := changesOf(t, s); len(list) != 0 {
		t.Fatalf("without an export the log holds %v", list)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openExporting(t, fs, 10)
	if list, _ := changesOf(t, s); len(list) != 0 {
		t.Fatalf("what was left when the export was off: %v", list)
	}
}

func FuzzDecodeChange(f *testing.F) {
	f.Add(appendChange(nil, time.Unix(1795182725, 5), "20261120141915674016", "m1"))
	f.Add(appendChange(nil, time.Unix(1795182725, 5), "1", ""))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := decodeChange(7, b)
		if err != nil {
			return
		}
		if again := appendChange(nil, c.Stored, c.JID, c.MinionID); string(again) != string(b) {
			t.Fatalf("%x became %x", b, again)
		}
	})
}
