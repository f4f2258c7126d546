package master

import (
	"context"
	"sync"
	"time"

	"github.com/saltern-io/saltern/internal/event"
	"github.com/saltern-io/saltern/internal/wire"
)

// Bounds of freshener: a whole fleet that fails over to this master must not make it and the minions busy with
// nothing but pillar requests.
const (
	freshenBatch  = 200              // minions asked by one publication
	freshenEvery  = time.Second      // at most one publication per so long
	freshenRepeat = 10 * time.Minute // a minion that does not answer is asked again at its next start after this
	freshenMax    = 100_000          // minions waiting, and minions remembered
)

// freshener has minions that start here, and of which nothing is cached, send their grains: a minion that fails over
// does not do that by itself (spec: multi-master §3.3, §4.5).
type freshener struct {
	mu      sync.Mutex
	waiting []string
	asked   map[string]time.Time
	note    chan struct{}
}

func newFreshener() *freshener {
	return &freshener{asked: map[string]time.Time{}, note: make(chan struct{}, 1)}
}

// add notes a minion unless it was asked a short while ago.
func (f *freshener) add(id string, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if at, ok := f.asked[id]; ok && now.Sub(at) < freshenRepeat && !now.Before(at) {
		return
	}
	if len(f.waiting) >= freshenMax {
		return
	}
	if len(f.asked) >= freshenMax {
		clear(f.asked)
	}
	f.asked[id] = now
	f.waiting = append(f.waiting, id)
	select {
	case f.note <- struct{}{}:
	default:
	}
}

// take removes and returns the next batch.
func (f *freshener) take() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := min(len(f.waiting), freshenBatch)
	batch := append([]string(nil), f.waiting[:n]...)
	f.waiting = append(f.waiting[:0], f.waiting[n:]...)
	return batch
}

// noteStart looks whether a minion that announces its start is known here.
func (m *Master) noteStart(id, tag string) {
	cfg := m.cfg.Load()
	if tag != event.TagMinionStart(id) || !cfg.RefreshOnStart || !cfg.MinionDataCache {
		return
	}
	if m.minions.Has(id) {
		return
	}
	m.fresh.add(id, m.now())
}

// freshen publishes saltutil.refresh_pillar to the minions noted.
func (m *Master) freshen(ctx context.Context) error {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-m.fresh.note:
		case <-pause.C:
		}
		ids := m.fresh.take()
		if len(ids) == 0 {
			continue
		}
		if err := m.publishOwn(anyList(ids), "list", "saltutil.refresh_pillar"); err != nil {
			m.limited.Error("Minions not asked for their grains", "minions", len(ids), "err", err)
		}
		select { // the pause between two publications
		case <-ctx.Done():
			return nil
		case <-time.After(freshenEvery):
		}
		pause.Reset(0)
	}
}

// publishOwn publishes a job of the master's own.
func (m *Master) publishOwn(tgt any, kind, fun string) error {
	load := wire.NewMap("cmd", "publish", "tgt", tgt, "fun", fun, "arg", []any{}, "tgt_type", kind,
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
	if err := m.issue(j, payload); err != nil {
		m.guard.failed(j.jid)
		return err
	}
	return nil
}
