package swarm

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/saltern-io/saltern/pki"
)

// identity is a key pair of the swarm with what never changes about it computed once.
type identity struct {
	key *pki.PrivateKey
	pub string // cleaned PEM as sent

	tokOnce sync.Once
	tokRaw  []byte
	tokErr  error
}

// tok returns the X9.31 block over "salt" (spec: auth-and-crypto §1.3). It never changes for a key, so
// a stock minion and we compute it once.
func (id *identity) tok() ([]byte, error) {
	id.tokOnce.Do(func() { id.tokRaw, id.tokErr = id.key.SignX931([]byte("salt")) })
	return id.tokRaw, id.tokErr
}

// loadIdentities makes the key pairs of cfg ready: given, read from KeyDir, or generated.
func loadIdentities(cfg Config) ([]*identity, error) {
	keys := cfg.Keys
	if len(keys) == 0 {
		keys = make([]*pki.PrivateKey, cfg.KeyPairs)
		for i := range keys {
			key, err := oneKey(cfg, i)
			if err != nil {
				return nil, err
			}
			keys[i] = key
		}
	}
	ids := make([]*identity, len(keys))
	for i, key := range keys {
		ids[i] = &identity{key: key, pub: key.Public().Clean()}
	}
	return ids, nil
}

func oneKey(cfg Config, i int) (*pki.PrivateKey, error) {
	if cfg.KeyDir == "" {
		return pki.GenerateKey(cfg.KeyBits)
	}
	path := filepath.Join(cfg.KeyDir, fmt.Sprintf("key-%d.pem", i))
	key, err := pki.LoadPrivateKey(path, nil)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if key, err = pki.GenerateKey(cfg.KeyBits); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.KeyDir, 0o700); err != nil {
		return nil, err
	}
	return key, writeKey(path, key.PEM())
}

// writeKey writes a private key so that a crash leaves the old file or the new one.
func writeKey(path string, pem []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".key-*") // 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if _, err := f.Write(pem); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := errors.Join(f.Chmod(0o400), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
