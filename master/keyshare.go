package master

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/event"
	"github.com/saltern-io/saltern/internal/keyshare"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/transport"
)

// keySyncTimeout bounds one pull, and one round with the store.
const keySyncTimeout = 30 * time.Second

// keySharing is what a master has that shares minion keys with others; nil when it does not.
type keySharing struct {
	share *keyshare.Share
	peers map[string]string // name → address of the request port, "" for one that only asks
	store *keyshare.RedisStore

	conflicts int // open ones, as told last
}

// wireKeySharing opens the shared keys when peers or a store are configured.
func (m *Master) wireKeySharing(cfg *config.Master) error {
	peers, err := cfg.KeyPeerAddresses()
	if err != nil || len(peers) == 0 && cfg.KeyStore == "" {
		return err
	}
	k := &keySharing{peers: peers}
	k.share, err = keyshare.Open(keyshare.Options{
		PKIDir: cfg.PKIDir, Name: strings.TrimSuffix(cfg.ID, "_master"), Now: m.now, Revoked: m.keyRevoked,
	})
	if err != nil {
		return fmt.Errorf("share keys: %w", err)
	}
	if cfg.KeyStore != "" {
		if k.store, err = keyshare.OpenRedis(cfg.KeyStore, cfg.KeyStorePrefix); err != nil {
			return fmt.Errorf("saltern_key_store: %w", err)
		}
		m.onClose("key store", k.store.Close)
	}
	m.sharing = k
	return nil
}

// keyRevoked ends what hangs on a key that another master deleted, rejected or replaced.
func (m *Master) keyRevoked(id string) error {
	if m.cfg.Load().RotateAESKey {
		m.revoked.Store(true)
		m.noteFlag()
	}
	m.presence.forget(id)
	m.sealed.forget(id)
	return m.sessions.Load().Delete(id)
}

// shareKeys answers a master that asks for the decisions made here.
func (m *Master) shareKeys(r *request) ([]byte, error) {
	k := m.sharing
	if k == nil {
		return wire.EmptyMap, nil // as a command that is not known
	}
	load, err := r.loadMap()
	if err != nil {
		return nil, err
	}
	reply, err := k.share.Serve(load, m.masterKeys.Load().Master, func(name string) bool { _, ok := k.peers[name]; return ok })
	if err != nil {
		m.stats.refused.Add(1)
		m.limited.Warn("Keys not shared with the master that asks", "err", err)
	}
	if reply == nil {
		return nil, err
	}
	return reply, nil
}

// syncKeys asks peers and store in rounds.
func (m *Master) syncKeys(ctx context.Context) error {
	if m.sharing == nil {
		return nil
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		pause := m.cfg.Load().KeySync
		if pause > 0 {
			m.syncRound(ctx)
		} else {
			pause = time.Minute // it may be switched on by SIGHUP
		}
		timer.Reset(pause)
	}
}

// syncRound asks everybody once. A peer that is away costs its own round alone.
func (m *Master) syncRound(ctx context.Context) {
	k := m.sharing
	for _, name := range slices.Sorted(maps.Keys(k.peers)) {
		if k.peers[name] == "" || ctx.Err() != nil {
			continue
		}
		m.syncOne(ctx, name, func(ctx context.Context) (keyshare.Report, error) { return m.pullKeys(ctx, name) })
	}
	if k.store != nil && ctx.Err() == nil {
		m.syncOne(ctx, "redis", func(ctx context.Context) (keyshare.Report, error) {
			return k.share.SyncRedis(ctx, k.store, m.masterKeys.Load().Master)
		})
	}
}

func (m *Master) syncOne(ctx context.Context, name string, run func(context.Context) (keyshare.Report, error)) {
	limited, cancel := context.WithTimeout(ctx, keySyncTimeout)
	defer cancel()
	report, err := run(limited)
	m.tellShared(report)
	if err != nil && ctx.Err() == nil {
		m.limited.Warn("Keys not fetched", "from", name, "err", err)
		return
	}
	if n := len(report.Conflicts); n != m.sharing.conflicts && err == nil {
		m.sharing.conflicts = n
		if n > 0 {
			m.log.Error("Masters have decided differently about keys: see saltern key conflicts", "conflicts", n, "first", report.Conflicts[0].ID)
		}
	}
}

func (m *Master) pullKeys(ctx context.Context, name string) (report keyshare.Report, err error) {
	client, err := transport.NewRequestClient(transport.RequestClientConfig{
		Context: m.zctx, Endpoint: "tcp://" + m.sharing.peers[name], Log: m.log,
	})
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	return m.sharing.share.Pull(ctx, name, m.masterKeys.Load().Master, client.Do)
}

// tellShared says on the bus and in the log what was decided elsewhere and carried out here.
func (m *Master) tellShared(report keyshare.Report) {
	acts := map[keyshare.State]string{keyshare.Accepted: "accept", keyshare.Rejected: "reject", keyshare.Deleted: "delete"}
	for _, a := range report.Applied {
		id := a.Entry.ID
		m.fire(event.TagKey, wire.NewMap("result", true, "act", acts[a.Entry.State], "id", id))
		m.limited.Info("Key decided by another master", "minion", id, "state", string(a.Entry.State), "from", a.From)
		if a.Denied {
			m.limited.Warn("Another pending key of the id was put aside as denied", "minion", id)
		}
		if a.Entry.State == keyshare.Deleted && !m.cfg.Load().PreserveMinionCache {
			if err := m.minions.Forget(id); err != nil {
				m.limited.Error("Minion data not removed", "minion", id, "err", err)
			}
		}
	}
}
