package swarm

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/pki"
)

// startSequence is what a stock minion asks and tells before it serves (spec: master-functions §7).
func (m *minion) startSequence(ctx context.Context) error {
	if err := m.pillar(ctx); err != nil {
		return fmt.Errorf("pillar: %w", err)
	}
	text := fmt.Sprintf("Minion %s started at %s", m.id, time.Now().Format(time.ANSIC))
	for _, tag := range []string{"minion_start", "salt/minion/" + m.id + "/start"} {
		if err := m.event(ctx, tag, text); err != nil {
			return fmt.Errorf("event: %w", err)
		}
	}
	return nil
}

// event fires one event on the master, single form.
func (m *minion) event(ctx context.Context, tag, data string) error {
	tok, err := m.identity.tok()
	if err != nil {
		return err
	}
	f := eventFields(m.id, tag, data, tok)
	cfg := &m.swarm.cfg
	_, err = m.request(ctx, f, cfg.RequestTries, func() time.Duration { return cfg.RequestTimeout })
	return err
}

func eventFields(id, tag, data string, tok []byte) *fields {
	f := &fields{}
	f.str("id", id)
	f.str("cmd", wire.CmdMinionEvent)
	f.nil("pretag")
	f.tok(tok)
	f.str("data", data)
	f.str("tag", tag)
	return f
}

func pillarFields(id string, grains *wire.Map) (*fields, error) {
	f := &fields{}
	f.str("id", id)
	if err := f.any("grains", grains); err != nil {
		return nil, err
	}
	f.nil("saltenv")
	f.nil("pillarenv")
	if err := f.any("pillar_override", wire.NewMap()); err != nil {
		return nil, err
	}
	if err := f.any("extra_minion_data", wire.NewMap()); err != nil {
		return nil, err
	}
	f.str("ver", "2")
	f.str("cmd", wire.CmdPillar)
	return f, nil
}

// pillar asks for the pillar and checks the private reply; one re-authentication when the reply has no
// key (spec: transport §2.7, auth-and-crypto §6).
func (m *minion) pillar(ctx context.Context) error {
	f, err := pillarFields(m.id, m.grains())
	if err != nil {
		return err
	}
	var last error
	for try := range m.swarm.cfg.RequestTries {
		if try > 0 {
			m.swarm.counters.retries.Add(1)
		}
		if last = m.pillarAttempt(ctx, f); last == nil || ctx.Err() != nil {
			return last
		}
	}
	return last
}

func (m *minion) pillarAttempt(ctx context.Context, f *fields) error {
	nonce := wire.NewNonce()
	for again := false; ; again = true {
		creds := m.creds.Load()
		body, err := m.sealed(f, creds, nonce)
		if err != nil {
			return err
		}
		reply, err := m.link.Do(ctx, body, m.swarm.cfg.RequestTimeout)
		if err != nil {
			return err
		}
		top, err := wire.DecodeMap(reply, wire.Wire, wire.OuterLimits)
		if err == nil && top.Has("key") {
			return m.openPillar(top, creds, nonce)
		}
		if again {
			return fmt.Errorf("%w: no key in the pillar reply", errReply)
		}
		if err := m.signIn(ctx, creds); err != nil {
			return err
		}
		m.swarm.counters.retries.Add(1)
	}
}

// openPillar proves that the master made this pillar for this request; the pillar itself is not kept.
func (m *minion) openPillar(top *wire.Map, creds *credentials, nonce string) error {
	cfg := &m.swarm.cfg
	key, err := m.identity.key.Decrypt(cfg.EncAlgorithm, top.Bytes("key"))
	if err != nil {
		return fmt.Errorf("%w: pillar key: %w", errReply, err)
	}
	cipher, err := pki.NewCipher(string(key))
	if err != nil {
		return fmt.Errorf("%w: pillar key: %w", errReply, err)
	}
	plain, err := cipher.Open(nil, top.Bytes("pillar"))
	if err != nil {
		return fmt.Errorf("%w: pillar: %w", errReply, err)
	}
	payload, ok := wire.SplitPlain(plain)
	if !ok {
		return fmt.Errorf("%w: pillar without marker", errReply)
	}
	signed, err := wire.DecodeMap(payload, wire.Wire, wire.LoadLimits)
	if err != nil {
		return fmt.Errorf("%w: pillar: %w", errReply, err)
	}
	data := signed.Bytes("data")
	if err := creds.masterKey.Verify(cfg.SigAlgorithm, data, signed.Bytes("sig")); err != nil {
		return fmt.Errorf("%w: pillar: %w", errReply, err)
	}
	inner, err := wire.DecodeMap(data, wire.Wire, wire.LoadLimits)
	if err != nil {
		return fmt.Errorf("%w: pillar: %w", errReply, err)
	}
	if !bytes.Equal(inner.Bytes("key"), top.Bytes("key")) || inner.Str("nonce") != nonce {
		return fmt.Errorf("%w: pillar of another request", errReply)
	}
	return nil
}
