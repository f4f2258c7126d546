package minioncache

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/saltern-io/saltern/internal/wire"
)

func encode(t *testing.T, v any) []byte {
	t.Helper()
	b, err := wire.Encode(v, wire.Wire)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestData_roundTrip(t *testing.T) {
	dir := t.TempDir()
	c, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, ok, err := c.Data("m1"); ok || err != nil {
		t.Fatalf("empty cache: ok %v, err %v", ok, err)
	}
	grains := encode(t, wire.NewMap("id", "m1", "raw", []byte{0xff, 0xfe}))
	if err := c.StoreData("m1", grains, encode(t, wire.NewMap())); err != nil {
		t.Fatal(err)
	}
	got, pillar, ok, err := c.Data("m1")
	if err != nil || !ok {
		t.Fatalf("Data: ok %v, err %v", ok, err)
	}
	if got.Str("id") != "m1" || string(got.Bytes("raw")) != "\xff\xfe" || pillar.Len() != 0 {
		t.Errorf("Data = %v, %v", got, pillar)
	}
	info, err := os.Stat(filepath.Join(dir, "minions", "m1", "data.p"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("data.p: mode %v, err %v; want 0600", info.Mode(), err)
	}
}

func TestMine(t *testing.T) {
	c, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	steps := []error{
		c.UpdateMine("m1", wire.NewMap("a", int64(1), "b", int64(2))),
		c.UpdateMine("m1", wire.NewMap("b", int64(3))),
		c.DeleteMine("m1", "a"),
		c.DeleteMine("m1", "absent"),
		c.DeleteMine("stranger", "a"),
	}
	if err := errors.Join(steps...); err != nil {
		t.Fatal(err)
	}
	m, err := c.Mine("m1")
	if err != nil || m.Len() != 1 || m.Int("b") != 3 {
		t.Fatalf("Mine = %v, %v; want only b=3", m, err)
	}
	if existed, err := c.FlushMine("m1"); !existed || err != nil {
		t.Errorf("first flush: %v, %v", existed, err)
	}
	if existed, err := c.FlushMine("m1"); existed || err != nil {
		t.Errorf("second flush: %v, %v", existed, err)
	}
}

func TestIDNeverBecomesAPath(t *testing.T) {
	c, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"", ".", "..", "a/b", `a\b`, "a\x00"} {
		if err := c.StoreData(id, encode(t, wire.NewMap()), encode(t, wire.NewMap())); !errors.Is(err, ErrID) {
			t.Errorf("StoreData(%q) = %v, want ErrID", id, err)
		}
		if err := c.Forget(id); !errors.Is(err, ErrID) {
			t.Errorf("Forget(%q) = %v, want ErrID", id, err)
		}
	}
}

func TestCorruptFileIsAnError(t *testing.T) {
	dir := t.TempDir()
	c, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "minions", "m1"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "minions", "m1", "mine.p"), []byte{0xdd, 0xff, 0xff, 0xff, 0xff}, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Mine("m1"); err == nil {
		t.Error("a bomb was read without an error")
	}
}
