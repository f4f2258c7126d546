package jobcache

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func publish(t testing.TB, s *Store, epoch string, serial uint64, at time.Time) {
	t.Helper()
	jid := fmt.Sprintf("%s-%d", epoch, serial)
	err := s.SavePublication(context.Background(), Job{JID: jid, Load: []byte("l"), Published: true},
		Publication{Epoch: epoch, Serial: serial, Time: at, Load: []byte("load " + jid)})
	if err != nil {
		t.Fatal(err)
	}
}

func readJournal(t testing.TB, s *Store, after Position) (list []string, known, trimmed bool) {
	t.Helper()
	known, trimmed, err := s.Publications(after, func(p Publication) error {
		id := fmt.Sprintf("%s-%d", p.Epoch, p.Serial)
		if string(p.Load) != "load "+id {
			t.Errorf("%s has %q", id, p.Load)
		}
		list = append(list, id)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list, known, trimmed
}

func TestJournal_readsOnAcrossEpochsAndRestarts(t *testing.T) {
	dir, clock := t.TempDir(), newTestClock()
	s := openTest(t, dir, Options{JournalMax: 100, Clock: clock.Now})
	// The names are not in the order of the epochs.
	publish(t, s, "zz", 1, clock.Now())
	publish(t, s, "zz", 300, clock.Now())
	publish(t, s, "aa", 1, clock.add(time.Second))
	if err := s.BeginEpoch(context.Background(), "mm"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, dir, Options{JournalMax: 100, Clock: clock.Now})
	publish(t, s, "mm", 1, clock.add(time.Second))
	for _, tt := range []struct {
		after Position
		want  []string
		known bool
	}{
		{Position{"zz", 0}, []string{"zz-1", "zz-300", "aa-1", "mm-1"}, true},
		{Position{"zz", 1}, []string{"zz-300", "aa-1", "mm-1"}, true},
		{Position{"zz", 300}, []string{"aa-1", "mm-1"}, true},
		{Position{"mm", 0}, []string{"mm-1"}, true},
		{Position{"mm", 1}, nil, true},
		{Position{"nobody", 1}, nil, false},
	} {
		got, known, trimmed := readJournal(t, s, tt.after)
		if !slices.Equal(got, tt.want) || known != tt.known || trimmed {
			t.Errorf("after %v: %v, known %v, trimmed %v", tt.after, got, known, trimmed)
		}
	}
	var young []string
	err := s.PublicationsSince(clock.Now().Add(-time.Second), func(p Publication) error {
		young = append(young, p.Epoch)
		return nil
	})
	if err != nil || !slices.Equal(young, []string{"aa", "mm"}) {
		t.Errorf("young: %v %v", young, err)
	}
	job, ok, err := s.Job("zz-1")
	if err != nil || !ok || !job.Published || string(job.Load) != "l" {
		t.Errorf("job: %+v %v", job, err)
	}
}

func TestJournal_dropsTheOldest(t *testing.T) {
	dir, clock := t.TempDir(), newTestClock()
	s := openTest(t, dir, Options{JournalMax: 32, Clock: clock.Now})
	for i := range uint64(40) {
		publish(t, s, "e", i+1, clock.add(time.Second))
	}
	got, _, trimmed := readJournal(t, s, Position{"e", 0})
	if len(got) > 32 || len(got) < 30 || got[len(got)-1] != "e-40" || !trimmed {
		t.Errorf("%d entries, trimmed %v: %v", len(got), trimmed, got)
	}
	if _, _, trimmed := readJournal(t, s, Position{"e", 20}); trimmed {
		t.Error("nothing behind 20 is gone")
	}
	n, err := s.TrimJournal(context.Background(), clock.Now())
	if err != nil || n != len(got)-1 {
		t.Errorf("dropped %d of %d: %v", n, len(got), err)
	}
	if got, _, trimmed := readJournal(t, s, Position{"e", 20}); !slices.Equal(got, []string{"e-40"}) || !trimmed {
		t.Errorf("%v, trimmed %v", got, trimmed)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, dir, Options{JournalMax: 32})
	if got, known, trimmed := readJournal(t, s, Position{"e", 20}); !slices.Equal(got, []string{"e-40"}) || !known || !trimmed {
		t.Errorf("after a restart: %v, known %v, trimmed %v", got, known, trimmed)
	}
	if s.journal.entries != 1 {
		t.Errorf("counts %d entries", s.journal.entries)
	}
}

func TestJournal_offTellsThatSomethingIsGone(t *testing.T) {
	s := openTest(t, t.TempDir(), Options{})
	publish(t, s, "e", 1, time.Now())
	if got, known, trimmed := readJournal(t, s, Position{"e", 0}); len(got) != 0 || !known || !trimmed {
		t.Errorf("%v, known %v, trimmed %v", got, known, trimmed)
	}
	if _, _, trimmed := readJournal(t, s, Position{"e", 1}); trimmed {
		t.Error("nothing behind 1 is gone")
	}
	if _, ok, err := s.Job("e-1"); !ok || err != nil {
		t.Error("the job is gone", err)
	}
}

func TestJournal_forgetsTheOldestEpochs(t *testing.T) {
	s := openTest(t, "journal", Options{JournalMax: 10, FS: vfs.NewMem()})
	for i := range maxEpochs + 3 {
		if err := s.BeginEpoch(context.Background(), fmt.Sprint("e", i)); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(s.journal.names); n != maxEpochs {
		t.Errorf("remembers %d epochs", n)
	}
	if _, known, _ := readJournal(t, s, Position{"e2", 0}); known {
		t.Error("the oldest is remembered")
	}
	if _, known, _ := readJournal(t, s, Position{"e3", 0}); !known {
		t.Error("one too many is forgotten")
	}
}
