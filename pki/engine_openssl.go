//go:build cgo && !gorsa

package pki

/*
#cgo pkg-config: libcrypto
#cgo noescape saltern_private_key
#cgo nocallback saltern_private_key
#cgo noescape saltern_private_raw
#cgo nocallback saltern_private_raw
#cgo noescape saltern_private_oaep
#cgo nocallback saltern_private_oaep
#cgo noescape saltern_public_raw
#cgo nocallback saltern_public_raw
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

static EVP_PKEY *saltern_private_key(const unsigned char *der, size_t len) {
	EVP_PKEY *key = d2i_PrivateKey(EVP_PKEY_RSA, NULL, &der, (long)len);
	ERR_clear_error();
	return key;
}

// Blinding and the check of the CRT result are libcrypto's own.
static int saltern_private_raw(EVP_PKEY *key, const unsigned char *in, unsigned char *out, size_t len) {
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	size_t n = len;
	int ok = ctx != NULL && EVP_PKEY_sign_init(ctx) > 0 &&
		EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING) > 0 &&
		EVP_PKEY_sign(ctx, out, &n, in, len) > 0 && n == len;
	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
	return ok;
}

// Returns the length of the message, or -1. out has room for len bytes.
static long saltern_private_oaep(EVP_PKEY *key, int sha224, const unsigned char *in, unsigned char *out, size_t len) {
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	const EVP_MD *md = sha224 ? EVP_sha224() : EVP_sha1();
	size_t n = len;
	int ok = ctx != NULL && EVP_PKEY_decrypt_init(ctx) > 0 &&
		EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) > 0 &&
		EVP_PKEY_CTX_set_rsa_oaep_md(ctx, md) > 0 &&
		EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, md) > 0 &&
		EVP_PKEY_decrypt(ctx, out, &n, in, len) > 0;
	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
	return ok ? (long)n : -1;
}

// out = in^e mod n for count blocks of len bytes, without a key object: nothing to keep per minion, nothing
// to free. What the modulus alone decides is computed once for all blocks.
// Returns 1, or 0 when a block is not below n, or -1.
static int saltern_public_raw(const unsigned char *n, unsigned long e, const unsigned char *in, unsigned char *out, size_t len, size_t count) {
	BN_CTX *ctx = BN_CTX_new();
	BN_MONT_CTX *mont = BN_MONT_CTX_new();
	int result = -1;
	if (ctx == NULL || mont == NULL)
		goto end;
	BN_CTX_start(ctx);
	BIGNUM *bn = BN_CTX_get(ctx), *be = BN_CTX_get(ctx), *x = BN_CTX_get(ctx);
	if (x != NULL && BN_bin2bn(n, (int)len, bn) != NULL && BN_set_word(be, e) && BN_MONT_CTX_set(mont, bn, ctx)) {
		result = 1;
		for (size_t i = 0; i < count && result == 1; i++, in += len, out += len) {
			if (BN_bin2bn(in, (int)len, x) == NULL)
				result = -1;
			else if (BN_ucmp(x, bn) >= 0)
				result = 0;
			else if (!BN_mod_exp_mont(x, x, be, bn, ctx, mont) || BN_bn2binpad(x, out, (int)len) != (int)len)
				result = -1;
		}
	}
	BN_CTX_end(ctx);
end:
	BN_MONT_CTX_free(mont);
	BN_CTX_free(ctx);
	ERR_clear_error();
	return result;
}
*/
import "C"

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"runtime"
	"unsafe"
)

// engineName tells which implementation this build uses.
const engineName = "libcrypto"

var errLibcrypto = errors.New("libcrypto refused the operation")

// opensslKey holds one EVP_PKEY; it is freed when the Go object is collected.
type opensslKey struct {
	key  *C.EVP_PKEY
	size int
}

func newPrivateEngine(key *rsa.PrivateKey) (privateEngine, error) {
	der := x509.MarshalPKCS1PrivateKey(key)
	handle := C.saltern_private_key(bytePtr(der), C.size_t(len(der)))
	clear(der)
	if handle == nil {
		return nil, errLibcrypto
	}
	engine := &opensslKey{key: handle, size: key.Size()}
	runtime.AddCleanup(engine, func(h *C.EVP_PKEY) { C.EVP_PKEY_free(h) }, handle)
	return engine, nil
}

// signDigest pads here and lets libcrypto do the bare operation: a host policy that forbids SHA-1
// signatures must not stop what every minion asks for.
func (k *opensslKey) signDigest(hash hashID, digest []byte) ([]byte, error) {
	block, err := padPKCS1v15(hash, digest, k.size)
	if err != nil {
		return nil, err
	}
	return k.raw(block)
}

func (k *opensslKey) raw(block []byte) ([]byte, error) {
	if len(block) != k.size {
		return nil, ErrMessageSize
	}
	out := make([]byte, k.size)
	ok := C.saltern_private_raw(k.key, bytePtr(block), bytePtr(out), C.size_t(k.size))
	runtime.KeepAlive(k)
	if ok != 1 {
		return nil, errLibcrypto
	}
	return out, nil
}

func (k *opensslKey) decryptOAEP(hash hashID, ciphertext []byte) ([]byte, error) {
	if len(ciphertext) != k.size {
		return nil, ErrDecrypt
	}
	var sha224 C.int
	if hash == crypto.SHA224 {
		sha224 = 1
	}
	out := make([]byte, k.size)
	n := C.saltern_private_oaep(k.key, sha224, bytePtr(ciphertext), bytePtr(out), C.size_t(k.size))
	runtime.KeepAlive(k)
	if n < 0 || int(n) > len(out) {
		return nil, ErrDecrypt
	}
	return out[:n], nil
}

func verifyDigest(k *PublicKey, hash hashID, digest, sig []byte) error {
	want, err := padPKCS1v15(hash, digest, k.size())
	if err != nil {
		return err
	}
	got, err := rawPublic(k, sig)
	if err != nil {
		return err
	}
	if !sameBytes(got, want) {
		return ErrSignature
	}
	return nil
}

func encryptOAEP(k *PublicKey, hash hashID, msgs [][]byte) ([][]byte, error) {
	size := k.size()
	blocks := make([]byte, 0, len(msgs)*size)
	for _, msg := range msgs {
		blocks = append(blocks, padOAEP(hash, msg, size)...)
	}
	sealed, err := rawPublic(k, blocks)
	if err != nil {
		return nil, err
	}
	out := make([][]byte, len(msgs))
	for i := range out {
		out[i] = sealed[i*size : (i+1)*size : (i+1)*size]
	}
	return out, nil
}

// rawPublic computes in^e mod n for each block of in; a block is as long as the modulus. A value not below n
// gives ErrSignature.
func rawPublic(k *PublicKey, in []byte) ([]byte, error) {
	size := k.size()
	if len(in) == 0 || len(in)%size != 0 {
		return nil, ErrSignature
	}
	out := make([]byte, len(in))
	switch C.saltern_public_raw(bytePtr(k.modulus), C.ulong(k.key.E), bytePtr(in), bytePtr(out), C.size_t(size), C.size_t(len(in)/size)) {
	case 1:
		return out, nil
	case 0:
		return nil, ErrSignature
	}
	return nil, errLibcrypto
}

func bytePtr(b []byte) *C.uchar { return (*C.uchar)(unsafe.Pointer(unsafe.SliceData(b))) }
