package pki

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func openDirStore(t testing.TB) *DirStore {
	t.Helper()
	s, err := OpenDirStore(filepath.Join(t.TempDir(), "pki"), DirOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDirStore_suite(t *testing.T) {
	testStore(t, func(t *testing.T) Store { return openDirStore(t) })
}

func wantMode(t *testing.T, path string, want fs.FileMode) {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil || info.Mode() != want {
		t.Errorf("%s: mode %v, %v; want %v", path, info.Mode(), err, want)
	}
}

func TestDirStore_modes(t *testing.T) {
	one := []byte(readKeys(t).Keys["minion"].PublicClean)
	s := openDirStore(t)
	must(t, s.Put("m1", Pending, one))
	wantMode(t, s.root, fs.ModeDir|0o700)
	for _, name := range []string{"minions", "minions_pre", "minions_rejected", "minions_denied", "minions_autosign"} {
		wantMode(t, filepath.Join(s.root, name), fs.ModeDir|0o755)
	}
	wantMode(t, s.path("m1", Pending), 0o644)
	text, err := os.ReadFile(s.path("m1", Pending))
	if err != nil || string(text) != string(one) {
		t.Errorf("stored %q, %v", text, err)
	}
	must(t, os.Chmod(s.root, 0o755))
	again, err := OpenDirStore(s.root, DirOptions{FileMode: 0o600})
	must(t, err)
	wantMode(t, s.root, fs.ModeDir|0o700)
	must(t, os.Chmod(s.root, 0o750))
	must(t, again.Put("m2", Accepted, one))
	wantMode(t, s.path("m2", Accepted), 0o600)
	_, err = OpenDirStore(s.root, DirOptions{})
	must(t, err)
	wantMode(t, s.root, fs.ModeDir|0o750)
	for _, state := range []State{Accepted, Pending, Rejected, Denied} {
		entries, err := os.ReadDir(filepath.Join(s.root, state.Dir()))
		must(t, err)
		for _, e := range entries {
			if e.Name()[0] == '.' {
				t.Errorf("temporary file %s is left", e.Name())
			}
		}
	}
}

// What another process does to the files counts at the next call.
func TestDirStore_externalChanges(t *testing.T) {
	keys := readKeys(t).Keys
	one, two := []byte(keys["minion"].PublicClean), []byte(keys["minion2"].PublicClean)
	s := openDirStore(t)
	must(t, s.Put("m1", Pending, one))
	wantState(t, s, "m1", Pending)
	must(t, os.Rename(s.path("m1", Pending), s.path("m1", Accepted)))
	wantState(t, s, "m1", Accepted)
	// Same size, rewritten in place within one tick of the clock, again and again.
	for i := range 20 {
		text, want := one, testKey(t, "minion").Public()
		if i%2 == 0 {
			text, want = two, testKey(t, "minion2").Public()
		}
		must(t, os.WriteFile(s.path("m1", Accepted), text, 0o644))
		if entry := wantState(t, s, "m1", Accepted); !entry.Key.Equal(want) {
			t.Fatalf("change %d is not seen", i)
		}
	}
	must(t, os.WriteFile(s.path("m1", Rejected), nil, 0o644))
	if entry := wantState(t, s, "m1", Rejected); entry.KeyErr == nil {
		t.Error("an empty file is a key")
	}
	must(t, os.Remove(s.path("m1", Rejected)))
	wantState(t, s, "m1", Accepted)
	must(t, os.Truncate(s.path("m1", Accepted), 0))
	wantState(t, s, "m1", None)
}

func TestDirStore_notRegular(t *testing.T) {
	one := []byte(readKeys(t).Keys["minion"].PublicClean)
	s := openDirStore(t)
	target := filepath.Join(t.TempDir(), "target")
	must(t, os.WriteFile(target, one, 0o644))
	must(t, os.Symlink(target, s.path("link", Accepted)))
	must(t, os.Mkdir(s.path("dir", Accepted), 0o755))
	must(t, s.Put("real", Accepted, one))
	wantState(t, s, "link", None)
	wantState(t, s, "dir", None)
	wantList(t, s, Accepted, "real")
	if err := s.Move("link", Accepted, Pending); !errors.Is(err, ErrNotFound) {
		t.Errorf("Move of a link: %v", err)
	}
	// A key written over a link replaces the link, not what it points to.
	must(t, s.Put("link", Accepted, []byte("x")))
	if text, err := os.ReadFile(target); err != nil || string(text) != string(one) {
		t.Errorf("target is %q, %v", text, err)
	}
	wantMode(t, s.path("link", Accepted), 0o644)
	must(t, os.WriteFile(s.path("huge", Accepted), make([]byte, maxKeyText+1), 0o644))
	if _, err := s.Lookup("huge"); err == nil {
		t.Error("a huge file is read")
	}
	if err := s.Put("huge", Accepted, make([]byte, maxKeyText+1)); err == nil {
		t.Error("a huge key is stored")
	}
}

func TestDirStore_readsOneState(t *testing.T) {
	keys := readKeys(t).Keys
	s := openDirStore(t)
	must(t, s.Put("m1", Accepted, []byte(keys["minion"].PublicClean)))
	must(t, s.Put("m1", Denied, []byte(keys["minion2"].PublicClean)))
	for state, want := range map[State]State{Accepted: Accepted, Denied: Denied, Pending: None, None: None} {
		entry, err := s.Read("m1", state)
		if err != nil || entry.State != want {
			t.Errorf("Read(%v) = %v, %v", state, entry.State, err)
		}
	}
	if _, err := s.Read("..", Accepted); !errors.Is(err, ErrID) {
		t.Errorf("Read(..): %v", err)
	}
}

func TestDirStore_acceptedIDs(t *testing.T) {
	one := []byte(readKeys(t).Keys["minion"].PublicClean)
	s := openDirStore(t)
	want := func(generation uint64, ids ...string) {
		t.Helper()
		got, gen, err := s.AcceptedIDs()
		if err != nil || !slices.Equal(got, ids) || gen != generation {
			t.Fatalf("AcceptedIDs = %q, %d, %v; want %q, %d", got, gen, err, ids, generation)
		}
	}
	want(1)
	want(1)
	must(t, s.Put("b", Accepted, one))
	want(2, "b")
	// Within the same tick as the last listing.
	must(t, s.Put("A", Accepted, one))
	want(3, "A", "b")
	must(t, s.Put("p", Pending, one))
	want(3, "A", "b")
	must(t, s.Put("A", Accepted, append(slices.Clone(one), '\n')))
	want(3, "A", "b")
	must(t, s.Delete("b", Accepted))
	want(4, "A")
	// A listing that is trusted is not read again: what it says stands until the stamp changes.
	s.accepted.valid, s.accepted.ids = true, []string{"from memory"}
	want(4, "from memory")
	must(t, s.Put("c", Accepted, one))
	want(5, "A", "c")
}

func TestDirStore_verifyTok(t *testing.T) {
	keys := readKeys(t).Keys
	s := openDirStore(t)
	key, other := testKey(t, "minion"), testKey(t, "minion2")
	tok, err := Tok(key)
	must(t, err)
	foreign, err := Tok(other)
	must(t, err)
	wrong, err := key.SignX931([]byte("salz"))
	must(t, err)
	want := func(tok []byte, want error) {
		t.Helper()
		for range 2 {
			if err := s.VerifyTok("m1", tok); !errors.Is(err, want) {
				t.Errorf("VerifyTok: %v, want %v", err, want)
			}
		}
	}
	want(tok, ErrNotAccepted)
	must(t, s.Put("m1", Pending, []byte(keys["minion"].PublicClean)))
	want(tok, ErrNotAccepted)
	must(t, s.Move("m1", Pending, Accepted))
	want(tok, nil)
	for _, bad := range [][]byte{foreign, wrong, nil, tok[1:], flipped(tok, 9), make([]byte, 1<<20)} {
		want(bad, ErrTok)
	}
	want(tok, nil)
	must(t, s.Put("m1", Accepted, []byte(keys["minion2"].PublicClean)))
	want(tok, ErrTok)
	want(foreign, nil)
	must(t, s.Move("m1", Accepted, Rejected))
	want(foreign, ErrNotAccepted)
	must(t, s.Put("m1", Accepted, []byte("garbage")))
	want(foreign, ErrKeyFormat)
	if err := s.VerifyTok("../m1", tok); !errors.Is(err, ErrID) {
		t.Errorf("VerifyTok(../m1): %v", err)
	}
}

// After each step of a change a crash may follow: the id is in at most one of the three directories.
func TestDirStore_heals(t *testing.T) {
	one := []byte(readKeys(t).Keys["minion"].PublicClean)
	for _, to := range []State{Accepted, Pending, Rejected} {
		s := openDirStore(t)
		for _, state := range []State{Accepted, Pending, Rejected} {
			must(t, os.WriteFile(s.path("m1", state), []byte("old"), 0o644))
		}
		must(t, s.Put("m1", to, one))
		n := 0
		for _, state := range []State{Accepted, Pending, Rejected} {
			if s.present("m1", state) {
				n++
			}
		}
		if n != 1 {
			t.Errorf("Put %v leaves the id in %d directories", to, n)
		}
		wantState(t, s, "m1", to)
	}
}

func TestDirStore_movedMode(t *testing.T) {
	one := []byte(readKeys(t).Keys["minion"].PublicClean)
	s := openDirStore(t)
	must(t, s.Put("m1", Pending, one))
	again, err := OpenDirStore(s.root, DirOptions{MovedMode: 0o600})
	must(t, err)
	must(t, again.Move("m1", Pending, Accepted))
	wantMode(t, s.path("m1", Accepted), 0o600)
	must(t, again.Sync(Pending, Accepted))
	text, err := again.Text("m1", Accepted)
	if err != nil || string(text) != string(one) {
		t.Errorf("%q, %v", text, err)
	}
	must(t, os.Symlink(s.path("m1", Accepted), s.path("m2", Accepted)))
	for _, id := range []string{"none", "m2"} {
		if text, err := again.Text(id, Accepted); text != nil || err != nil {
			t.Errorf("%s: %q, %v", id, text, err)
		}
	}
	if _, err := again.Text("../x", Accepted); !errors.Is(err, ErrID) {
		t.Errorf("%v", err)
	}
}
