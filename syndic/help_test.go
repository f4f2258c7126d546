package syndic

import (
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/pki"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func newCipher(t testing.TB) *pki.Cipher {
	t.Helper()
	c, err := pki.NewCipher(pki.NewKeyString())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// loadVectors decodes one vector file; a missing file fails the test.
func loadVectors(t testing.TB, name string, into any) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../testdata/vectors", name))
	if err != nil {
		t.Fatalf("vectors are part of the tests: %v", err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatalf("vector is not hex: %v", err)
	}
	return b
}

func encode(t testing.TB, m wire.Mode, kv ...any) []byte {
	t.Helper()
	b, err := wire.Encode(wire.NewMap(kv...), m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
