package pki

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

func openSessions(t testing.TB, ttl time.Duration) *Sessions {
	t.Helper()
	s, err := OpenSessions(filepath.Join(t.TempDir(), "sessions"), ttl)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSessions_make(t *testing.T) {
	s := openSessions(t, time.Hour)
	if _, _, ok := s.Lookup("m1"); ok {
		t.Error("Lookup makes a session")
	}
	c, err := s.Cipher("m1")
	must(t, err)
	path := filepath.Join(s.dir, "m1")
	wantMode(t, path, 0o600)
	text, err := os.ReadFile(path)
	if err != nil || string(text) != c.KeyString() {
		t.Errorf("file of %d bytes, %v", len(text), err)
	}
	again, err := s.Cipher("m1")
	if err != nil || again != c {
		t.Errorf("a second sign-in gives another cipher: %v", err)
	}
	current, previous, ok := s.Lookup("m1")
	if !ok || current != c || previous != nil {
		t.Errorf("Lookup = %v, %v, %v", current, previous, ok)
	}
	reopened, err := OpenSessions(s.dir, time.Hour)
	must(t, err)
	if current, _, ok := reopened.Lookup("m1"); !ok || current.KeyString() != c.KeyString() {
		t.Error("the session is lost with the process")
	}
	must(t, s.Delete("m1"))
	must(t, s.Delete("m1"))
	for _, s := range []*Sessions{s, reopened} {
		if _, _, ok := s.Lookup("m1"); ok {
			t.Error("a deleted session lives")
		}
	}
}

func TestSessions_renew(t *testing.T) {
	s := openSessions(t, time.Hour)
	clock := &testClock{time.Now()}
	s.now = clock.now
	old, err := s.Cipher("m1")
	must(t, err)
	clock.at = clock.at.Add(time.Hour + time.Minute)
	if _, _, ok := s.Lookup("m1"); ok {
		t.Error("a session outlives its ttl")
	}
	fresh, err := s.Cipher("m1")
	must(t, err)
	if fresh.KeyString() == old.KeyString() {
		t.Fatal("not renewed")
	}
	// The file's mtime is the real time; go back to it, the grace counts from the renewal.
	clock.at = clock.at.Add(-time.Minute - time.Second)
	current, previous, ok := s.Lookup("m1")
	if !ok || current != fresh || previous != old {
		t.Errorf("after renewal: %v, %v, %v", current == fresh, previous == old, ok)
	}
	s.grace = 0
	s.ttl = 0
	clock.at = clock.at.Add(time.Hour)
	if current, previous, ok := s.Lookup("m1"); !ok || current != fresh || previous != nil {
		t.Error("after the grace period the old key still opens")
	}
}

// Stock may replace, touch or damage a file at any time.
func TestSessions_externalChanges(t *testing.T) {
	s := openSessions(t, time.Hour)
	c, err := s.Cipher("m1")
	must(t, err)
	path := filepath.Join(s.dir, "m1")
	other := NewKeyString()
	must(t, writeFile(path, []byte(other), 0o600, crashSafe))
	if current, _, ok := s.Lookup("m1"); !ok || current.KeyString() != other {
		t.Error("a replaced file is not seen")
	}
	old := time.Now().Add(-30 * time.Minute)
	must(t, os.Chtimes(path, old, old))
	if got, err := s.Cipher("m1"); err != nil || got.KeyString() != other {
		t.Errorf("a touched file: %v", err)
	}
	for _, damaged := range []string{"", "short", other + "\n", c.KeyString()[:75] + "!"} {
		must(t, os.WriteFile(path, []byte(damaged), 0o600))
		if _, _, ok := s.Lookup("m1"); ok {
			t.Errorf("%d bytes are a session", len(damaged))
		}
		got, err := s.Cipher("m1")
		must(t, err)
		if text, err := os.ReadFile(path); err != nil || string(text) != got.KeyString() {
			t.Errorf("a damaged file is not replaced: %v", err)
		}
	}
	must(t, os.Remove(path))
	target := filepath.Join(t.TempDir(), "target")
	must(t, os.WriteFile(target, []byte(other), 0o600))
	must(t, os.Symlink(target, path))
	if _, _, ok := s.Lookup("m1"); ok {
		t.Error("a link is followed")
	}
	got, err := s.Cipher("m1")
	if err != nil || got.KeyString() == other {
		t.Errorf("a link is not replaced: %v", err)
	}
}

func TestSessions_ids(t *testing.T) {
	s := openSessions(t, time.Hour)
	for _, id := range []string{"", "..", "../x", "a/b", "a\x00b"} {
		_, err := s.Cipher(id)
		if !errors.Is(err, ErrID) || !errors.Is(s.Delete(id), ErrID) {
			t.Errorf("Cipher(%q): %v", id, err)
		}
		if _, _, ok := s.Lookup(id); ok {
			t.Errorf("Lookup(%q) finds something", id)
		}
	}
}

// TestSessions_list: a write under way is no session, and somebody who prunes sessions must not see it.
func TestSessions_list(t *testing.T) {
	s := openSessions(t, time.Hour)
	for _, id := range []string{"m1", ".hidden"} {
		if _, err := s.Cipher(id); err != nil {
			t.Fatal(err)
		}
	}
	must(t, os.WriteFile(filepath.Join(s.dir, tempPrefix+"0123456789abcdef"), []byte("half"), 0o600))
	ids, err := s.IDs()
	must(t, err)
	if slices.Sort(ids); !slices.Equal(ids, []string{".hidden", "m1"}) {
		t.Errorf("IDs = %q", ids)
	}
}

func TestSessions_concurrent(t *testing.T) {
	s := openSessions(t, time.Hour)
	var wg sync.WaitGroup
	keys := make([]string, 16)
	for g := range keys {
		wg.Go(func() {
			for i := range 20 {
				s.Lookup(fmt.Sprint("other", i))
			}
			c, err := s.Cipher("m1")
			if err != nil {
				t.Error(err)
				return
			}
			keys[g] = c.KeyString()
		})
	}
	wg.Wait()
	for _, key := range keys {
		if key != keys[0] {
			t.Fatal("two sign-ins at once made two keys")
		}
	}
}
