package pki

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"hash"
	"log/slog"
	"slices"
	"sync/atomic"
)

// Sizes of a key string and of a box, in bytes (spec: auth §2).
const (
	KeyStringLen = 76 // base64 of 24 bytes AES key and 32 bytes HMAC key
	BoxOverhead  = aes.BlockSize + sha256.Size
	MinBox       = BoxOverhead + aes.BlockSize

	aesKeyLen = 24
	macKeyLen = 32
)

// NewKeyString returns a fresh random key string of 76 ASCII characters (spec: auth §2.1).
func NewKeyString() string {
	var raw [aesKeyLen + macKeyLen]byte
	rand.Read(raw[:]) // never fails: crypto/rand ends the process instead
	return base64.StdEncoding.EncodeToString(raw[:])
}

// Cipher seals and opens boxes: AES-192-CBC and HMAC-SHA256 over IV and ciphertext (spec: auth §2.2).
//
//	IV (16) | AES-192-CBC(plain | pad × byte(pad)) | HMAC-SHA256 (32)
//
// Safe for concurrent use. It never prints its key.
type Cipher struct {
	keyString string
	aesKey    [aesKeyLen]byte
	macKey    [macKeyLen]byte
	// idle keeps the expanded keys between calls: a session has one user at a time and fills one slot,
	// the shared key has as many as there are workers. A caller that finds none makes its own.
	idle [4]atomic.Pointer[cipherState]
}

// ivSetter is implemented by the CBC modes of the standard library; without it each call makes a mode.
type ivSetter interface {
	cipher.BlockMode
	SetIV(iv []byte)
}

type cipherState struct {
	block            cipher.Block
	encrypt, decrypt ivSetter
	mac              hash.Hash
	sum              [sha256.Size]byte
}

