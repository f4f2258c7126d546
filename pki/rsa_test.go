package pki

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math/big"
	"sync"
	"testing"
)

type rsaVectors struct {
	Sign []struct {
		Key, Algorithm string
		Message        string `json:"message_hex"`
		Signature      string `json:"signature_hex"`
	} `json:"sign"`
	X931 []struct {
		Key       string
		Message   string  `json:"message_hex"`
		Block     string  `json:"block_hex"`
		Signature string  `json:"signature_hex"`
		Recovered *string `json:"recovered_hex"`
	} `json:"x931"`
	OAEP []struct {
		Key, Algorithm string
		Plain          string `json:"plaintext_hex"`
		Cipher         string `json:"ciphertext_hex"`
	} `json:"oaep"`
}

func readRSA(tb testing.TB) rsaVectors {
	tb.Helper()
	var v rsaVectors
	readVectors(tb, "crypto-rsa.json", &v)
	if len(v.Sign) == 0 || len(v.X931) == 0 || len(v.OAEP) == 0 {
		tb.Fatal("crypto-rsa.json is incomplete")
	}
	return v
}

// keyRing parses each key of the vectors once.
func keyRing(tb testing.TB) func(name string) *PrivateKey {
	ring := make(map[string]*PrivateKey)
	return func(name string) *PrivateKey {
		if ring[name] == nil {
			ring[name] = testKey(tb, name)
		}
		return ring[name]
	}
}

func TestSign_vectors(t *testing.T) {
	key := keyRing(t)
	for i, v := range readRSA(t).Sign {
		alg, err := ParseSigAlgorithm(v.Algorithm)
		if err != nil {
			t.Fatal(err)
		}
		msg, want := unhex(t, v.Message), unhex(t, v.Signature)
		got, err := key(v.Key).Sign(alg, msg)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d %s %s: %x, %v", i, v.Key, alg, got, err)
		}
		public := key(v.Key).Public()
		if err := public.Verify(alg, msg, want); err != nil {
			t.Errorf("%d %s %s: %v", i, v.Key, alg, err)
		}
		other := PKCS1v15SHA1
		if alg == other {
			other = PKCS1v15SHA224
		}
		bad := [][]byte{nil, want[1:], append([]byte{0}, want...), flipped(want, 0), flipped(want, len(want)-1), bytes.Repeat([]byte{0xFF}, len(want))}
		for j, sig := range bad {
			if err := public.Verify(alg, msg, sig); !errors.Is(err, ErrSignature) {
				t.Errorf("%d bad signature %d: %v", i, j, err)
			}
		}
		if err := public.Verify(other, msg, want); !errors.Is(err, ErrSignature) {
			t.Errorf("%d other algorithm: %v", i, err)
		}
		if err := public.Verify(alg, append(msg, 0), want); !errors.Is(err, ErrSignature) {
			t.Errorf("%d other message: %v", i, err)
		}
	}
}

func TestX931_vectors(t *testing.T) {
	key := keyRing(t)
	for i, v := range readRSA(t).X931 {
		msg, want := unhex(t, v.Message), unhex(t, v.Signature)
		block, err := padX931(msg, len(want))
		if err != nil || hex.EncodeToString(block) != v.Block {
			t.Errorf("%d block: %x, %v", i, block, err)
		}
		got, err := key(v.Key).SignX931(msg)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d %s: %x, %v", i, v.Key, got, err)
		}
		public := key(v.Key).Public()
		back, err := public.RecoverX931(want)
		if v.Recovered == nil {
			if !errors.Is(err, ErrSignature) {
				t.Errorf("%d: recovered %x, %v", i, back, err)
			}
			continue
		}
		if err != nil || hex.EncodeToString(back) != *v.Recovered {
			t.Errorf("%d: recovered %x, %v", i, back, err)
		}
		// The root that stock does not send is as good a proof.
		other := new(big.Int).Sub(public.key.N, new(big.Int).SetBytes(want)).FillBytes(make([]byte, len(want)))
		if back, err := public.RecoverX931(other); err != nil || !bytes.Equal(back, msg) {
			t.Errorf("%d other root: %x, %v", i, back, err)
		}
		for j, sig := range [][]byte{nil, want[1:], append([]byte{0}, want...), flipped(want, 3), make([]byte, len(want)), public.modulus} {
			if back, err := public.RecoverX931(sig); !errors.Is(err, ErrSignature) {
				t.Errorf("%d bad block %d: %x, %v", i, j, back, err)
			}
		}
	}
}

