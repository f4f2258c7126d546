package master

import (
	"context"
	"errors"
	"time"

	"github.com/saltern-io/saltern/internal/event"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/pki"
)

// maintain does the periodic work every loop_interval: rotation of the AES key, expiry of jobs and
// sessions, presence events. A failing task is logged and tried again in the next round.
func (m *Master) maintain(ctx context.Context) error {
	timer, late := time.NewTimer(m.loopInterval()), time.NewTimer(0)
	defer timer.Stop()
	defer late.Stop()
	var present []string
	m.maintainTask("rotate the AES key", m.rotateIfDue) // a flag from before the start
	for {
		late.Stop()
		if !m.later.IsZero() {
			late.Reset(m.later.Sub(m.now()))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-m.reloaded:
			timer.Reset(m.loopInterval())                         // it may have become shorter
			m.maintainTask("rotate the AES key", m.rotateIfAsked) // so may saltern_rotation_gap
			continue
		case <-m.flagged:
			m.maintainTask("rotate the AES key", m.rotateIfAsked)
			continue
		case <-late.C:
			m.maintainTask("rotate the AES key", m.rotateIfAsked)
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
			m.maintainTask(task.name, task.run)
		}
		present = m.watchPresence(present)
	}
}

func (m *Master) maintainTask(name string, run func() error) {
	if err := run(); err != nil {
		m.log.Error("Maintenance failed", "task", name, "err", err)
	}
}

// loopInterval is the option of that name, read anew for every round.
func (m *Master) loopInterval() time.Duration {
	if interval := m.cfg.Load().LoopInterval; interval > 0 {
		return interval
	}
	return time.Minute
}

// rotate makes a new shared key.
func (m *Master) rotate(opts pki.RotateOptions, why string) error {
	return m.rotateWith(func() error { return m.shared.Rotate(opts) }, why)
}

// rotateWith runs a change after which there is a new shared key, and tells everybody. It excludes publications, so that
// no serial of the new key is used under the old one.
func (m *Master) rotateWith(change func() error, why string) error {
	if err := m.publisher.exclusive(change); err != nil {
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
func (m *Master) pingAll() error { return m.publishOwn("*", "glob", "test.ping") }

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
