package pki

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// testClock is a clock that moves when it is told to.
type testClock struct{ at time.Time }

func (c *testClock) now() time.Time { return c.at }

type sharedKeyTest struct {
	t     *testing.T
	path  string
	clock *testClock
	signs int
}

func newSharedKeyTest(t *testing.T) *sharedKeyTest {
	return &sharedKeyTest{t: t, path: filepath.Join(t.TempDir(), "shared"), clock: &testClock{time.Unix(1_800_000_000, 0)}}
}

func (s *sharedKeyTest) open() *SharedKey {
	s.t.Helper()
	sign := func(digestHex []byte) ([]byte, error) {
		s.signs++
		return append([]byte("signed "), digestHex...), nil
	}
	k, err := OpenSharedKey(s.path, sign, SharedKeyOptions{Grace: time.Minute, Block: 10, Now: s.clock.now})
	if err != nil {
		s.t.Fatal(err)
	}
	return k
}

func (s *sharedKeyTest) serial(k *SharedKey, want uint64) {
	s.t.Helper()
	if got, err := k.NextSerial(); err != nil || got != want {
		s.t.Fatalf("serial %d, %v; want %d", got, err, want)
	}
}

func TestSharedKey_epoch(t *testing.T) {
	s := newSharedKeyTest(t)
	k := s.open()
	wantMode(t, s.path, 0o600)
	e := k.Current()
	digest := sha256.Sum256([]byte(e.KeyString))
	if string(e.Sig) != "signed "+hex.EncodeToString(digest[:]) || e.Cipher.KeyString() != e.KeyString || !e.Created.Equal(s.clock.at) {
		t.Error("the epoch is not of one piece")
	}
	again, serial, err := k.Next()
	if err != nil || again != e || serial != 1 || s.signs != 1 {
		t.Errorf("Next = %v, %d, %v after %d signatures", again == e, serial, err, s.signs)
	}
}

// No serial is ever given out twice under one key, however the process ends.
func TestSharedKey_serialSurvives(t *testing.T) {
	s := newSharedKeyTest(t)
	k := s.open()
	key := k.Current().KeyString
	for want := uint64(1); want <= 13; want++ {
		s.serial(k, want)
	}
	// Killed: nothing was written at the end. 13 lies in the block that ends at 20.
	k = s.open()
	if k.Current().KeyString != key {
		t.Fatal("another key after a crash")
	}
	s.serial(k, 21)
	s.serial(k, 22)
	must(t, k.Close())
	must(t, k.Close())
	if _, err := k.NextSerial(); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if err := k.Rotate(RotateOptions{}); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	k = s.open()
	s.serial(k, 23)
	wantMode(t, s.path, 0o600)
}

func TestSharedKey_serialEnds(t *testing.T) {
	s := newSharedKeyTest(t)
	k := s.open()
	key := k.Current().KeyString
	k.serial, k.reserved = math.MaxInt64-2, math.MaxInt64-2
	s.serial(k, math.MaxInt64-1)
	s.serial(k, math.MaxInt64)
	s.serial(k, 1)
	if k.Current().KeyString == key || k.Rotations() != 1 {
		t.Error("the key was not rotated at the end of the range")
	}
}

func TestSharedKey_rotate(t *testing.T) {
	s := newSharedKeyTest(t)
	k := s.open()
	s.serial(k, 1)
	first := k.Current()
	box := first.Cipher.Seal(nil, []byte("hello"))
	opens := func(k *SharedKey, want bool) {
		t.Helper()
		plain, epoch, err := k.OpenEpoch([]byte("> "), box)
		if want && (err != nil || string(plain) != "> hello" || epoch.KeyString != first.KeyString) {
			t.Errorf("not opened: %q, %v", plain, err)
		}
		if !want && (!errors.Is(err, ErrTag) || epoch != nil || string(plain) != "> ") {
			t.Errorf("opened: %q, %v", plain, err)
		}
		if _, err := k.Open(nil, box); (err == nil) != want {
			t.Errorf("Open: %v", err)
		}
	}
	must(t, k.Rotate(RotateOptions{}))
	if k.Current() == first || k.Current().KeyString == first.KeyString || s.signs != 2 {
		t.Fatal("not rotated")
	}
	s.serial(k, 1)
	opens(k, true)
	k = s.open() // within the grace period also over a restart
	opens(k, true)
	s.clock.at = s.clock.at.Add(time.Minute)
	opens(k, false)
	opens(s.open(), false)

	s = newSharedKeyTest(t)
	k = s.open()
	first = k.Current()
	box = first.Cipher.Seal(nil, []byte("hello"))
	must(t, k.Rotate(RotateOptions{DropPrevious: true}))
	opens(k, false)
	opens(s.open(), false)
	if text, err := os.ReadFile(s.path); err != nil || strings.Contains(string(text), first.KeyString) {
		t.Errorf("the dropped key is still in the file (%v)", err)
	}
}

func TestSharedKey_damagedFile(t *testing.T) {
	s := newSharedKeyTest(t)
	k := s.open()
	s.serial(k, 1)
	key := k.Current().KeyString
	good, err := os.ReadFile(s.path)
	must(t, err)
	for i := range good {
		for _, text := range [][]byte{good[:i], flipped(good, i)} {
			if _, err := parseSharedKeyFile(string(text)); !errors.Is(err, errBadSharedKey) {
				t.Fatalf("byte %d: %v", i, err)
			}
		}
	}
	for name, text := range map[string]string{"empty": "", "long": strings.Repeat("x", 5000), "cut": string(good[:50])} {
		must(t, os.WriteFile(s.path, []byte(text), 0o600))
		k := s.open()
		if k.Current().KeyString == key {
			t.Errorf("%s: the old key is used", name)
		}
		s.serial(k, 1)
	}
	must(t, os.Remove(s.path))
	target := s.path + ".target"
	must(t, os.WriteFile(target, good, 0o600))
	must(t, os.Symlink(target, s.path))
	if s.open().Current().KeyString == key {
		t.Error("a link was followed")
	}
	wantMode(t, s.path, 0o600)
}

// When the disk refuses, no serial is given out and no rotation happens by halves.
func TestSharedKey_diskRefuses(t *testing.T) {
	s := newSharedKeyTest(t)
	dir := filepath.Join(t.TempDir(), "gone")
	must(t, os.Mkdir(dir, 0o700))
	s.path = filepath.Join(dir, "shared")
	k := s.open()
	for want := uint64(1); want <= 10; want++ {
		s.serial(k, want)
	}
	before := k.Current()
	must(t, os.Rename(dir, dir+"2"))
	if serial, err := k.NextSerial(); err == nil {
		t.Errorf("serial %d without a file", serial)
	}
	if err := k.Rotate(RotateOptions{DropPrevious: true}); err == nil || k.Current() != before {
		t.Errorf("rotated without a file: %v", err)
	}
	must(t, os.Rename(dir+"2", dir))
	s.serial(k, 11)
}

func TestSharedKey_signFails(t *testing.T) {
	sad := errors.New("no key today")
	_, err := OpenSharedKey(filepath.Join(t.TempDir(), "k"), func([]byte) ([]byte, error) { return nil, sad }, SharedKeyOptions{})
	if !errors.Is(err, sad) {
		t.Errorf("OpenSharedKey: %v", err)
	}
}