func TestX931_lengths(t *testing.T) {
	key := testKey(t, "rsa1024")
	for _, n := range []int{1, 2, 100, 124, 126} {
		msg := bytes.Repeat([]byte{0xBB}, n)
		sig, err := key.SignX931(msg)
		if err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		back, err := key.Public().RecoverX931(sig)
		if err != nil || !bytes.Equal(back, msg) {
			t.Errorf("%d bytes: recovered %x, %v", n, back, err)
		}
	}
	// No room for a BB: signed, but stock cannot recover it and neither do we.
	sig, err := key.SignX931(make([]byte, 125))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := key.Public().RecoverX931(sig); !errors.Is(err, ErrSignature) {
		t.Errorf("125 bytes: %v", err)
	}
	if _, err := key.SignX931(make([]byte, 127)); !errors.Is(err, ErrMessageSize) {
		t.Errorf("127 bytes: %v", err)
	}
}

func TestUnpadX931_refusals(t *testing.T) {
	for name, text := range map[string]string{
		"no trailer":    "6bbbbbba0102cd",
		"bad header":    "6cbbbbba0102cc",
		"no BB":         "6bba010203cc",
		"no BA":         "6bbbbbbbbbbbcc",
		"break in run":  "6bbbaabbba01cc",
		"empty message": "6bbbbbbbbbbacc",
		"too short":     "6bcc",
		"type 1":        "0001ffff0001cc",
	} {
		if got, err := unpadX931(unhex(t, text)); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %x, %v", name, got, err)
		}
	}
}

func TestOAEP_vectors(t *testing.T) {
	key := keyRing(t)
	for i, v := range readRSA(t).OAEP {
		alg, err := ParseEncAlgorithm(v.Algorithm)
		if err != nil {
			t.Fatal(err)
		}
		plain, box := unhex(t, v.Plain), unhex(t, v.Cipher)
		got, err := key(v.Key).Decrypt(alg, box)
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d %s %s: %x, %v", i, v.Key, alg, got, err)
		}
		sealed, err := key(v.Key).Public().Encrypt(alg, plain)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := key(v.Key).Decrypt(alg, sealed); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d round trip: %x, %v", i, got, err)
		}
		other := OAEPSHA1
		if alg == other {
			other = OAEPSHA224
		}
		if _, err := key(v.Key).Decrypt(other, box); !errors.Is(err, ErrDecrypt) {
			t.Errorf("%d other algorithm: %v", i, err)
		}
		for j, bad := range [][]byte{nil, box[1:], append([]byte{0}, box...), flipped(box, 5), make([]byte, len(box)), bytes.Repeat([]byte{0xFF}, len(box))} {
			if _, err := key(v.Key).Decrypt(alg, bad); !errors.Is(err, ErrDecrypt) {
				t.Errorf("%d bad box %d: %v", i, j, err)
			}
		}
	}
}

func TestEncrypt_limits(t *testing.T) {
	key := testKey(t, "rsa1024")
	secret := []byte(NewKeyString())
	if _, err := key.Public().Encrypt(OAEPSHA224, secret); !errors.Is(err, ErrMessageSize) {
		t.Errorf("76 bytes, SHA-224, 1024 bits: %v", err)
	}
	for alg, most := range map[EncAlgorithm]int{OAEPSHA1: 86, OAEPSHA224: 70} {
		for _, n := range []int{0, 1, most} {
			msg := bytes.Repeat([]byte{7}, n)
			box, err := key.Public().Encrypt(alg, msg)
			if err != nil {
				t.Fatalf("%s %d: %v", alg, n, err)
			}
			if got, err := key.Decrypt(alg, box); err != nil || !bytes.Equal(got, msg) {
				t.Errorf("%s %d: %x, %v", alg, n, got, err)
			}
		}
		if _, err := key.Public().Encrypt(alg, make([]byte, most+1)); !errors.Is(err, ErrMessageSize) {
			t.Errorf("%s %d: %v", alg, most+1, err)
		}
	}
	for _, name := range []EncAlgorithm{"OAEP-MD5", "x"} {
		if _, err := key.Public().Encrypt(name, nil); !errors.Is(err, ErrAlgorithm) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := key.Decrypt(name, nil); !errors.Is(err, ErrAlgorithm) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := key.Sign(SigAlgorithm(name), nil); !errors.Is(err, ErrAlgorithm) {
			t.Errorf("%s: %v", name, err)
		}
		if err := key.Public().Verify(SigAlgorithm(name), nil, nil); !errors.Is(err, ErrAlgorithm) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPrivateKey_concurrent(t *testing.T) {
	key := testKey(t, "minion")
	want, err := key.SignX931([]byte("salt"))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 10 {
				if got, err := key.SignX931([]byte("salt")); err != nil || !bytes.Equal(got, want) {
					t.Errorf("SignX931: %v", err)
				}
				box, err := key.Public().Encrypt(OAEPSHA1, []byte("m"))
				if err != nil {
					t.Error(err)
				}
				if got, err := key.Decrypt(OAEPSHA1, box); err != nil || string(got) != "m" {
					t.Errorf("Decrypt: %v", err)
				}
			}
		})
	}
	wg.Wait()
}

func flipped(b []byte, at int) []byte {
	out := bytes.Clone(b)
	out[at] ^= 1
	return out
}
