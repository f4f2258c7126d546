package pki

import (
	"bytes"
	"errors"
	"sync"
	"testing"
)

type boxVector struct {
	Name   string
	Key    string `json:"key_string"`
	IV     string `json:"iv_hex"`
	Plain  string `json:"plaintext_hex"`
	Raw    string `json:"raw_hex"`
	Cipher string `json:"ciphertext_hex"`
	Stock  string `json:"stock_result"`
}

type boxVectors struct {
	Vectors  []boxVector
	Padding  []boxVector `json:"raw_padding"`
	Negative []boxVector
	Serial   struct {
		Key      string `json:"key_string"`
		Messages []boxVector
	} `json:"serial_sequence"`
}

func readBoxes(tb testing.TB) boxVectors {
	tb.Helper()
	var v boxVectors
	readVectors(tb, "crypto-crypticle.json", &v)
	if len(v.Vectors) == 0 || len(v.Padding) == 0 || len(v.Negative) == 0 || len(v.Serial.Messages) == 0 {
		tb.Fatal("crypto-crypticle.json is incomplete")
	}
	return v
}

func testCipher(tb testing.TB, keyString string) *Cipher {
	tb.Helper()
	c, err := NewCipher(keyString)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func TestCipher_vectors(t *testing.T) {
	v := readBoxes(t)
	for _, v := range append(v.Vectors, v.Padding...) {
		c := testCipher(t, v.Key)
		plain, box := unhex(t, v.Plain+v.Raw), unhex(t, v.Cipher)
		if got := c.sealIV(nil, plain, (*[16]byte)(unhex(t, v.IV))); !bytes.Equal(got, box) {
			t.Errorf("%s: sealed %x", v.Name, got)
		}
		got, err := c.Open([]byte("head"), box)
		if err != nil || !bytes.Equal(got, append([]byte("head"), plain...)) {
			t.Errorf("%s: opened %x, %v", v.Name, got, err)
		}
		for i := range box {
			if _, err := c.Open(nil, flipped(box, i)); !errors.Is(err, ErrTag) {
				t.Errorf("%s: byte %d flipped: %v", v.Name, i, err)
			}
			if _, err := c.Open(nil, box[:i]); !errors.Is(err, ErrBox) {
				t.Errorf("%s: cut at %d: %v", v.Name, i, err)
			}
		}
	}
	for _, m := range v.Serial.Messages {
		if _, err := testCipher(t, v.Serial.Key).Open(nil, unhex(t, m.Cipher)); err != nil {
			t.Errorf("serial sequence: %v", err)
		}
	}
}

func TestCipher_negative(t *testing.T) {
	for _, v := range readBoxes(t).Negative {
		got, err := testCipher(t, v.Key).Open(nil, unhex(t, v.Cipher))
		if wantErr := v.Stock == "raises AuthenticationError"; errors.Is(err, ErrBox) != wantErr {
			t.Errorf("%s: %x, %v; stock %s", v.Name, got, err, v.Stock)
		}
	}
}

// A box with a right tag and wrong padding is refused; stock trusts it.
func TestCipher_padding(t *testing.T) {
	c := testCipher(t, NewKeyString())
	for name, last := range map[string][]byte{
		"zero": {0, 0}, "seventeen": {17, 17}, "255": {255, 255}, "run broken": {1, 2}, "broken at 16": append([]byte{9}, bytes.Repeat([]byte{16}, 15)...),
	} {
		// Sealing adds a block of padding; dropping it leaves ours last.
		plain := append(bytes.Repeat([]byte{7}, 32-len(last)), last...)
		box := c.Seal(nil, plain)
		data := box[:16+32]
		s := c.take()
		forged := append(bytes.Clone(data), s.tag(data)...)
		c.give(s)
		dst := []byte("kept")
		if got, err := c.Open(dst, forged); !errors.Is(err, ErrPadding) || string(got) != "kept" {
			t.Errorf("%s: %x, %v", name, got, err)
		}
	}
}

func TestNewCipher_refusals(t *testing.T) {
	good := NewKeyString()
	if len(good) != KeyStringLen || testCipher(t, good).KeyString() != good || NewKeyString() == good {
		t.Fatal("key string is not random, or not 76 characters")
	}
	for _, text := range []string{"", good[:75], good + "A", good + "\n", good[:75] + "!", good[:75] + "\n", "\n" + good[1:]} {
		if _, err := NewCipher(text); !errors.Is(err, ErrKeyString) {
			t.Errorf("%d characters: %v", len(text), err)
		}
	}
}

func TestCipher_concurrent(t *testing.T) {
	c := testCipher(t, NewKeyString())
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			plain := bytes.Repeat([]byte{byte(g)}, 100+g)
			for range 200 {
				got, err := c.Open(nil, c.Seal(nil, plain))
				if err != nil || !bytes.Equal(got, plain) {
					t.Errorf("round trip: %v", err)
				}
			}
		})
	}
	wg.Wait()
}

func TestCipher_allocations(t *testing.T) {
	if raceEnabled {
		t.Skip("allocations are counted without the race detector only")
	}
	c := testCipher(t, NewKeyString())
	plain := make([]byte, 300)
	box := c.Seal(nil, plain)
	buf := make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(100, func() { c.Seal(buf, plain) }); n > 0 {
		t.Errorf("Seal allocates %v times", n)
	}
	if n := testing.AllocsPerRun(100, func() {
		if _, err := c.Open(buf, box); err != nil {
			t.Error(err)
		}
	}); n > 0 {
		t.Errorf("Open allocates %v times", n)
	}
}

// TestCipher_sealSame: the same plain text has the same box, under one key; other texts and keys have other IVs.
func TestCipher_sealSame(t *testing.T) {
	a, err := NewCipher(NewKeyString())
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewCipher(NewKeyString())
	if err != nil {
		t.Fatal(err)
	}
	box := a.SealSame(nil, []byte("one"))
	if !bytes.Equal(box, a.SealSame(nil, []byte("one"))) {
		t.Error("another box the second time")
	}
	for name, other := range map[string][]byte{"another text": a.SealSame(nil, []byte("two")), "another key": b.SealSame(nil, []byte("one"))} {
		if bytes.Equal(box[:16], other[:16]) {
			t.Errorf("%s: the same IV", name)
		}
	}
	if plain, err := a.Open(nil, box); err != nil || string(plain) != "one" {
		t.Errorf("%q, %v", plain, err)
	}
}