// NewCipher makes a Cipher of a 76-character key string, or returns ErrKeyString.
func NewCipher(keyString string) (*Cipher, error) {
	if len(keyString) != KeyStringLen {
		return nil, ErrKeyString
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(keyString)
	if err != nil || len(raw) != aesKeyLen+macKeyLen {
		return nil, ErrKeyString // the cause would quote the key
	}
	c := &Cipher{keyString: keyString}
	copy(c.aesKey[:], raw)
	copy(c.macKey[:], raw[aesKeyLen:])
	return c, nil
}

// KeyString returns the secret text the Cipher was made of. It travels encrypted and is never logged.
func (c *Cipher) KeyString() string { return c.keyString }

// Seal appends the box of plain to dst; the box is plain padded to the next multiple of 16 and 48 bytes.
// The spare capacity of dst must not overlap plain.
func (c *Cipher) Seal(dst, plain []byte) []byte {
	var iv [aes.BlockSize]byte
	rand.Read(iv[:]) // never fails
	return c.sealIV(dst, plain, &iv)
}

// SealSame is Seal with an IV that only plain and the key decide, so that the same plain text has the same box whenever it is
// sealed. It is for plain texts that never repeat, as equal boxes tell that they are equal: publications carry a serial. The
// IV is an HMAC of plain under a key derived for that alone, hence unpredictable without the key.
func (c *Cipher) SealSame(dst, plain []byte) []byte {
	derive := hmac.New(sha256.New, c.macKey[:])
	derive.Write([]byte("saltern publication iv")) // never fails, as below
	mac := hmac.New(sha256.New, derive.Sum(nil))
	mac.Write(plain)
	var sum [sha256.Size]byte
	iv := [aes.BlockSize]byte(mac.Sum(sum[:0]))
	return c.sealIV(dst, plain, &iv)
}

func (c *Cipher) sealIV(dst, plain []byte, iv *[aes.BlockSize]byte) []byte {
	pad := aes.BlockSize - len(plain)%aes.BlockSize
	start, body := len(dst), len(plain)+pad
	dst = slices.Grow(dst, body+BoxOverhead)[:start+aes.BlockSize+body]
	box := dst[start:]
	copy(box, iv[:])
	padded := box[aes.BlockSize:]
	copy(padded, plain)
	for i := len(plain); i < body; i++ {
		padded[i] = byte(pad)
	}
	s := c.take()
	s.encrypter(box[:aes.BlockSize]).CryptBlocks(padded, padded)
	dst = append(dst, s.tag(box)...)
	c.give(s)
	return dst
}

// Open authenticates and decrypts one box and appends the plaintext to dst.
//
// The tag is compared in constant time before anything is decrypted. It returns ErrShort when box cannot
// be a box, ErrTag when the tag is wrong (the sender holds another key, or the key was rotated) and
// ErrPadding when an authentic box is malformed; all are ErrBox. On error dst is returned unchanged.
// The spare capacity of dst must not overlap box.
func (c *Cipher) Open(dst, box []byte) ([]byte, error) {
	if len(box) < MinBox || len(box)%aes.BlockSize != 0 {
		return dst, ErrShort
	}
	data, tag := box[:len(box)-sha256.Size], box[len(box)-sha256.Size:]
	s := c.take()
	defer c.give(s)
	if subtle.ConstantTimeCompare(s.tag(data), tag) != 1 {
		return dst, ErrTag
	}
	start, body := len(dst), len(data)-aes.BlockSize
	out := slices.Grow(dst, body)[:start+body]
	plain := out[start:]
	s.decrypter(data[:aes.BlockSize]).CryptBlocks(plain, data[aes.BlockSize:])
	pad, ok := padLength(plain)
	if !ok {
		clear(plain)
		return dst, ErrPadding
	}
	return out[:len(out)-pad], nil
}

// padLength checks the padding in constant time: 1 to 16 bytes that all hold their number.
func padLength(plain []byte) (int, bool) {
	last := plain[len(plain)-1]
	pad := int(last)
	good := subtle.ConstantTimeLessOrEq(1, pad) & subtle.ConstantTimeLessOrEq(pad, aes.BlockSize)
	for i := 1; i <= aes.BlockSize; i++ {
		outside := subtle.ConstantTimeLessOrEq(pad+1, i)
		good &= outside | subtle.ConstantTimeByteEq(plain[len(plain)-i], last)
	}
	return pad, good == 1
}

func (c *Cipher) take() *cipherState {
	for i := range c.idle {
		if s := c.idle[i].Swap(nil); s != nil {
			return s
		}
	}
	return newCipherState(&c.aesKey, &c.macKey)
}

func (c *Cipher) give(s *cipherState) {
	for i := range c.idle {
		if c.idle[i].CompareAndSwap(nil, s) {
			return
		}
	}
}

func newCipherState(aesKey *[aesKeyLen]byte, macKey *[macKeyLen]byte) *cipherState {
	block, err := aes.NewCipher(aesKey[:])
	if err != nil {
		panic(fmt.Sprintf("pki: %v", err)) // a key of 24 bytes is always good
	}
	s := &cipherState{block: block, mac: hmac.New(sha256.New, macKey[:])}
	var iv [aes.BlockSize]byte
	s.encrypt, _ = cipher.NewCBCEncrypter(block, iv[:]).(ivSetter)
	s.decrypt, _ = cipher.NewCBCDecrypter(block, iv[:]).(ivSetter)
	return s
}

func (s *cipherState) encrypter(iv []byte) cipher.BlockMode {
	if s.encrypt == nil {
		return cipher.NewCBCEncrypter(s.block, iv)
	}
	s.encrypt.SetIV(iv)
	return s.encrypt
}

func (s *cipherState) decrypter(iv []byte) cipher.BlockMode {
	if s.decrypt == nil {
		return cipher.NewCBCDecrypter(s.block, iv)
	}
	s.decrypt.SetIV(iv)
	return s.decrypt
}

// tag returns the HMAC of data; it is valid until the next call.
func (s *cipherState) tag(data []byte) []byte {
	s.mac.Reset()
	s.mac.Write(data)
	return s.mac.Sum(s.sum[:0])
}

// Format hides the key, whatever the verb.
func (c *Cipher) Format(f fmt.State, _ rune) { fmt.Fprint(f, "Cipher(secret)") }

// LogValue hides the key from loggers.
func (c *Cipher) LogValue() slog.Value { return slog.StringValue("Cipher(secret)") }
