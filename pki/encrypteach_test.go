package pki

import (
	"bytes"
	"errors"
	"testing"
)

// TestEncryptEach opens every block again: each is sealed for itself, in the order given.
func TestEncryptEach(t *testing.T) {
	key := testKey(t, "minion")
	for _, alg := range []EncAlgorithm{OAEPSHA1, OAEPSHA224} {
		msgs := [][]byte{[]byte("one"), {}, bytes.Repeat([]byte{'x'}, 180), []byte("one")}
		for n := range len(msgs) + 1 {
			blocks, err := key.Public().EncryptEach(alg, msgs[:n]...)
			if err != nil || len(blocks) != n {
				t.Fatalf("%s, %d messages: %d blocks, %v", alg, n, len(blocks), err)
			}
			for i, block := range blocks {
				if got, err := key.Decrypt(alg, block); err != nil || !bytes.Equal(got, msgs[i]) {
					t.Errorf("%s, message %d of %d: %q, %v", alg, i, n, got, err)
				}
			}
		}
		blocks, err := key.Public().EncryptEach(alg, msgs[0], msgs[3])
		if err != nil || bytes.Equal(blocks[0], blocks[1]) {
			t.Errorf("%s: equal messages in equal blocks, %v", alg, err)
		}
		if _, err := key.Public().EncryptEach(alg, msgs[0], make([]byte, 300)); !errors.Is(err, ErrMessageSize) {
			t.Errorf("%s, too long: %v", alg, err)
		}
	}
}
