package pki

import (
	"errors"
	"slices"
	"testing"
)

// testStore is what every Store must do; open returns an empty one.
func testStore(t *testing.T, open func(t *testing.T) Store) {
	one, two := []byte(readKeys(t).Keys["minion"].PublicClean), []byte(readKeys(t).Keys["minion2"].PublicClean)
	states := []State{Accepted, Pending, Rejected, Denied}

	t.Run("empty", func(t *testing.T) {
		s := open(t)
		wantState(t, s, "m1", None)
		for _, state := range states {
			wantList(t, s, state)
			if err := s.Delete("m1", state); !errors.Is(err, ErrNotFound) {
				t.Errorf("Delete %v: %v", state, err)
			}
			if err := s.Move("m1", state, Accepted); !errors.Is(err, ErrNotFound) {
				t.Errorf("Move %v: %v", state, err)
			}
		}
	})

	t.Run("put excludes", func(t *testing.T) {
		for _, from := range []State{Accepted, Pending, Rejected} {
			for _, to := range []State{Accepted, Pending, Rejected} {
				s := open(t)
				must(t, s.Put("m1", from, one))
				wantState(t, s, "m1", from)
				must(t, s.Put("m1", to, two))
				entry := wantState(t, s, "m1", to)
				if string(entry.PEM) != string(two) || entry.Key == nil || entry.KeyErr != nil || entry.ID != "m1" {
					t.Errorf("%v to %v: %q, %v", from, to, entry.PEM, entry.KeyErr)
				}
				if from != to {
					wantList(t, s, from)
				}
				wantList(t, s, to, "m1")
			}
		}
	})

	t.Run("denied stands beside", func(t *testing.T) {
		s := open(t)
		must(t, s.Put("m1", Denied, two))
		wantState(t, s, "m1", None)
		must(t, s.Put("m1", Accepted, one))
		must(t, s.Put("m1", Denied, two))
		wantState(t, s, "m1", Accepted)
		wantList(t, s, Denied, "m1")
		must(t, s.Move("m1", Denied, Accepted))
		if entry := wantState(t, s, "m1", Accepted); string(entry.PEM) != string(two) {
			t.Error("the denied key did not replace the accepted one")
		}
		wantList(t, s, Denied)
	})

	t.Run("move", func(t *testing.T) {
		for _, from := range states {
			for _, to := range states {
				s := open(t)
				must(t, s.Put("m1", from, one))
				must(t, s.Move("m1", from, to))
				want := to
				if to == Denied {
					want = None
				}
				wantState(t, s, "m1", want)
				wantList(t, s, to, "m1")
				if from != to {
					wantList(t, s, from)
				}
				must(t, s.Delete("m1", to))
				wantState(t, s, "m1", None)
			}
		}
	})

	t.Run("not a key", func(t *testing.T) {
		s := open(t)
		must(t, s.Put("m1", Accepted, []byte("garbage")))
		entry := wantState(t, s, "m1", Accepted)
		if entry.Key != nil || !errors.Is(entry.KeyErr, ErrKeyFormat) {
			t.Errorf("KeyErr = %v", entry.KeyErr)
		}
	})

	t.Run("order and ids", func(t *testing.T) {
		s := open(t)
		for _, id := range []string{"b", "a", "C", "c", "web 1", ".hidden", "zürich"} {
			must(t, s.Put(id, Accepted, one))
			wantState(t, s, id, Accepted)
		}
		wantList(t, s, Accepted, "a", "b", "C", "c", "web 1", "zürich")
		for _, id := range []string{"", ".", "..", "a/b", "a\x00", "../minions_pre/x"} {
			_, err := s.Lookup(id)
			for _, err := range []error{err, s.Put(id, Accepted, one), s.Move(id, Pending, Accepted), s.Delete(id, Accepted)} {
				if !errors.Is(err, ErrID) {
					t.Errorf("id %q: %v", id, err)
				}
			}
		}
	})

	t.Run("no state", func(t *testing.T) {
		s := open(t)
		_, listErr := s.List(None)
		for i, err := range []error{listErr, s.Put("m1", None, one), s.Move("m1", None, Accepted), s.Move("m1", Accepted, State(9)), s.Delete("m1", None)} {
			if err == nil {
				t.Errorf("%d: no error", i)
			}
		}
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantState(t *testing.T, s Store, id string, want State) Entry {
	t.Helper()
	entry, err := s.Lookup(id)
	if err != nil || entry.State != want {
		t.Fatalf("Lookup(%q) = %v, %v; want %v", id, entry.State, err, want)
	}
	return entry
}

func wantList(t *testing.T, s Store, state State, want ...string) {
	t.Helper()
	got, err := s.List(state)
	if err != nil || !slices.Equal(got, want) {
		t.Fatalf("List(%v) = %q, %v; want %q", state, got, err, want)
	}
}
