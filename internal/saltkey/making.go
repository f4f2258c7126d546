package saltkey

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/pki"
)

// makeKeys is --gen-keys: a pair for a minion or a master, PKCS#1 and SubjectPublicKeyInfo (spec:
// key-management-cli §4.10). A pair that is there already is kept. Shown is the fingerprint of the public
// key that minions compare, in SHA-256 whatever hash_type says.
func (t *tool) makeKeys() error {
	if err := pki.CheckID(t.genKeys); err != nil {
		return err
	}
	if err := os.MkdirAll(t.genKeysDir, 0o755); err != nil {
		return err
	}
	base := filepath.Join(t.genKeysDir, t.genKeys)
	public, err := t.pair(base)
	if err != nil {
		return err
	}
	finger, err := pki.Fingerprint(public, "sha256")
	if err != nil {
		return err
	}
	return t.returned(finger)
}

// pair makes base.pem and base.pub unless base.pem exists, and returns the public key's text.
func (t *tool) pair(base string) ([]byte, error) {
	pass := []byte(t.cfg.SigningKeyPass)
	if _, err := os.Lstat(base + ".pem"); err == nil {
		public, err := os.ReadFile(base + ".pub")
		if !errors.Is(err, fs.ErrNotExist) {
			return public, err
		}
		key, err := pki.LoadPrivateKey(base+".pem", pass)
		if err != nil {
			return nil, err
		}
		return key.Public().PEM(), pki.WritePublicKey(base+".pub", key.Public(), t.publicMode())
	}
	bits := t.keySize
	if bits == 0 {
		bits = t.cfg.KeySize
	}
	key, err := pki.GenerateKey(bits)
	if err != nil {
		return nil, err
	}
	if err := pki.WriteKeyPair(base+".pem", base+".pub", key, pass); err != nil {
		return nil, err
	}
	if err := os.Chmod(base+".pub", t.publicMode()); err != nil {
		return nil, err
	}
	return key.Public().PEM(), nil
}

// publicMode is the mode of public keys and signatures that are made here.
func (t *tool) publicMode() fs.FileMode {
	if t.mode.ownerOnly {
		return 0o400
	}
	return 0o644
}

// returned prints the result of --gen-keys and --gen-signature.
func (t *tool) returned(value any) error {
	if t.view.lines {
		line, err := renderLines(wire.NewMap("return", value), "")
		if err != nil {
			return err
		}
		_, err = t.stdout.Write(line)
		return err
	}
	if t.view.name == "key" {
		t.view.name = "nested" // these are no keys
	}
	if err := t.show(wire.NewMap("return", value), ""); err != nil {
		return fmt.Errorf("show the result: %w", err)
	}
	return nil
}
