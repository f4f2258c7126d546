package pki

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"testing"
)

func pkcs1Public(key *PublicKey) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: pemPKCS1Public, Bytes: x509.MarshalPKCS1PublicKey(key.key)})
}

// publicWithModulusByte is a key of 1024 bits whose modulus ends in last.
func publicWithModulusByte(tb testing.TB, last byte) []byte {
	tb.Helper()
	n := bytes.Repeat([]byte{0xC5}, 128)
	n[127] = last
	der, err := x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: new(big.Int).SetBytes(n), E: 65537})
	if err != nil {
		tb.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemSPKI, Bytes: der})
}

func publicWithExponent(e int) []byte {
	n := bytes.Repeat([]byte{0xC5}, 128)
	der := x509.MarshalPKCS1PublicKey(&rsa.PublicKey{N: new(big.Int).SetBytes(n), E: e})
	return pem.EncodeToMemory(&pem.Block{Type: pemPKCS1Public, Bytes: der})
}
