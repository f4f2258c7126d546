package pki

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
)

type hashID = crypto.Hash

// PublicKey is an RSA public key of 1024 to 16384 bits together with the text it came from.
// Immutable, safe for concurrent use; it needs about 2 KiB.
type PublicKey struct {
	key     *rsa.PublicKey
	modulus []byte // big endian, size() bytes
	clean   string
}

// ParsePublicKey reads one PEM public key, SubjectPublicKeyInfo or "RSA PUBLIC KEY" (spec: auth §1.1), of
// at most 64 KiB. It returns ErrKeyFormat. Callers that take keys from strangers check Bits as well.
func ParsePublicKey(text []byte) (*PublicKey, error) {
	if len(text) > maxKeyText {
		return nil, fmt.Errorf("public key of %d bytes: %w", len(text), ErrKeyFormat)
	}
	clean := CleanKey(string(text))
	key, err := parsePublicPEM(clean)
	if err != nil {
		return nil, err
	}
	return &PublicKey{key: key, modulus: modulusOf(key), clean: clean}, nil
}

// LoadPublicKey reads the file at path with ParsePublicKey.
func LoadPublicKey(path string) (*PublicKey, error) {
	text, err := readKeyFile(path)
	if err != nil {
		return nil, fmt.Errorf("load public key: %w", err)
	}
	key, err := ParsePublicKey(text)
	if err != nil {
		return nil, fmt.Errorf("load public key %s: %w", path, err)
	}
	return key, nil
}

func newPublicKey(key *rsa.PublicKey) (*PublicKey, error) {
	text, err := encodePublic(key)
	if err != nil {
		return nil, err
	}
	return &PublicKey{key: key, modulus: modulusOf(key), clean: CleanKey(string(text))}, nil
}

func encodePublic(key *rsa.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode public key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemSPKI, Bytes: der}), nil
}

func modulusOf(key *rsa.PublicKey) []byte { return key.N.FillBytes(make([]byte, key.Size())) }

func (k *PublicKey) size() int { return len(k.modulus) }

// Clean returns the key's text as it travels in pub and pub_key: normalised by CleanKey, 450 bytes for
// 2048 bits. For a key read from text it is that text.
func (k *PublicKey) Clean() string { return k.clean }

// PEM returns the key as SubjectPublicKeyInfo PEM with a final newline, the form of master.pub.
func (k *PublicKey) PEM() []byte {
	text, err := encodePublic(k.key)
	if err != nil {
		// An RSA key that was parsed or generated always has an encoding.
		panic(fmt.Sprintf("pki: %v", err))
	}
	return text
}

// Bits returns the length of the modulus in bits.
func (k *PublicKey) Bits() int { return k.key.N.BitLen() }

// Equal tells whether both are the same key, whatever text they came from.
func (k *PublicKey) Equal(other *PublicKey) bool {
	return other != nil && k.key.Equal(other.key)
}

// Verify checks an RSASSA-PKCS1-v1_5 signature of msg (spec: auth §1.2); a wrong one gives ErrSignature.
func (k *PublicKey) Verify(alg SigAlgorithm, msg, sig []byte) error {
	hash, err := alg.hash()
	if err != nil {
		return err
	}
	if len(sig) != k.size() {
		return ErrSignature
	}
	return verifyDigest(k, hash, digestOf(hash, msg), sig)
}

// Encrypt seals msg in one RSAES-OAEP block, hash also for MGF1, empty label (spec: auth §1.2). msg may be
// up to the modulus length minus 42 (SHA-1) or 58 (SHA-224) bytes, longer gives ErrMessageSize.
func (k *PublicKey) Encrypt(alg EncAlgorithm, msg []byte) ([]byte, error) {
	blocks, err := k.EncryptEach(alg, msg)
	if err != nil {
		return nil, err
	}
	return blocks[0], nil
}

// EncryptEach seals each message in a block of its own, as Encrypt does: three cost a fifth less together. No
// message gives no block.
func (k *PublicKey) EncryptEach(alg EncAlgorithm, msgs ...[]byte) ([][]byte, error) {
	hash, err := alg.hash()
	if err != nil {
		return nil, err
	}
	for _, msg := range msgs {
		if len(msg) > k.size()-2*hash.Size()-2 {
			return nil, fmt.Errorf("%d bytes for a key of %d bits with %s: %w", len(msg), k.Bits(), alg, ErrMessageSize)
		}
	}
	if len(msgs) == 0 {
		return nil, nil
	}
	return encryptOAEP(k, hash, msgs)
}

// RecoverX931 returns the message inside a block made by SignX931 with the other half of k, or
// ErrSignature (spec: auth §1.3). The caller compares it with what it expects; an empty message, and one
// of exactly the modulus length minus 3 bytes, cannot be recovered, as in stock Salt.
func (k *PublicKey) RecoverX931(sig []byte) ([]byte, error) {
	if len(sig) != k.size() {
		return nil, ErrSignature
	}
	x, err := rawPublic(k, sig)
	if err != nil {
		return nil, err
	}
	return recoverX931(k.key.N, x)
}

func digestOf(hash crypto.Hash, msg []byte) []byte {
	h := hash.New()
	h.Write(msg)
	return h.Sum(nil)
}
