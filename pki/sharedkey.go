package pki

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"
)

// DigestSigner signs the 64 hex digits of the SHA-256 of a key string, in practice PrivateKey.SignX931.
type DigestSigner func(digestHex []byte) ([]byte, error)

// SharedKeyOptions may be zero.
type SharedKeyOptions struct {
	Grace time.Duration    // how long the previous key opens boxes after a rotation; 0 = 60 s, negative = not at all
	Block uint64           // serials reserved on disk at a time; 0 = 4096
	Now   func() time.Time // nil = time.Now
	Log   *slog.Logger     // nil = silent; told when a damaged file is replaced
}

// KeyEpoch is one life of the shared key, from one rotation to the next. Immutable; prints no secret.
type KeyEpoch struct {
	Cipher    *Cipher
	Sig       []byte    // X9.31 block of the master key over the hex SHA-256 of KeyString: field sig of the auth reply
	KeyString string    // 76 characters, field aes of the auth reply; secret
	Created   time.Time // when the key was made, to the second; it survives restarts
}

// Format hides the key, whatever the verb.
func (e *KeyEpoch) Format(f fmt.State, _ rune) { fmt.Fprint(f, "KeyEpoch(secret)") }

// LogValue hides the key from loggers.
func (e *KeyEpoch) LogValue() slog.Value { return slog.StringValue("KeyEpoch(secret)") }

// SharedKey is the AES key that a master shares with all its minions, and the serial number of its
// publications (spec: auth §2.4, §3). It survives a restart and kill -9:
//
//	file       key, previous key, R = the highest serial that may have been sent; 0600, replaced in one step
//	memory     next serial, always ≤ R; before it passes R the file is written with R + Block
//	start      next serial = R + 1, above everything that was ever sent
//	Close      R = the last serial that was sent
//
// A missing or damaged file means a new key: minions notice and authenticate again.
// Safe for concurrent use. One process per file.
type SharedKey struct {
	path string
	sign DigestSigner
	opts SharedKeyOptions

	mu        sync.RWMutex
	current   *KeyEpoch
	previous  *KeyEpoch // nil, or good until retired
	retired   time.Time
	serial    uint64 // last serial given out
	reserved  uint64 // last serial the file allows
	closed    bool
	rotations uint64
}

// ErrClosed is returned by a SharedKey after Close.
var ErrClosed = errors.New("shared key is closed")

// OpenSharedKey reads the key file at path, or makes a new key and writes it. sign is called once now
// and once per rotation.
func OpenSharedKey(path string, sign DigestSigner, opts SharedKeyOptions) (*SharedKey, error) {
	if opts.Grace == 0 {
		opts.Grace = 60 * time.Second
	}
	if opts.Block == 0 {
		opts.Block = 4096
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	k := &SharedKey{path: path, sign: sign, opts: opts}
	stored, err := readSharedKeyFile(path)
	if err != nil {
		if !errors.Is(err, errNoSharedKey) && opts.Log != nil {
			opts.Log.Warn("Shared key file is damaged, making a new key", "path", path, "err", err)
		}
		if err := k.renew(RotateOptions{DropPrevious: true}); err != nil {
			return nil, err
		}
		return k, nil
	}
	if k.current, err = k.epoch(stored.key, stored.created); err != nil {
		return nil, err
	}
	if stored.previous != "" && opts.Now().Before(stored.retired) {
		// It only opens: no signature is spent on it.
		c, err := NewCipher(stored.previous)
		if err != nil {
			return nil, err
		}
		k.previous, k.retired = &KeyEpoch{Cipher: c, KeyString: stored.previous}, stored.retired
	}
	k.serial, k.reserved = stored.serial, stored.serial
	return k, nil
}

func (k *SharedKey) epoch(keyString string, created time.Time) (*KeyEpoch, error) {
	c, err := NewCipher(keyString)
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256([]byte(keyString))
	sig, err := k.sign([]byte(hex.EncodeToString(digest[:])))
	if err != nil {
		return nil, fmt.Errorf("sign shared key: %w", err)
	}
	return &KeyEpoch{Cipher: c, Sig: sig, KeyString: keyString, Created: created}, nil
}

// Current returns the epoch in use.
func (k *SharedKey) Current() *KeyEpoch {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.current
}

// Open opens a box with the current key, then, within the grace period, with the previous one. Results and
// errors are those of Cipher.Open.
func (k *SharedKey) Open(dst, box []byte) ([]byte, error) {
	plain, _, err := k.OpenEpoch(dst, box)
	return plain, err
}

// OpenEpoch is Open that also tells which epoch fitted: a reply is sealed with the key of its request.
// An epoch that is not Current serves for Cipher alone; its Sig may be nil.
func (k *SharedKey) OpenEpoch(dst, box []byte) ([]byte, *KeyEpoch, error) {
	k.mu.RLock()
	current, previous := k.current, k.previous
	if previous != nil && !k.opts.Now().Before(k.retired) {
		previous = nil
	}
	k.mu.RUnlock()
	plain, err := current.Cipher.Open(dst, box)
	if err == nil {
		return plain, current, nil
	}
	if previous != nil && errors.Is(err, ErrTag) {
		if plain, prevErr := previous.Cipher.Open(dst, box); prevErr == nil {
			return plain, previous, nil
		}
	}
	return dst, nil, err
}

// NextSerial returns the serial of the next publication, from 1 per key. Once in Block calls it writes the
// file; when that fails nothing may be published and the error is returned. At the end of the signed
// 64-bit range the key is rotated. Use Next where key and serial must belong together.
func (k *SharedKey) NextSerial() (uint64, error) {
	_, serial, err := k.Next()
	return serial, err
}

// Next returns the current epoch and the next serial under it as one step: a rotation between two
// separate calls would pair a serial with the wrong key, and minions drop that publication in silence.
func (k *SharedKey) Next() (*KeyEpoch, uint64, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return nil, 0, ErrClosed
	}
	if k.serial >= math.MaxInt64 {
		if err := k.rotate(RotateOptions{}); err != nil {
			return nil, 0, err
		}
	}
	if k.serial == k.reserved {
		limit := k.reserved + min(k.opts.Block, math.MaxInt64-k.reserved)
		if err := k.save(limit); err != nil {
			return nil, 0, fmt.Errorf("reserve serials: %w", err)
		}
		k.reserved = limit
	}
	k.serial++
	return k.current, k.serial, nil
}

