package master

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/saltern-io/saltern/pki"
)

// rotateIfDue rotates when a deletion asks for it, and by age (spec: auth-and-crypto §3.1).
func (m *Master) rotateIfDue() error {
	if err := m.rotateIfAsked(); err != nil {
		return err
	}
	cfg := m.cfg.Load()
	if cfg.PublishSession > 0 && m.now().Sub(m.shared.Current().Created) >= cfg.PublishSession {
		return m.rotate(pki.RotateOptions{}, "publish_session is over")
	}
	return nil
}

// rotateIfAsked rotates when the flag or a key that was given up asks for it and saltern_rotation_gap allows it; until
// then both stay, and later is when maintain asks again. Whoever has the deleted key is refused meanwhile, with whatever
// AES key: what waits is only that it cannot read publications any more.
func (m *Master) rotateIfAsked() error {
	flag := filepath.Join(m.cfg.Load().CacheDir, dropfileName)
	there, err := m.flagThere(flag)
	if err != nil {
		return err
	}
	if !there && !m.revoked.Load() {
		m.later = time.Time{}
		return nil
	}
	if due := m.rotationDue(); m.now().Before(due) {
		if m.later.IsZero() {
			m.stats.rotationsPutOff.Add(1)
			m.log.Info("AES key stays a little longer, deletions meanwhile are one rotation", "until", due)
		}
		m.later = due
		return nil
	}
	// The flag goes first: one that comes now is for a key that is deleted now, and means a rotation of its own.
	m.later = time.Time{}
	m.revoked.Store(false)
	if err := os.Remove(flag); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the rotation flag: %w", err)
	}
	// Whoever has a deleted key must not go on reading with the previous AES key.
	err = m.rotate(pki.RotateOptions{DropPrevious: true}, "a key was deleted or rejected")
	if err != nil {
		m.revoked.Store(true) // tried again in the next round
	}
	return err
}

// rotationDue is when the AES key in use may be replaced. A minion learns one key at a time: a job that went out under a
// key which is replaced before the minion has signed in is lost to it. Minions sign in when they see the first publication
// under a key, so both that and the key have to be saltern_rotation_gap old.
func (m *Master) rotationDue() time.Time {
	gap := m.cfg.Load().RotationGap
	epoch := m.shared.Current()
	due := epoch.Created.Add(gap)
	if first := m.publisher.firstUnder(epoch); first.Add(gap).After(due) {
		due = first.Add(gap)
	}
	return due
}
