package pki

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// readVectors decodes one file of testdata/vectors; a missing file fails the test.
func readVectors(tb testing.TB, name string, into any) {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join("..", "testdata", "vectors", name))
	if err != nil {
		tb.Fatalf("golden vectors are missing: %v", err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		tb.Fatalf("%s: %v", name, err)
	}
}

type keyVector struct {
	Bits         int    `json:"bits"`
	Private      string `json:"private_pem"`
	PrivatePKCS8 string `json:"private_pem_pkcs8"`
	Public       string `json:"public_pem"`
	PublicClean  string `json:"public_pem_clean"`
	Modulus      string `json:"modulus_hex"`
	Exponent     int    `json:"exponent"`
	Finger       string `json:"fingerprint_sha256_3006_3007_and_minion"`
	FingerWhole  string `json:"fingerprint_sha256_3008_salt_key"`
}

type keyVectors struct {
	Keys      map[string]keyVector `json:"keys"`
	Encrypted struct {
		Of         string `json:"of"`
		Passphrase string `json:"passphrase"`
		PEM        string `json:"pem"`
	} `json:"encrypted_private_key"`
	CleanKey []struct{ Input, Output string } `json:"clean_key"`
}

func readKeys(tb testing.TB) keyVectors {
	tb.Helper()
	var v keyVectors
	readVectors(tb, "crypto-keys.json", &v)
	if len(v.Keys) < 7 || len(v.CleanKey) == 0 {
		tb.Fatal("crypto-keys.json is incomplete")
	}
	return v
}

// testKey returns one of the throw-away keys of the vectors.
func testKey(tb testing.TB, name string) *PrivateKey {
	tb.Helper()
	key, err := ParsePrivateKey([]byte(readKeys(tb).Keys[name].Private), nil)
	if err != nil {
		tb.Fatalf("key %s: %v", name, err)
	}
	return key
}

func unhex(tb testing.TB, text string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// hexValue is a byte string shown as {"hex": "…"}, or any other value, which is left out.
type hexValue struct{ Hex string }

func (h *hexValue) UnmarshalJSON(data []byte) error {
	var v struct{ Hex string }
	if json.Unmarshal(data, &v) == nil {
		h.Hex = v.Hex
	}
	return nil
}