// Position returns the current epoch and the serial that Next would give out.
func (k *SharedKey) Position() (epoch *KeyEpoch, next uint64) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.current, k.serial + 1
}

// RotateOptions say what happens to the key that is replaced.
type RotateOptions struct {
	DropPrevious bool // it opens nothing any more: a minion key was deleted or rejected
}

// Rotate replaces the key and starts the serial again (spec: auth §3.1). It is on disk when Rotate returns.
// On error nothing has changed and the old key stays in use.
func (k *SharedKey) Rotate(opts RotateOptions) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return ErrClosed
	}
	return k.rotate(opts)
}

// Rotations returns how often the key was replaced since it was opened.
func (k *SharedKey) Rotations() uint64 {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.rotations
}

func (k *SharedKey) rotate(opts RotateOptions) error {
	if err := k.renew(opts); err != nil {
		return fmt.Errorf("rotate shared key: %w", err)
	}
	k.rotations++
	return nil
}

// renew makes a new epoch and writes it; in memory nothing changes unless the file was written.
func (k *SharedKey) renew(opts RotateOptions) error {
	now := k.opts.Now()
	next, err := k.epoch(NewKeyString(), now.Truncate(time.Second))
	if err != nil {
		return err
	}
	previous, retired := k.current, now.Add(k.opts.Grace)
	if opts.DropPrevious || k.opts.Grace < 0 {
		previous = nil
	}
	stored := sharedKeyFile{key: next.KeyString, created: next.Created}
	if previous != nil {
		stored.previous, stored.retired = previous.KeyString, retired
	}
	if err := stored.write(k.path); err != nil {
		return err
	}
	k.current, k.previous, k.retired = next, previous, retired
	k.serial, k.reserved = 0, 0
	return nil
}

// Close writes the exact serial, so that a clean restart leaves no gap. Nothing works after it.
func (k *SharedKey) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return nil
	}
	k.closed = true
	if k.serial == k.reserved {
		return nil
	}
	if err := k.save(k.serial); err != nil {
		return fmt.Errorf("close shared key: %w", err)
	}
	return nil
}

func (k *SharedKey) save(serial uint64) error {
	stored := sharedKeyFile{key: k.current.KeyString, created: k.current.Created, serial: serial}
	if k.previous != nil && k.opts.Now().Before(k.retired) {
		stored.previous, stored.retired = k.previous.KeyString, k.retired
	}
	return stored.write(k.path)
}
