package scenario

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/saltern-io/saltern/internal/stock"
)

// copyKeys makes the pki_dir of one master like that of another: master keys, as files or links, and minion keys.
func copyKeys(from, to *host) error {
	src, dst := stock.PKIDir(from.root), stock.PKIDir(to.root)
	for _, name := range []string{"minions", "minions_pre", "minions_rejected", "minions_denied"} {
		if err := os.RemoveAll(filepath.Join(dst, name)); err != nil {
			return err
		}
	}
	return filepath.WalkDir(src, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(src, path)
		if err != nil {
			return err
		}
		return copyEntry(path, filepath.Join(dst, rel), d)
	})
}

func copyEntry(from, to string, d fs.DirEntry) error {
	switch {
	case d.IsDir():
		return os.MkdirAll(to, 0o700)
	case d.Type()&fs.ModeSymlink != 0:
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		if err := os.Remove(to); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return os.Symlink(target, to)
	}
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return replaceFile(to, text)
}

// replaceFile writes a key file anew: those of masters may not be written in place.
func replaceFile(path string, text []byte) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}

// newKeyPair makes a key pair: the text of each file by its suffix.
func newKeyPair() (map[string][]byte, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, err
	}
	return map[string][]byte{
		".pem": pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}),
		".pub": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}),
	}, nil
}

// otherMasterKey gives a stopped master another key pair; restore takes it back.
func (h *host) otherMasterKey() (restore func() error, err error) {
	texts, err := newKeyPair()
	if err != nil {
		return nil, err
	}
	base, err := h.masterKeyBase()
	if err != nil {
		return nil, err
	}
	before := map[string][]byte{}
	for suffix, text := range texts {
		if before[suffix], err = os.ReadFile(base + suffix); err != nil {
			return nil, err
		}
		if err := replaceFile(base+suffix, text); err != nil {
			return nil, err
		}
	}
	return func() error {
		var faults []error
		for suffix, text := range before {
			faults = append(faults, replaceFile(base+suffix, text))
		}
		return errors.Join(faults...)
	}, nil
}

// masterKeyBase is the path of the master's key pair without its suffix: 3008 keeps it under the master's id and
// leaves links (spec: auth-and-crypto §8.1).
func (h *host) masterKeyBase() (string, error) {
	files, err := filepath.Glob(filepath.Join(stock.PKIDir(h.root), "*.pem"))
	if err != nil {
		return "", err
	}
	files = slices.DeleteFunc(files, func(path string) bool {
		info, err := os.Lstat(path)
		return err != nil || !info.Mode().IsRegular() || filepath.Base(path) == "master_sign.pem"
	})
	if len(files) != 1 {
		return "", fmt.Errorf("master keys of %s: %q", h.name, files)
	}
	return files[0][:len(files[0])-len(".pem")], nil
}
