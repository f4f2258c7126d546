package master

import (
	"fmt"

	"github.com/saltern-io/saltern/internal/event"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/pki"
)

// pillar answers `_pillar` (spec: pillar-and-states §1). No pillar is compiled in this release:
// the value is the empty map, and what the request brings along, the minion's grains, is kept for
// targeting and for the tools on the host.
func (m *Master) pillar(r *request) ([]byte, error) {
	grains, ok := wire.Field(r.load, "grains")
	if !ok || !wire.IsMap(grains) || r.id == "" || pki.CheckID(r.id) != nil {
		return valueEmptyMap, nil
	}
	entry, err := m.keys.Lookup(r.id)
	if err != nil {
		return nil, err
	}
	if entry.State != pki.Accepted {
		return valueEmptyMap, nil // the private reply refuses; nothing is stored for a stranger
	}
	cfg := m.cfg.Load()
	// grains.id is the proven id, whatever the minion put there.
	named, err := wire.DecodeMap(grains, wire.Wire, wire.LoadLimits)
	if err != nil {
		return nil, err
	}
	named.Set("id", r.id)
	m.presence.learn(r.id, named)
	if !cfg.MinionDataCache {
		return valueEmptyMap, nil
	}
	if grains, err = wire.Encode(named, wire.Wire); err != nil {
		return nil, err
	}
	if err := m.minions.StoreData(r.id, grains, valueEmptyMap); err != nil {
		// The minion's start must not fail because a cache cannot be written.
		m.limited.Error("Minion data not stored", "minion", r.id, "err", err)
		return valueEmptyMap, nil
	}
	if cfg.MinionDataCacheEvents {
		m.fire(event.TagMinionRefresh(r.id), wire.NewMap("Minion data cache refresh", r.id))
	}
	return valueEmptyMap, nil
}

// replyPrivate sends value under a key of its own, encrypted to the accepted key of the id that
// the load names (spec: auth-and-crypto §6).
func (m *Master) replyPrivate(r *request, value []byte) {
	if r.level >= 2 && r.nonce == "" {
		r.raw.Reply(wire.NonceMissing)
		return
	}
	entry, err := m.keys.Lookup(r.id)
	if err != nil || entry.State != pki.Accepted || entry.Key == nil {
		r.raw.Reply(wire.AESKeyNotFound)
		return
	}
	body, err := m.sealPrivate(r, entry.Key, value)
	if err != nil {
		m.stats.failed.Add(1)
		m.limited.Error("Private reply failed", "cmd", r.cmd, "minion", r.id, "err", err)
		r.raw.Reply(wire.BadLoad)
		return
	}
	r.raw.Reply(body)
}

func (m *Master) sealPrivate(r *request, key *pki.PublicKey, value []byte) ([]byte, error) {
	enc, err := pki.ParseEncAlgorithm(r.encAlg)
	if err != nil {
		return nil, err
	}
	sig, err := pki.ParseSigAlgorithm(r.sigAlg)
	if err != nil {
		return nil, err
	}
	secret := pki.NewKeyString()
	cipher, err := pki.NewCipher(secret)
	if err != nil {
		return nil, err
	}
	sealedKey, err := key.Encrypt(enc, []byte(secret))
	if err != nil {
		return nil, fmt.Errorf("encrypt the reply key: %w", err)
	}
	if r.level >= 2 {
		data := wire.PrivateData{Key: sealedKey, Pillar: value, Nonce: r.nonce}.Append(nil)
		signature, err := m.masterKeys.Load().Master.Sign(sig, data)
		if err != nil {
			return nil, fmt.Errorf("sign the reply: %w", err)
		}
		value = wire.PrivateBox{Data: data, Sig: signature}.Append(nil)
	}
	box := cipher.Seal(nil, wire.AppendPlain(nil, "", value))
	return wire.PrivateReply{Key: sealedKey, Pillar: box}.Append(nil), nil
}
