package wire

import (
	"crypto/rand"
	"encoding/hex"
)

// NewNonce returns 32 lower-case hex characters in the form of a UUID4 without dashes (spec: transport §2.4).
func NewNonce() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return hex.EncodeToString(b[:])
}
