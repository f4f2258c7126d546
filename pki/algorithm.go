package pki

import (
	"crypto"
	_ "crypto/sha1"   // registers crypto.SHA1, the default of the wire
	_ "crypto/sha256" // registers crypto.SHA224
	"fmt"
)

// EncAlgorithm is the wire's name of an RSA encryption (spec: auth §1.2).
type EncAlgorithm string

// SigAlgorithm is the wire's name of an RSA signature (spec: auth §1.2).
type SigAlgorithm string

// The names the wire knows. The SHA-1 ones are what a peer means that sends none.
const (
	OAEPSHA1   EncAlgorithm = "OAEP-SHA1"
	OAEPSHA224 EncAlgorithm = "OAEP-SHA224"

	PKCS1v15SHA1   SigAlgorithm = "PKCS1v15-SHA1"
	PKCS1v15SHA224 SigAlgorithm = "PKCS1v15-SHA224"
)

// ParseEncAlgorithm checks a name from the wire; "" is OAEP-SHA1. Unknown names give ErrAlgorithm.
func ParseEncAlgorithm(name string) (EncAlgorithm, error) {
	switch a := EncAlgorithm(name); a {
	case "":
		return OAEPSHA1, nil
	case OAEPSHA1, OAEPSHA224:
		return a, nil
	}
	return "", fmt.Errorf("encryption algorithm %.40q: %w", name, ErrAlgorithm)
}

// ParseSigAlgorithm checks a name from the wire; "" is PKCS1v15-SHA1. Unknown names give ErrAlgorithm.
func ParseSigAlgorithm(name string) (SigAlgorithm, error) {
	switch a := SigAlgorithm(name); a {
	case "":
		return PKCS1v15SHA1, nil
	case PKCS1v15SHA1, PKCS1v15SHA224:
		return a, nil
	}
	return "", fmt.Errorf("signature algorithm %.40q: %w", name, ErrAlgorithm)
}

func (a EncAlgorithm) hash() (crypto.Hash, error) {
	switch a {
	case "", OAEPSHA1:
		return crypto.SHA1, nil
	case OAEPSHA224:
		return crypto.SHA224, nil
	}
	return 0, fmt.Errorf("encryption algorithm %.40q: %w", string(a), ErrAlgorithm)
}

func (a SigAlgorithm) hash() (crypto.Hash, error) {
	switch a {
	case "", PKCS1v15SHA1:
		return crypto.SHA1, nil
	case PKCS1v15SHA224:
		return crypto.SHA224, nil
	}
	return 0, fmt.Errorf("signature algorithm %.40q: %w", string(a), ErrAlgorithm)
}
