//go:build cgo && !gorsa

package pki

import (
	"crypto"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
)

// digestInfo is the DER before the digest in a PKCS#1 v1.5 signature (RFC 8017 §9.2).
var digestInfo = map[crypto.Hash][]byte{
	crypto.SHA1: {0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14},
	crypto.SHA224: {
		0x30, 0x2d, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
		0x65, 0x03, 0x04, 0x02, 0x04, 0x05, 0x00, 0x04, 0x1c,
	},
}

// padPKCS1v15 makes the block 00 01 FF… 00 digestInfo digest.
func padPKCS1v15(hash crypto.Hash, digest []byte, size int) ([]byte, error) {
	prefix, ok := digestInfo[hash]
	if !ok || len(digest) != hash.Size() {
		return nil, fmt.Errorf("hash %v: %w", hash, ErrAlgorithm)
	}
	rest := len(prefix) + len(digest)
	if size < rest+11 {
		return nil, ErrMessageSize
	}
	block := make([]byte, size)
	block[1] = 1
	for i := 2; i < size-rest-1; i++ {
		block[i] = 0xFF
	}
	copy(block[size-rest:], prefix)
	copy(block[size-len(digest):], digest)
	return block, nil
}

// padOAEP makes the OAEP block with an empty label (RFC 8017 §7.1.1). The caller has checked the length.
//
//	00 | seed xor mask | (hash of "" | 00… | 01 | msg) xor mask
func padOAEP(hash crypto.Hash, msg []byte, size int) []byte {
	h := hash.Size()
	block := make([]byte, size)
	seed, db := block[1:1+h], block[1+h:]
	copy(db, digestOf(hash, nil))
	db[len(db)-len(msg)-1] = 1
	copy(db[len(db)-len(msg):], msg)
	rand.Read(seed) // never fails: crypto/rand ends the process instead
	maskMGF1(hash, seed, db)
	maskMGF1(hash, db, seed)
	return block
}

// maskMGF1 xors out with the MGF1 stream of seed.
func maskMGF1(hash crypto.Hash, seed, out []byte) {
	h := hash.New()
	var digest [64]byte
	for counter := uint32(0); len(out) > 0; counter++ {
		h.Reset()
		h.Write(seed)
		h.Write([]byte{byte(counter >> 24), byte(counter >> 16), byte(counter >> 8), byte(counter)})
		n := subtle.XORBytes(out, out, h.Sum(digest[:0]))
		out = out[n:]
	}
}
