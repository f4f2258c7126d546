package master

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/pki"
)

// reloadMasterKeys reads the master's own keys again, at SIGHUP. When the pair on disk is another one, it is put
// in force together with a new AES key, whose block it signs: publications stop for that moment, sign-ins under way
// end with the pair they began with. Whatever is wrong on disk leaves the keys in use as they are.
func (m *Master) reloadMasterKeys(cfg *config.Master) error {
	opts := masterKeyOptions(cfg)
	opts.Log = m.log
	if err := masterKeyThere(opts); err != nil {
		return err // LoadMasterKeys would make a new one
	}
	next, err := pki.LoadMasterKeys(opts)
	if err != nil {
		return fmt.Errorf("read the master keys again: %w", err)
	}
	if next.Master.Public().Equal(m.masterKeys.Load().Master.Public()) {
		m.masterKeys.Store(next) // the signature may be a new one
		return nil
	}
	return m.rotateWith(func() error {
		m.identity.Lock()
		defer m.identity.Unlock()
		before := m.masterKeys.Swap(next)
		if err := m.shared.Rotate(pki.RotateOptions{}); err != nil {
			m.masterKeys.Store(before)
			return err
		}
		return nil
	}, "the master has a new key")
}

// masterKeyThere is an error when the private key that would be loaded does not exist.
func masterKeyThere(opts pki.MasterKeyOptions) error {
	for _, name := range []string{opts.ID, "master"} {
		_, err := os.Stat(filepath.Join(opts.PKIDir, name+".pem"))
		if err == nil {
			return nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return fmt.Errorf("no master key in %s: the one in use is kept", opts.PKIDir)
}
