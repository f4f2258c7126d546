package outbox

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func factsOf(t *testing.T, s *Store, prefix string) (list []string) {
	t.Helper()
	err := s.Facts(prefix, func(key string, value []byte) error {
		list = append(list, key+"="+string(value))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestFacts(t *testing.T) {
	clock := newTestClock()
	fs := vfs.NewMem()
	s, err := Open("outbox", Options{FS: fs, Clock: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		s.SetFact("cursor/mom", []byte("1")), s.SetFact("cursor/mom", []byte("2")),
		s.SetFactTTL("job/1", []byte("a"), time.Hour), s.SetFactTTL("job/2", []byte("b"), time.Hour),
		s.SetFactTTL("job/3", []byte("c"), time.Hour), s.SetFact("job/4", []byte("d")), s.SetFactTTL("job/2", []byte("B"), 3*time.Hour),
		s.DeleteFact("job/4"), s.DeleteFact("nothing"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, "outbox", Options{FS: fs, Clock: clock.Now})
	check(t, "all", factsOf(t, s, ""), []string{"cursor/mom=2", "job/1=a", "job/2=B", "job/3=c"})
	check(t, "prefix", factsOf(t, s, "job/"), []string{"job/1=a", "job/2=B", "job/3=c"})
	clock.add(2 * time.Hour)
	check(t, "over, not yet forgotten", factsOf(t, s, "job/"), []string{"job/2=B"})
	if _, ok, err := s.Fact("job/1"); ok || err != nil {
		t.Errorf("over: %v %v", ok, err)
	}
	if err := s.Expire(); err != nil {
		t.Fatal(err)
	}
	if s.factCount != 1 { // Expire has returned: the committer is done with it
		t.Errorf("%d facts that expire, want 1", s.factCount)
	}
	check(t, "left", factsOf(t, s, ""), []string{"cursor/mom=2", "job/2=B"})
	err = s.Facts("", func(string, []byte) error { return ErrStop })
	if err != nil {
		t.Errorf("stopped: %v", err)
	}
	for _, f := range []Fact{{}, {Key: string(make([]byte, MaxKey+1))}, {Key: "k", TTL: -1}, {Key: "k", Value: make([]byte, MaxFactValue+1)}} {
		if err := s.setFact(f); !errors.Is(err, ErrItem) {
			t.Errorf("key of %d bytes: %v", len(f.Key), err)
		}
	}
}

func TestFacts_bound(t *testing.T) {
	s, _ := openMem(t, Options{MaxFacts: 10})
	var facts []Fact
	for i := range 30 {
		facts = append(facts, Fact{Key: fmt.Sprintf("job/%02d", i), TTL: time.Hour + time.Duration(i)*time.Second})
	}
	done := make(chan []Outcome, 2)
	s.Commit(Unit{Facts: facts[:20]}, func(out []Outcome) { done <- out })
	check(t, "outcome of facts", <-done, []Outcome{})
	s.Commit(Unit{Facts: facts[20:]}, func(out []Outcome) { done <- out })
	<-done
	check(t, "those that last longest", factsOf(t, s, "")[0], "job/20=")
	check(t, "number", len(factsOf(t, s, "")), 10)
}
