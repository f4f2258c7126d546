package master

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/saltern-io/saltern/internal/event"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/pki"
)

// maintain does the periodic work every loop_interval: rotation of the AES key, expiry of jobs and
// sessions, presence events. A failing task is logged and tried again in the next round.
func (m *Master) maintain(ctx context.Context) error {
	timer := time.NewTimer(m.loopInterval())
	defer timer.Stop()
	var present []string
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-m.reloaded:
			timer.Reset(m.loopInterval()) // it may have become shorter
			continue
		case <-timer.C:
		}
		timer.Reset(m.loopInterval())
		tasks := []struct {
			name string
			run  func() error
		}{
			{"rotate the AES key", m.rotateIfDue},
			{"expire jobs", m.expireJobs},
			{"trim the journal", m.trimJournal},
			{"drop sessions of deleted keys", m.pruneSessions},
		}
		for _, task := range tasks {
			if err := task.run(); err != nil {
				m.log.Error("Maintenance failed", "task", task.name, "err", err)
			}
		}
		present = m.watchPresence(present)
	}
}

// loopInterval is the option of that name, read anew for every round.
func (m *Master) loopInterval() time.Duration {
	if interval := m.cfg.Load().LoopInterval; interval > 0 {
		return interval
	}
	return time.Minute
}

// rotateIfDue rotates on the dropfile that salt-key writes, and by age
// (spec: auth-and-crypto §3.1).
func (m *Master) rotateIfDue() error {
	cfg := m.cfg.Load()
	dropped, err := m.takeDropfile(filepath.Join(cfg.CacheDir, ".dfn"))
	if err != nil {
		return err
	}
	switch {
	case dropped || m.revoked.Swap(false):
		// A key was deleted: its holder must not go on reading with the previous AES key.
		return m.rotate(pki.RotateOptions{DropPrevious: true}, "a key was deleted or rejected")
	case cfg.PublishSession > 0 && m.now().Sub(m.shared.Current().Created) >= cfg.PublishSession:
		return m.rotate(pki.RotateOptions{}, "publish_session is over")
	}
	return nil
}

// takeDropfile reports whether a valid rotation flag was there, and removes it. The content is the
// master's id, or empty as 3006 writes it; the mode must be exactly 0400.
func (m *Master) takeDropfile(path string) (bool, error) {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at the rotation flag: %w", err)
	}
	if !info.Mode().IsRegular() || info.Mode().Perm() != 0o400 {
		m.limited.Warn("Rotation flag has the wrong mode, ignored", "file", path, "mode", info.Mode().String())
		return false, nil
	}
	if info.Size() > 4096 {
		return false, fmt.Errorf("rotation flag %s has %d bytes", path, info.Size())
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return false, fmt.Errorf("read the rotation flag: %w", err)
	}
	if id := strings.TrimSpace(string(content)); id != "" && id != m.cfg.Load().ID {
		return false, nil // meant for another master that shares the directory
	}
	if err := os.Remove(path); err != nil {
		return false, fmt.Errorf("remove the rotation flag: %w", err)
	}
	return true, nil
}

// rotate makes a new shared key. It excludes publications, so that no serial of the new key is
// used under the old one.
func (m *Master) rotate(opts pki.RotateOptions, why string) error {
	if err := m.publisher.exclusive(func() error { return m.shared.Rotate(opts) }); err != nil {
		return err
	}
	if err := m.beginEpoch(); err != nil {
		m.log.Error("Journal does not know the new key", "err", err)
	}
	m.log.Info("AES key rotated", "why", why)
	m.fire(event.TagKeyRotate, wire.NewMap("rotate_aes_key", true))
	if m.cfg.Load().PingOnRotate {
		return m.pingAll()
	}
	return nil
}

// pingAll publishes test.ping to everybody, so that minions sign in again now and not with the next
// job.
func (m *Master) pingAll() error {
	load := wire.NewMap("cmd", "publish", "tgt", "*", "fun", "test.ping", "arg", []any{}, "tgt_type", "glob",
		"ret", "", "jid", m.nextJID(), "user", m.cfg.Load().User)
	j, err := newJob(load)
	if err != nil {
		return err
	}
	cfg := m.cfg.Load()
	if err := m.resolve(j, cfg.OrderMasters); err != nil {
		return err
	}
	m.guard.take(j.jid)
	payload := m.payload(j, cfg.OrderMasters, cfg.MasterID)
	m.announce(j, payload)
	return m.issue(j, payload)
}

// storeKeep is the age that the store itself knows. What it is asked to expire is moved by the
// difference to keep_jobs_seconds, because that option may change while the store is open.
const storeKeep = time.Second

// expireJobs drops jobs that were not written to for keep_jobs_seconds; 0 keeps them for ever.
func (m *Master) expireJobs() error {
	keep := m.cfg.Load().KeepJobs
	if keep <= 0 {
		return nil
	}
	_, err := m.jobs.Expire(m.now().Add(storeKeep - keep))
	_, dirErr := m.loads.Expire(m.now(), keep)
	return errors.Join(err, dirErr)
}

// pruneSessions removes session keys whose minion is no longer accepted: salt-key may have deleted
// the key behind our back.
func (m *Master) pruneSessions() error {
	sessions := m.sessions.Load()
	ids, err := sessions.IDs()
	if err != nil {
		return err
	}
	accepted, _, err := m.keys.AcceptedIDs()
	if err != nil {
		return err
	}
	keep := make(map[string]bool, len(accepted))
	for _, id := range accepted {
		keep[id] = true
	}
	var errs []error
	for _, id := range m.inventories.syndics() {
		if !keep[id] {
			errs = append(errs, m.forgetSyndic(id))
		}
	}
	for _, id := range ids {
		if !keep[id] {
			errs = append(errs, sessions.Delete(id))
			m.presence.forget(id)
		}
	}
	return errors.Join(errs...)
}
