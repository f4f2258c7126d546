package wire

import (
	"bytes"
	"crypto/subtle"
	"errors"
)

// Marker stands at the beginning of every plaintext; no pickling happens. Spec: auth-and-crypto §2.3.
const Marker = "pickle::"

// ErrMarker is returned for a plaintext without the marker.
var ErrMarker = errors.New("plaintext without marker")

// ErrNonce is returned when a reply does not begin with the nonce of the request: it answers another request.
var ErrNonce = errors.New("reply carries another nonce")

// NonceLen is the length of the nonces that stock peers send: 32 lower-case hex characters.
const NonceLen = 32

// AppendPlain appends marker, nonce and payload: a plaintext to be sealed. nonce is empty for requests, publications and
// replies to levels 0 and 1.
func AppendPlain(dst []byte, nonce string, payload []byte) []byte {
	dst = append(dst, Marker...)
	dst = append(dst, nonce...)
	return append(dst, payload...)
}

// SplitPlain returns what follows the marker, aliasing plain; ok is false without a marker, which is to be
// answered with BadLoad.
func SplitPlain(plain []byte) (payload []byte, ok bool) {
	return bytes.CutPrefix(plain, []byte(Marker))
}

// SplitReply returns the value inside an opened reply, aliasing plain. nonce is the one the request carried, "" when it carried
// none. It returns ErrMarker or, when the nonce differs, ErrNonce. The value is not checked.
func SplitReply(plain []byte, nonce string) (payload []byte, err error) {
	payload, ok := SplitPlain(plain)
	if !ok {
		return nil, ErrMarker
	}
	if len(payload) < len(nonce) || subtle.ConstantTimeCompare(payload[:len(nonce)], []byte(nonce)) != 1 {
		return nil, ErrNonce
	}
	return payload[len(nonce):], nil
}

// ValidNonce tells whether s is a nonce as stock peers make them: 32 lower-case hex characters.
func ValidNonce(s string) bool {
	if len(s) != NonceLen {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
