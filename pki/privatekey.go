package pki

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io/fs"
	"log/slog"
	"runtime"
	"sync/atomic"
)

// privateEngine does the operations that need the private key. There is one implementation per build:
// libcrypto by cgo, or crypto/rsa with the tag gorsa. Both must be safe for concurrent use, blinded,
// and must check a result made by the Chinese remainder theorem before it leaves.
type privateEngine interface {
	// signDigest makes a PKCS#1 v1.5 signature.
	signDigest(hash hashID, digest []byte) ([]byte, error)
	// raw computes block^d mod n for a padded block as long as the modulus.
	raw(block []byte) ([]byte, error)
	// decryptOAEP opens an OAEP ciphertext, hash also for MGF1, empty label. Every failure is ErrDecrypt.
	decryptOAEP(hash hashID, ciphertext []byte) ([]byte, error)
}

// privateSlots lets at most GOMAXPROCS private operations run; others wait here instead of taking
// threads from job traffic when thousands of minions sign in at once.
var privateSlots = make(chan struct{}, runtime.GOMAXPROCS(0))

// PrivateKey is an RSA key pair whose private half never leaves this package except through PEM.
// Safe for concurrent use; at most GOMAXPROCS private operations run at once, others wait.
type PrivateKey struct {
	public *PublicKey
	key    *rsa.PrivateKey
	engine privateEngine
	used   atomic.Uint64
}

// Operations is the number of private operations done with the key so far.
func (k *PrivateKey) Operations() uint64 { return k.used.Load() }

// GenerateKey makes a key pair of 1024 to 16384 bits, exponent 65537 (about 50 ms for 2048 bits).
func GenerateKey(bits int) (*PrivateKey, error) {
	if bits < minKeyBits || bits > maxKeyBits {
		return nil, fmt.Errorf("generate key of %d bits: want %d to %d", bits, minKeyBits, maxKeyBits)
	}
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return nil, fmt.Errorf("generate key of %d bits: %w", bits, err)
	}
	return newPrivateKey(key)
}

// ParsePrivateKey reads one PEM private key: PKCS#1, PKCS#8, PKCS#1 with the legacy encryption header,
// or encrypted PKCS#8 (spec: auth §1.1). pass is ignored for a key that is not encrypted.
// It returns ErrKeyFormat or ErrPassphrase.
func ParsePrivateKey(text, pass []byte) (*PrivateKey, error) {
	key, err := parsePrivatePEM(text, pass)
	if err != nil {
		return nil, err
	}
	return newPrivateKey(key)
}

// LoadPrivateKey reads the file at path with ParsePrivateKey. Errors name the path and never the content.
func LoadPrivateKey(path string, pass []byte) (*PrivateKey, error) {
	text, err := readKeyFile(path)
	if err != nil {
		return nil, fmt.Errorf("load private key: %w", err)
	}
	key, err := ParsePrivateKey(text, pass)
	if err != nil {
		return nil, fmt.Errorf("load private key %s: %w", path, err)
	}
	return key, nil
}

func newPrivateKey(key *rsa.PrivateKey) (*PrivateKey, error) {
	public, err := newPublicKey(&key.PublicKey)
	if err != nil {
		return nil, err
	}
	engine, err := newPrivateEngine(key)
	if err != nil {
		return nil, err
	}
	return &PrivateKey{public: public, key: key, engine: engine}, nil
}

// Public returns the public half.
func (k *PrivateKey) Public() *PublicKey { return k.public }

// PEM returns the private key as unencrypted PKCS#1 PEM with a final newline, the form of master.pem.
func (k *PrivateKey) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: pemPKCS1, Bytes: x509.MarshalPKCS1PrivateKey(k.key)})
}

// EncryptedPEM returns the private key with the legacy encryption header under pass (AES-256-CBC), the
// form Salt writes when key_pass is set.
func (k *PrivateKey) EncryptedPEM(pass []byte) ([]byte, error) {
	//lint:ignore SA1019 the legacy header is the only form that every release of Salt reads
	block, err := x509.EncryptPEMBlock(rand.Reader, pemPKCS1, x509.MarshalPKCS1PrivateKey(k.key), pass, x509.PEMCipherAES256)
	if err != nil {
		return nil, fmt.Errorf("encrypt private key: %w", err)
	}
	return pem.EncodeToMemory(block), nil
}

// Sign makes an RSASSA-PKCS1-v1_5 signature of msg; it is deterministic (spec: auth §1.2).
func (k *PrivateKey) Sign(alg SigAlgorithm, msg []byte) ([]byte, error) {
	hash, err := alg.hash()
	if err != nil {
		return nil, err
	}
	digest := digestOf(hash, msg)
	k.used.Add(1)
	privateSlots <- struct{}{}
	defer func() { <-privateSlots }()
	return k.engine.signDigest(hash, digest)
}

// Decrypt opens one RSAES-OAEP block (spec: auth §1.2). Every failure is ErrDecrypt.
func (k *PrivateKey) Decrypt(alg EncAlgorithm, ciphertext []byte) ([]byte, error) {
	hash, err := alg.hash()
	if err != nil {
		return nil, err
	}
	if len(ciphertext) != k.public.size() {
		return nil, ErrDecrypt
	}
	k.used.Add(1)
	privateSlots <- struct{}{}
	defer func() { <-privateSlots }()
	return k.engine.decryptOAEP(hash, ciphertext)
}

// SignX931 makes the block of tok and sig: X9.31 padding around msg, private operation, the smaller of
// both roots (spec: auth §1.3). It is deterministic. msg may be up to the modulus length minus 2 bytes,
// longer gives ErrMessageSize. The result is checked with the public key before it is returned.
func (k *PrivateKey) SignX931(msg []byte) ([]byte, error) {
	block, err := padX931(msg, k.public.size())
	if err != nil {
		return nil, err
	}
	k.used.Add(1)
	privateSlots <- struct{}{}
	defer func() { <-privateSlots }()
	sig, err := k.engine.raw(block)
	if err != nil {
		return nil, fmt.Errorf("sign X9.31: %w", err)
	}
	// A faulty root would give the private key away: compare before any byte leaves.
	back, err := rawPublic(k.public, sig)
	if err != nil || !sameBytes(back, block) {
		return nil, fmt.Errorf("sign X9.31: private operation gave a wrong result")
	}
	return smallerX931(k.public.key.N, sig), nil
}

// Format prints the size of the key only, whatever the verb.
func (k *PrivateKey) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "PrivateKey(%d bits)", k.public.Bits())
}

// LogValue hides the key from loggers.
func (k *PrivateKey) LogValue() slog.Value {
	return slog.StringValue(fmt.Sprintf("PrivateKey(%d bits)", k.public.Bits()))
}

// modePrivate is the mode of every private key file (spec: auth §8.1).
const modePrivate fs.FileMode = 0o400
