package master

import (
	"context"
	"errors"
	"fmt"

	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/pki"
	"github.com/saltern-io/saltern/transport"
)

// handle takes one request through the checks of spec transport §2.5, in that order, and answers
// it. Every path answers exactly once; a panic in a handler is recovered by transport, counted, and
// answered there.
func (m *Master) handle(_ context.Context, raw *transport.Request) {
	env, refusal := wire.ParseEnvelope(raw.Body())
	if refusal != nil {
		m.stats.malformed.Add(1)
		raw.Reply(refusal)
		return
	}
	r := &request{raw: raw, level: env.Level, encAlg: env.EncAlgo, sigAlg: env.SigAlgo}
	m.stats.byLevel[min(int(env.Level), len(m.stats.byLevel)-1)].Add(1)
	if int(env.Level) < m.cfg.Load().MinimumAuthVersion {
		m.refuseLevel(r, env)
		return
	}
	if env.Enc == "clear" {
		m.handleClear(r, env)
		return
	}
	if refusal := m.open(r, env); refusal != nil {
		m.stats.refused.Add(1)
		raw.Reply(refusal)
		return
	}
	m.runEncrypted(r)
}

// refuseLevel answers a request below minimum_auth_version. The log names the minion where the
// load can be read, because operators ask which host to upgrade.
func (m *Master) refuseLevel(r *request, env wire.Envelope) {
	m.stats.belowMinimum.Add(1)
	id := env.ID
	if env.Enc == "clear" && wire.IsMap(env.Load) {
		if raw, ok := wire.Field(env.Load, "id"); ok {
			id, _ = wire.Str(raw)
		}
	}
	m.limited.Warn("Request below minimum_auth_version refused",
		"minion", printable(id), "level", int(env.Level), "minimum", m.cfg.Load().MinimumAuthVersion)
	r.raw.Reply(wire.BadLoad)
}

// open decrypts an encrypted request and proves its sender (rows 4–8 and 10–13).
func (m *Master) open(r *request, env wire.Envelope) wire.Refusal {
	plain, cipher, err := m.openBox(env)
	if err != nil {
		return wire.BadLoad
	}
	r.cipher = cipher
	payload, ok := wire.SplitPlain(plain)
	if !ok {
		return wire.BadLoad
	}
	load, refusal := wire.ParseLoad(payload)
	if refusal != nil {
		return refusal
	}
	r.take(load)
	var refused wire.Refusal
	if r.level >= 3 {
		refused = m.proveSession(load, env)
	} else {
		refused = m.proveShared(load)
	}
	if refused == nil && !load.HasCmd {
		return wire.PayloadException
	}
	return refused
}

// openBox decrypts the load: level 3 under the session key of the envelope's id, older levels under
// the shared key. The previous key is tried once after a rotation.
func (m *Master) openBox(env wire.Envelope) ([]byte, *pki.Cipher, error) {
	if env.Level < 3 {
		plain, epoch, err := m.shared.OpenEpoch(nil, env.Load)
		if err != nil {
			return nil, nil, err
		}
		return plain, epoch.Cipher, nil
	}
	if err := pki.CheckID(env.ID); err != nil {
		return nil, nil, err
	}
	current, previous, ok := m.sessions.Load().Lookup(env.ID)
	if !ok {
		return nil, nil, fmt.Errorf("no session for %q", env.ID)
	}
	plain, err := current.Open(nil, env.Load)
	if err == nil {
		return plain, current, nil
	}
	if previous != nil && errors.Is(err, pki.ErrTag) {
		if plain, err := previous.Open(nil, env.Load); err == nil {
			return plain, previous, nil
		}
	}
	return nil, nil, err
}

// proveSession is the proof at level 3: age, the same id inside and outside, and a tok made with
// that id's accepted key.
func (m *Master) proveSession(l wire.Load, env wire.Envelope) wire.Refusal {
	if ttl := m.cfg.Load().RequestServerTTL; ttl > 0 {
		if age := m.now().Unix() - l.TS; !l.HasTS || age > int64(ttl.Seconds()) {
			return wire.BadLoad
		}
	}
	if env.ID != l.ID || l.Tok == nil {
		return wire.BadLoad
	}
	if err := m.keys.VerifyTok(l.ID, l.Tok); err != nil {
		m.limited.Debug("Request with a wrong tok refused", "minion", l.ID, "err", err)
		return wire.BadLoad
	}
	m.presence.heard(l.ID, m.now())
	return nil
}

// proveShared is the proof at levels 0 to 2, where every minion holds the same key: the tok is
// demanded for everything that acts for a minion. Stock minions of those levels send none with
// their returns, pillar and file requests; those pass on the strength of the shared key, as long
// as the key of the id they name is accepted.
func (m *Master) proveShared(l wire.Load) wire.Refusal {
	c, known := commands[l.Cmd]
	if l.Tok == nil {
		if known && !c.tokless {
			return wire.BadLoad
		}
		if l.ID == "" {
			return nil
		}
		if entry, err := m.keys.Lookup(l.ID); err != nil || entry.State != pki.Accepted {
			if known && c.forSelf {
				return wire.BadLoad
			}
		}
		return nil
	}
	if l.ID == "" {
		return wire.BadLoad
	}
	if err := m.keys.VerifyTok(l.ID, l.Tok); err != nil {
		return wire.BadLoad
	}
	m.presence.heard(l.ID, m.now())
	return nil
}

// runEncrypted finds the command and answers what it returns (spec: master-functions §1.1).
func (m *Master) runEncrypted(r *request) {
	c, ok := commands[r.cmd]
	if !ok {
		m.stats.unknown.Add(1)
		r.reply(valueEmptyMap)
		return
	}
	value, err := c.run(m, r)
	m.stats.handled(c)
	switch {
	case errors.Is(err, errLater):
	case err != nil:
		m.stats.failed.Add(1)
		m.limited.Error("Request failed", "cmd", c.name, "minion", r.id, "err", err)
		r.reply(valueEmptyStr)
	default:
		c.answer(m, r, value)
	}
}

// handleClear serves the clear commands (spec: master-functions §3).
func (m *Master) handleClear(r *request, env wire.Envelope) {
	load, refusal := wire.ParseLoad(env.Load)
	if refusal != nil {
		m.stats.refused.Add(1)
		r.raw.Reply(refusal)
		return
	}
	if !load.HasCmd {
		r.raw.Reply(wire.PayloadException)
		return
	}
	r.take(load)
	if r.cmd == wire.CmdAuth {
		m.signIn(r, env.Load)
		return
	}
	h, ok := clearCommands[r.cmd]
	if !ok {
		m.stats.unknown.Add(1)
		r.raw.Reply(wire.EmptyMap)
		return
	}
	body, err := h(m, r)
	if err != nil {
		m.stats.failed.Add(1)
		m.limited.Error("Clear request failed", "cmd", printable(r.cmd), "err", err)
		r.raw.Reply(wire.PayloadException)
		return
	}
	r.raw.Reply(body)
}

// printable cuts and cleans what a stranger sent, for a log line.
func printable(s string) string {
	const most = 64
	out := make([]rune, 0, most)
	for _, c := range s {
		if len(out) == most {
			return string(out) + "…"
		}
		if c < 0x20 || c == 0x7f {
			c = '�'
		}
		out = append(out, c)
	}
	return string(out)
}
