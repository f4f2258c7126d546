package pki

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"os"
)

// Limits of keys read from anywhere. libcrypto does no public operation above 16384 bits.
const (
	maxKeyText = 64 << 10
	maxKeyDER  = 12 << 10 // a private key of maxKeyBits has 9.4 KB; checking a larger one takes minutes
	minKeyBits = 1024
	maxKeyBits = 16384
)

const (
	pemPKCS1          = "RSA PRIVATE KEY"
	pemPKCS8          = "PRIVATE KEY"
	pemPKCS8Encrypted = "ENCRYPTED PRIVATE KEY"
	pemSPKI           = "PUBLIC KEY"
	pemPKCS1Public    = "RSA PUBLIC KEY"
)

// parsePrivatePEM reads PKCS#1 (plain or with the legacy encryption header) and PKCS#8 (plain or PBES2).
func parsePrivatePEM(text, pass []byte) (*rsa.PrivateKey, error) {
	if len(text) > maxKeyText {
		return nil, fmt.Errorf("private key of %d bytes: %w", len(text), ErrKeyFormat)
	}
	block, _ := pem.Decode([]byte(CleanKey(string(text))))
	if block == nil {
		return nil, fmt.Errorf("no PEM block: %w", ErrKeyFormat)
	}
	der := block.Bytes
	var err error
	switch {
	case block.Type == pemPKCS8Encrypted:
		der, err = decryptPKCS8(der, pass)
	//lint:ignore SA1019 the legacy header is the form Salt writes when key_pass is set
	case x509.IsEncryptedPEMBlock(block):
		if len(pass) == 0 {
			return nil, ErrPassphrase
		}
		//lint:ignore SA1019 see above
		der, err = x509.DecryptPEMBlock(block, pass)
		if err != nil {
			err = ErrPassphrase
		}
	}
	if err != nil {
		return nil, err
	}
	key, err := parsePrivateDER(block.Type, der)
	if err != nil {
		if block.Type == pemPKCS8Encrypted || block.Headers["DEK-Info"] != "" {
			// A wrong passphrase passes the one-byte padding check once in 256 times.
			return nil, ErrPassphrase
		}
		return nil, err
	}
	if bits := key.N.BitLen(); bits < minKeyBits || bits > maxKeyBits {
		return nil, fmt.Errorf("private key of %d bits: %w", bits, ErrKeyFormat)
	}
	return key, nil
}

func parsePrivateDER(kind string, der []byte) (*rsa.PrivateKey, error) {
	if len(der) > maxKeyDER {
		return nil, fmt.Errorf("private key of %d bytes: %w", len(der), ErrKeyFormat)
	}
	switch kind {
	case pemPKCS1:
		key, err := x509.ParsePKCS1PrivateKey(der)
		if err != nil {
			return nil, fmt.Errorf("%w: PKCS#1 structure", ErrKeyFormat)
		}
		return key, nil
	case pemPKCS8, pemPKCS8Encrypted:
		parsed, err := x509.ParsePKCS8PrivateKey(der)
		if err != nil {
			return nil, fmt.Errorf("%w: PKCS#8 structure", ErrKeyFormat)
		}
		key, ok := parsed.(*rsa.PrivateKey)
		if !ok {
			return nil, fmt.Errorf("%w: %T", ErrKeyFormat, parsed)
		}
		return key, nil
	}
	return nil, fmt.Errorf("%w: block %.40q", ErrKeyFormat, kind)
}

// parsePublicPEM reads SubjectPublicKeyInfo and PKCS#1 public keys. text must be clean.
func parsePublicPEM(text string) (*rsa.PublicKey, error) {
	if len(text) > maxKeyText {
		return nil, fmt.Errorf("public key of %d bytes: %w", len(text), ErrKeyFormat)
	}
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, fmt.Errorf("no PEM block: %w", ErrKeyFormat)
	}
	var key *rsa.PublicKey
	switch block.Type {
	case pemSPKI:
		parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%w: public key structure", ErrKeyFormat)
		}
		var ok bool
		if key, ok = parsed.(*rsa.PublicKey); !ok {
			return nil, fmt.Errorf("%w: %T", ErrKeyFormat, parsed)
		}
	case pemPKCS1Public:
		var err error
		if key, err = x509.ParsePKCS1PublicKey(block.Bytes); err != nil {
			return nil, fmt.Errorf("%w: PKCS#1 public structure", ErrKeyFormat)
		}
	default:
		return nil, fmt.Errorf("%w: block %.40q", ErrKeyFormat, block.Type)
	}
	bits := key.N.BitLen()
	if bits < minKeyBits || bits > maxKeyBits {
		return nil, fmt.Errorf("public key of %d bits: %w", bits, ErrKeyFormat)
	}
	if key.N.Bit(0) == 0 || key.E < 3 || key.E&1 == 0 || int64(key.E) > 1<<31-1 {
		return nil, fmt.Errorf("public key with an impossible modulus or exponent: %w", ErrKeyFormat)
	}
	return key, nil
}

// readKeyFile reads a key file, bounded.
func readKeyFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readBounded(f, maxKeyText)
}

func readBounded(f *os.File, limit int64) ([]byte, error) {
	var buf bytes.Buffer
	n, err := io.Copy(&buf, io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", f.Name(), err)
	}
	if n > limit {
		return nil, fmt.Errorf("read %s: larger than %d bytes", f.Name(), limit)
	}
	return buf.Bytes(), nil
}
