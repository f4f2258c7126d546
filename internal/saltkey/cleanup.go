package saltkey

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/saltern-io/saltern/internal/keyrotate"
	"github.com/saltern-io/saltern/pki"
)

// endSessions removes the session keys of ids, so that a minion whose key went cannot go on with the
// session it has (spec: auth-and-crypto §3.1).
func (t *tool) endSessions(ids []string) error {
	dir := filepath.Join(t.cfg.CacheDir, "sessions")
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	sessions, err := pki.OpenSessions(dir, t.cfg.PublishSession)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := sessions.Delete(id); err != nil {
			return err
		}
	}
	return nil
}

// dropCaches removes the cached data of ids that have no key in any state any more, but for kept. Stock
// sweeps the caches of all ids without a key at this occasion; ids that were not named stay here.
func (t *tool) dropCaches(ids []string, kept map[string]bool) error {
	if t.cfg.PreserveMinionCache || len(ids) == 0 {
		return nil
	}
	places, err := t.place()
	if err != nil {
		return err
	}
	for _, id := range ids {
		if kept[id] || places.known(id) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(t.cfg.CacheDir, "minions", id)); err != nil {
			return fmt.Errorf("cached data of %s: %w", id, err)
		}
	}
	return nil
}

// requestRotation leaves the flag that makes a master, stock or not, take a new AES key (spec:
// key-management-cli §4.6). One that is there already is enough.
func (t *tool) requestRotation() error {
	if !truthy(t.rotate, t.cfg.RotateAESKey) {
		return nil
	}
	if _, err := os.Stat(t.cfg.CacheDir); errors.Is(err, fs.ErrNotExist) {
		return nil // no master has ever run here: there is no AES key to replace
	}
	return keyrotate.RequestAESRotation(t.cfg.CacheDir, t.cfg.ID)
}
