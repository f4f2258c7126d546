package pki

import (
	"errors"
	"path/filepath"
	"testing"
	"time"
)

func BenchmarkPrivate(b *testing.B) {
	key := testKey(b, "minion")
	box, err := key.Public().Encrypt(OAEPSHA1, []byte(NewKeyString()))
	if err != nil {
		b.Fatal(err)
	}
	for name, op := range map[string]func() ([]byte, error){
		"sign":    func() ([]byte, error) { return key.Sign(PKCS1v15SHA1, box) },
		"decrypt": func() ([]byte, error) { return key.Decrypt(OAEPSHA1, box) },
		"x931":    func() ([]byte, error) { return key.SignX931([]byte(tokMessage)) },
	} {
		b.Run("op="+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := op(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkPublic(b *testing.B) {
	key := testKey(b, "minion")
	secret := []byte(NewKeyString())
	sig, err1 := key.Sign(PKCS1v15SHA1, secret)
	tok, err2 := Tok(key)
	if err := errors.Join(err1, err2); err != nil {
		b.Fatal(err)
	}
	text := []byte(key.Public().Clean())
	for name, op := range map[string]func() error{
		"verify":  func() error { return key.Public().Verify(PKCS1v15SHA1, secret, sig) },
		"encrypt": func() error { _, err := key.Public().Encrypt(OAEPSHA1, secret); return err },
		"recover": func() error { _, err := key.Public().RecoverX931(tok); return err },
		"parse":   func() error { _, err := ParsePublicKey(text); return err },
	} {
		b.Run("op="+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := op(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCipher(b *testing.B) {
	c := testCipher(b, NewKeyString())
	plain := make([]byte, 300)
	box := c.Seal(nil, plain)
	buf := make([]byte, 0, 512)
	b.Run("op=seal/bytes=300", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(300)
		for b.Loop() {
			c.Seal(buf, plain)
		}
	})
	b.Run("op=open/bytes=300", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(300)
		for b.Loop() {
			if _, err := c.Open(buf, box); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// settledStore holds one accepted key whose cache entry is trusted.
func settledStore(b *testing.B) *DirStore {
	b.Helper()
	s := openDirStore(b)
	if err := s.Put("m1", Accepted, []byte(readKeys(b).Keys["minion"].PublicClean)); err != nil {
		b.Fatal(err)
	}
	if _, err := s.Lookup("m1"); err != nil {
		b.Fatal(err)
	}
	s.keys["m1"].settled = true
	return s
}

func BenchmarkLookup(b *testing.B) {
	s := settledStore(b)
	b.ReportAllocs()
	for b.Loop() {
		if e, err := s.Lookup("m1"); err != nil || e.State != Accepted {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyTok(b *testing.B) {
	s := settledStore(b)
	tok, err := Tok(testKey(b, "minion"))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := s.VerifyTok("m1", tok); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSessionLookup(b *testing.B) {
	s := openSessions(b, time.Hour)
	if _, err := s.Cipher("m1"); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, ok := s.Lookup("m1"); !ok {
			b.Fatal("no session")
		}
	}
}

func BenchmarkNextSerial(b *testing.B) {
	k, err := OpenSharedKey(filepath.Join(b.TempDir(), "k"), func(d []byte) ([]byte, error) { return d, nil }, SharedKeyOptions{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := k.Next(); err != nil {
			b.Fatal(err)
		}
	}
}
