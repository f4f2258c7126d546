package pki

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"hash"
)

// Encrypted PKCS#8 (PBES2 with PBKDF2) is what Salt writes for key_pass when its OpenSSL runs in FIPS
// mode (spec: auth §1.1). The standard library has no reader for it.

// maxKDFRounds bounds the work a file can ask for; OpenSSL writes 2048, careful people up to a million.
const maxKDFRounds = 10_000_000

var (
	oidPBES2  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}

	kdfHashes = map[string]func() hash.Hash{
		"":                    sha1.New, // absent means HMAC-SHA1
		"1.2.840.113549.2.7":  sha1.New,
		"1.2.840.113549.2.8":  sha256.New224,
		"1.2.840.113549.2.9":  sha256.New,
		"1.2.840.113549.2.10": sha512.New384,
		"1.2.840.113549.2.11": sha512.New,
	}
	cbcCiphers = map[string]struct {
		keyLen int
		block  func([]byte) (cipher.Block, error)
	}{
		"2.16.840.1.101.3.4.1.2":  {16, aes.NewCipher},
		"2.16.840.1.101.3.4.1.22": {24, aes.NewCipher},
		"2.16.840.1.101.3.4.1.42": {32, aes.NewCipher},
		"1.2.840.113549.3.7":      {24, des.NewTripleDESCipher},
	}
)

type encryptedPrivateKeyInfo struct {
	Algorithm pkix.AlgorithmIdentifier
	Data      []byte
}

type pbes2Params struct {
	KDF    pkix.AlgorithmIdentifier
	Cipher pkix.AlgorithmIdentifier
}

type pbkdf2Params struct {
	Salt   []byte
	Rounds int
	KeyLen int                      `asn1:"optional"`
	PRF    pkix.AlgorithmIdentifier `asn1:"optional"`
}

// decryptPKCS8 opens an EncryptedPrivateKeyInfo. A wrong passphrase gives ErrPassphrase.
func decryptPKCS8(der, pass []byte) ([]byte, error) {
	if len(pass) == 0 {
		return nil, ErrPassphrase
	}
	var info encryptedPrivateKeyInfo
	var scheme pbes2Params
	var kdf pbkdf2Params
	var iv []byte
	if !unmarshalAll(der, &info) || !info.Algorithm.Algorithm.Equal(oidPBES2) ||
		!unmarshalAll(info.Algorithm.Parameters.FullBytes, &scheme) || !scheme.KDF.Algorithm.Equal(oidPBKDF2) ||
		!unmarshalAll(scheme.KDF.Parameters.FullBytes, &kdf) ||
		!unmarshalAll(scheme.Cipher.Parameters.FullBytes, &iv) {
		return nil, fmt.Errorf("%w: encryption of the PKCS#8 block", ErrKeyFormat)
	}
	newHash := kdfHashes[kdf.PRF.Algorithm.String()]
	alg, ok := cbcCiphers[scheme.Cipher.Algorithm.String()]
	if newHash == nil || !ok || kdf.Rounds < 1 || kdf.Rounds > maxKDFRounds {
		return nil, fmt.Errorf("%w: cipher %v, %d rounds", ErrKeyFormat, scheme.Cipher.Algorithm, kdf.Rounds)
	}
	key, err := pbkdf2.Key(newHash, string(pass), kdf.Salt, kdf.Rounds, alg.keyLen)
	if err != nil {
		return nil, fmt.Errorf("derive key from passphrase: %w", err)
	}
	block, err := alg.block(key)
	if err != nil {
		return nil, fmt.Errorf("derive key from passphrase: %w", err)
	}
	size := block.BlockSize()
	if len(iv) != size || len(info.Data) == 0 || len(info.Data)%size != 0 {
		return nil, fmt.Errorf("%w: length of the encrypted PKCS#8 block", ErrKeyFormat)
	}
	plain := make([]byte, len(info.Data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, info.Data)
	pad := int(plain[len(plain)-1])
	if pad < 1 || pad > size || !bytes.Equal(plain[len(plain)-pad:], bytes.Repeat([]byte{byte(pad)}, pad)) {
		return nil, ErrPassphrase
	}
	return plain[:len(plain)-pad], nil
}

func unmarshalAll(der []byte, into any) bool {
	rest, err := asn1.Unmarshal(der, into)
	return err == nil && len(rest) == 0
}
