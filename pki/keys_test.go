package pki

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestKeys_everyForm(t *testing.T) {
	t.Logf("private operations by %s", engineName)
	for name, v := range readKeys(t).Keys {
		t.Run(name, func(t *testing.T) {
			key, err := ParsePrivateKey([]byte(v.Private), nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := string(key.PEM()); got != v.Private {
				t.Errorf("PEM() = %q", got)
			}
			pkcs8, err := ParsePrivateKey([]byte(v.PrivatePKCS8), []byte("ignored"))
			if err != nil {
				t.Fatal(err)
			}
			public, err := ParsePublicKey([]byte(v.Public))
			if err != nil {
				t.Fatal(err)
			}
			if !public.Equal(key.Public()) || !public.Equal(pkcs8.Public()) || public.Equal(nil) {
				t.Error("the three forms are not the same key")
			}
			if public.Clean() != v.PublicClean || key.Public().Clean() != v.PublicClean {
				t.Errorf("Clean() = %q", public.Clean())
			}
			if got := string(public.PEM()); got != v.Public {
				t.Errorf("PEM() = %q", got)
			}
			if public.Bits() != v.Bits || hex.EncodeToString(public.modulus) != v.Modulus || public.key.E != v.Exponent {
				t.Error("modulus or exponent differs")
			}
			crlf, err := ParsePublicKey([]byte("\r\n" + strings.ReplaceAll(v.Public, "\n", "\r\n") + " \r\n"))
			if err != nil || crlf.Clean() != v.PublicClean {
				t.Errorf("with CRLF: %v", err)
			}
		})
	}
}

func TestParsePublicKey_pkcs1(t *testing.T) {
	const text = `-----BEGIN RSA PUBLIC KEY-----
MIGJAoGBAOApJNNny9G6LrnNYHoQ1SXLYFcsvxit83uD4LQZp0gSslxfBx3UvS1o
`
	if _, err := ParsePublicKey([]byte(text)); !errors.Is(err, ErrKeyFormat) {
		t.Errorf("cut key: %v", err)
	}
	key := testKey(t, "minion").Public()
	got, err := ParsePublicKey(pkcs1Public(key))
	if err != nil || !got.Equal(key) {
		t.Errorf("RSA PUBLIC KEY: %v", err)
	}
}

func TestPrivateKey_encrypted(t *testing.T) {
	v := readKeys(t)
	want := testKey(t, v.Encrypted.Of).Public()
	texts := map[string][]byte{"legacy header": []byte(v.Encrypted.PEM)}
	for _, name := range []string{"minion2-pkcs8-aes256.pem", "minion2-pkcs8-des3.pem"} {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		texts[name] = text
	}
	own, err := testKey(t, v.Encrypted.Of).EncryptedPEM([]byte(v.Encrypted.Passphrase))
	if err != nil {
		t.Fatal(err)
	}
	texts["own"] = own
	for name, text := range texts {
		t.Run(name, func(t *testing.T) {
			key, err := ParsePrivateKey(text, []byte(v.Encrypted.Passphrase))
			if err != nil || !key.Public().Equal(want) {
				t.Fatalf("ParsePrivateKey: %v", err)
			}
			for _, pass := range []string{"", "wrong"} {
				if _, err := ParsePrivateKey(text, []byte(pass)); !errors.Is(err, ErrPassphrase) {
					t.Errorf("pass %q: %v", pass, err)
				}
			}
		})
	}
}

func TestParse_refusals(t *testing.T) {
	v := readKeys(t).Keys["minion"]
	for name, text := range map[string]string{
		"empty": "", "text": "hello", "cut": v.Public[:200], "private as public": v.Private,
		"huge":  strings.Repeat("A", maxKeyText+1),
		"ec":    "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEjH6T/LkJtOiBLHPJQz0nQ8KqGfGl\n-----END PUBLIC KEY-----",
		"even":  string(publicWithModulusByte(t, 0xFE)),
		"e = 1": string(publicWithExponent(1)),
		"512":   "-----BEGIN PUBLIC KEY-----\nMFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAMGqJUnzQTAYr2WHECRkNuVQgbYGnRy8\n1IU0TjyDIu8rBOtMdWGjGG0n5S+cGVxXbAHHWFqXXyaiVxLHRPJs8tkCAwEAAQ==\n-----END PUBLIC KEY-----",
	} {
		if _, err := ParsePublicKey([]byte(text)); !errors.Is(err, ErrKeyFormat) {
			t.Errorf("public, %s: %v", name, err)
		}
	}
	for name, text := range map[string]string{
		"empty": "", "cut": v.Private[:600], "public as private": v.Public,
		"huge":  strings.Repeat("A", maxKeyText+1),
		"pkcs8": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
	} {
		_, err := ParsePrivateKey([]byte(text), nil)
		if !errors.Is(err, ErrKeyFormat) {
			t.Errorf("private, %s: %v", name, err)
		}
	}
	if _, err := LoadPrivateKey(filepath.Join(t.TempDir(), "none.pem"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	if _, err := LoadPublicKey(filepath.Join(t.TempDir(), "none.pub")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	for _, bits := range []int{0, 512, maxKeyBits + 1} {
		if _, err := GenerateKey(bits); err == nil {
			t.Errorf("GenerateKey(%d) succeeded", bits)
		}
	}
}

func TestPrivateKey_printsNoSecret(t *testing.T) {
	key := testKey(t, "minion")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q"} {
		if got := fmt.Sprintf(verb, key); got != "PrivateKey(2048 bits)" {
			t.Errorf("%s prints %.80q", verb, got)
		}
	}
	c, err := NewCipher(NewKeyString())
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{c, &KeyEpoch{Cipher: c, KeyString: c.KeyString()}} {
		if got := fmt.Sprintf("%+v %#v", v, v); strings.Contains(got, c.KeyString()[:8]) {
			t.Errorf("%T prints its key", v)
		}
	}
}

func TestCleanKey(t *testing.T) {
	for _, v := range readKeys(t).CleanKey {
		if got := CleanKey(v.Input); got != v.Output {
			t.Errorf("CleanKey(%q) = %q, want %q", v.Input, got, v.Output)
		}
	}
	for in, want := range map[string]string{
		"": "", "\xff\r\n\xfe": "\xff\n\xfe", "a\ufffd\rb": "a\ufffd\nb", "\x1fa b\x1f": "a b",
	} {
		if got := CleanKey(in); got != want {
			t.Errorf("CleanKey(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestFingerprint(t *testing.T) {
	for name, v := range readKeys(t).Keys {
		got, err := Fingerprint([]byte(v.Public), "sha256")
		if err != nil || got != v.Finger {
			t.Errorf("%s: %s, %v", name, got, err)
		}
		crlf := strings.ReplaceAll("\n"+v.Public, "\n", "\r\n")
		if got, _ := Fingerprint([]byte(crlf), "SHA256"); got != v.Finger {
			t.Errorf("%s with CRLF and blank lines: %s", name, got)
		}
		// The vector hashes the key as a master stores it, without a final newline.
		got, err = FingerprintWhole([]byte(v.PublicClean), "")
		if err != nil || got != v.FingerWhole {
			t.Errorf("%s whole: %s, %v", name, got, err)
		}
	}
	one, err := Fingerprint([]byte("one line"), "sha256")
	if err != nil || !strings.HasPrefix(one, "e3:b0:c4:42:") {
		t.Errorf("one line: %s, %v", one, err)
	}
	if got, err := Fingerprint(nil, "md5"); err != nil || got != "d4:1d:8c:d9:8f:00:b2:04:e9:80:09:98:ec:f8:42:7e" {
		t.Errorf("md5: %s, %v", got, err)
	}
	if _, err := Fingerprint(nil, "crc32"); !errors.Is(err, ErrAlgorithm) {
		t.Errorf("crc32: %v", err)
	}
	if _, err := FingerprintWhole(nil, "crc32"); !errors.Is(err, ErrAlgorithm) {
		t.Errorf("crc32: %v", err)
	}
}

func TestParseAlgorithm(t *testing.T) {
	for in, want := range map[string]EncAlgorithm{"": OAEPSHA1, "OAEP-SHA1": OAEPSHA1, "OAEP-SHA224": OAEPSHA224} {
		if got, err := ParseEncAlgorithm(in); got != want || err != nil {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	for in, want := range map[string]SigAlgorithm{"": PKCS1v15SHA1, "PKCS1v15-SHA1": PKCS1v15SHA1, "PKCS1v15-SHA224": PKCS1v15SHA224} {
		if got, err := ParseSigAlgorithm(in); got != want || err != nil {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	for _, in := range []string{"oaep-sha1", "OAEP-SHA256", "PKCS1v15-SHA256", "\x00"} {
		if _, err := ParseEncAlgorithm(in); !errors.Is(err, ErrAlgorithm) {
			t.Errorf("%q: %v", in, err)
		}
		if _, err := ParseSigAlgorithm(in); !errors.Is(err, ErrAlgorithm) {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func TestCheckID(t *testing.T) {
	for _, id := range []string{"m1", "web 1.example", ".hidden", "zürich", strings.Repeat("a", 255), "..a", "a*b"} {
		if err := CheckID(id); err != nil {
			t.Errorf("CheckID(%q) = %v", id, err)
		}
	}
	for _, id := range []string{
		"", ".", "..", "a/b", "/etc/passwd", "../x", `a\b`, "a\x00b", "a\nb", "a\x7f", "a\u0085b", "\xff",
		strings.Repeat("a", 256), ".key_cache",
	} {
		if err := CheckID(id); !errors.Is(err, ErrID) {
			t.Errorf("CheckID(%.20q) = %v", id, err)
		}
	}
}

func TestGenerateKey(t *testing.T) {
	key, err := GenerateKey(1024)
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParsePrivateKey(key.PEM(), nil)
	if err != nil || !again.Public().Equal(key.Public()) || key.Public().Bits() != 1024 {
		t.Fatalf("round trip: %v", err)
	}
	sealed, err := again.Public().Encrypt(OAEPSHA1, []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := key.Decrypt(OAEPSHA1, sealed); err != nil || !bytes.Equal(plain, []byte("x")) {
		t.Fatalf("Decrypt: %q, %v", plain, err)
	}
}
