//go:build gorsa || !cgo

package pki

import (
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
)

// engineName tells which implementation this build uses.
const engineName = "crypto/rsa"

// goKey does private operations with crypto/rsa, and the bare one that crypto/rsa does not offer with
// math/big. math/big is not constant time; the blinding hides the operand and no caller lets a stranger
// choose the block.
type goKey struct{ key *rsa.PrivateKey }

func newPrivateEngine(key *rsa.PrivateKey) (privateEngine, error) {
	if len(key.Primes) != 2 {
		return nil, fmt.Errorf("key of %d primes: %w", len(key.Primes), ErrKeyFormat)
	}
	key.Precompute()
	return &goKey{key}, nil
}

func (k *goKey) signDigest(hash hashID, digest []byte) ([]byte, error) {
	return rsa.SignPKCS1v15(nil, k.key, hash, digest)
}

func (k *goKey) decryptOAEP(hash hashID, ciphertext []byte) ([]byte, error) {
	msg, err := rsa.DecryptOAEP(hash.New(), nil, k.key, ciphertext, nil)
	if err != nil {
		return nil, ErrDecrypt
	}
	return msg, nil
}

func (k *goKey) raw(block []byte) ([]byte, error) {
	n, e := k.key.N, big.NewInt(int64(k.key.E))
	m := new(big.Int).SetBytes(block)
	if m.Cmp(n) >= 0 {
		return nil, ErrMessageSize
	}
	r, inverse, err := k.blinding()
	if err != nil {
		return nil, err
	}
	c := new(big.Int).Exp(r, e, n)
	c.Mul(c, m).Mod(c, n)
	s := k.crt(c)
	s.Mul(s, inverse).Mod(s, n)
	if new(big.Int).Exp(s, e, n).Cmp(m) != 0 {
		return nil, errors.New("private operation gave a wrong result")
	}
	return s.FillBytes(make([]byte, k.key.Size())), nil
}

// blinding returns a random unit modulo n and its inverse.
func (k *goKey) blinding() (r, inverse *big.Int, err error) {
	for range 64 {
		r, err = rand.Int(rand.Reader, k.key.N)
		if err != nil {
			return nil, nil, fmt.Errorf("blinding: %w", err)
		}
		if inverse = new(big.Int).ModInverse(r, k.key.N); r.Sign() > 0 && inverse != nil {
			return r, inverse, nil
		}
	}
	return nil, nil, errors.New("blinding: no unit modulo the modulus found")
}

func (k *goKey) crt(c *big.Int) *big.Int {
	p, q, pre := k.key.Primes[0], k.key.Primes[1], &k.key.Precomputed
	m1 := new(big.Int).Exp(c, pre.Dp, p)
	m2 := new(big.Int).Exp(c, pre.Dq, q)
	m1.Sub(m1, m2).Mul(m1, pre.Qinv).Mod(m1, p)
	return m1.Mul(m1, q).Add(m1, m2)
}

func verifyDigest(k *PublicKey, hash hashID, digest, sig []byte) error {
	if rsa.VerifyPKCS1v15(k.key, hash, digest, sig) != nil {
		return ErrSignature
	}
	return nil
}

func encryptOAEP(k *PublicKey, hash hashID, msgs [][]byte) ([][]byte, error) {
	out := make([][]byte, len(msgs))
	for i, msg := range msgs {
		var err error
		if out[i], err = rsa.EncryptOAEP(hash.New(), rand.Reader, k.key, msg, nil); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// rawPublic computes in^e mod n; in is as long as the modulus. A value not below n gives ErrSignature.
func rawPublic(k *PublicKey, in []byte) ([]byte, error) {
	if len(in) != k.size() {
		return nil, ErrSignature
	}
	x := new(big.Int).SetBytes(in)
	if x.Cmp(k.key.N) >= 0 {
		return nil, ErrSignature
	}
	return x.Exp(x, big.NewInt(int64(k.key.E)), k.key.N).FillBytes(make([]byte, k.size())), nil
}
