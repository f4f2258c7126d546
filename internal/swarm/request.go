package swarm

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/pki"
)

var (
	// errNotAuthentic says that a reply does not decrypt under our key, the sign of a changed key.
	errNotAuthentic = errors.New("reply does not decrypt")
	errReply        = errors.New("bad reply")
)

// fields are the key-value pairs of a load, encoded, without map header and without what each sending
// adds (spec: transport §2.4).
type fields struct {
	pairs  int
	raw    []byte
	hasTok bool // the command puts tok among its own fields
}

func (f *fields) add(key string) {
	f.pairs++
	f.raw = wire.AppendStr(f.raw, key, wire.Wire)
}

func (f *fields) str(key, val string) {
	f.add(key)
	f.raw = wire.AppendStr(f.raw, val, wire.Wire)
}

func (f *fields) nil(key string) {
	f.add(key)
	f.raw = wire.AppendNil(f.raw)
}

func (f *fields) tok(tok []byte) {
	f.hasTok = true
	f.add("tok")
	f.raw = wire.AppendBytes(f.raw, tok, wire.Wire)
}

// any adds a value of any kind the wire knows; an unknown kind is this package's fault and an error.
func (f *fields) any(key string, val any) error {
	f.add(key)
	raw, err := wire.Append(f.raw, val, wire.Wire)
	if err != nil {
		return fmt.Errorf("field %s: %w", key, err)
	}
	f.raw = raw
	return nil
}

// appendLoad appends the complete load: the fields, the nonce, and at level 3 the time and the tok.
func (f *fields) appendLoad(dst []byte, level wire.Level, nonce string, ts time.Time, tok []byte) []byte {
	n := f.pairs + 1
	if level >= 3 {
		n++
		if !f.hasTok {
			n++
		}
	}
	dst = wire.AppendMapHeader(dst, n)
	dst = append(dst, f.raw...)
	dst = wire.AppendStr(dst, "nonce", wire.Wire)
	dst = wire.AppendStr(dst, nonce, wire.Wire)
	if level < 3 {
		return dst
	}
	dst = wire.AppendStr(dst, "ts", wire.Wire)
	dst = wire.AppendInt(dst, ts.Unix())
	if f.hasTok {
		return dst
	}
	dst = wire.AppendStr(dst, "tok", wire.Wire)
	return wire.AppendBytes(dst, tok, wire.Wire)
}

// sealed returns the request body for f under the given credentials.
func (m *minion) sealed(f *fields, creds *credentials, nonce string) ([]byte, error) {
	cfg := &m.swarm.cfg
	var tok []byte
	if cfg.Level >= 3 {
		var err error
		if tok, err = m.identity.tok(); err != nil {
			return nil, err
		}
	}
	load := f.appendLoad(make([]byte, 0, len(f.raw)+512), cfg.Level, nonce, time.Now(), tok)
	plain := wire.AppendPlain(make([]byte, 0, len(load)+16), "", load)
	env := wire.Envelope{
		Enc: "aes", Level: cfg.Level, Load: creds.requestCipher().Seal(nil, plain),
		EncAlgo: string(cfg.EncAlgorithm), SigAlgo: string(cfg.SigAlgorithm),
	}
	if cfg.Level >= 3 {
		env.ID = m.id
	}
	return env.Append(make([]byte, 0, len(env.Load)+128)), nil
}

// request sends one command and returns the payload of the reply; nil when the master answered with an
// empty clear value. It makes up to tries attempts, each of which may sign in again once, exactly as a
// stock minion reacts to each kind of reply (spec: transport §2.7).
func (m *minion) request(ctx context.Context, f *fields, tries int, timeout func() time.Duration) ([]byte, error) {
	var last error
	for try := range tries {
		if try > 0 {
			m.swarm.counters.retries.Add(1)
		}
		payload, err := m.attempt(ctx, f, timeout())
		if err == nil {
			return payload, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		last = err
	}
	return nil, last
}

// attempt is one crypted transfer: send, and once more with new credentials when the reply is not
// authentic.
func (m *minion) attempt(ctx context.Context, f *fields, timeout time.Duration) ([]byte, error) {
	creds := m.creds.Load()
	payload, err := m.transfer(ctx, f, creds, timeout)
	if !errors.Is(err, errNotAuthentic) {
		return payload, err
	}
	if err := m.signIn(ctx, creds); err != nil {
		return nil, err
	}
	m.swarm.counters.retries.Add(1)
	return m.transfer(ctx, f, m.creds.Load(), timeout)
}

func (m *minion) transfer(ctx context.Context, f *fields, creds *credentials, timeout time.Duration) ([]byte, error) {
	nonce := wire.NewNonce()
	body, err := m.sealed(f, creds, nonce)
	if err != nil {
		return nil, err
	}
	reply, err := m.link.Do(ctx, body, timeout)
	if err != nil {
		return nil, err
	}
	return openReply(reply, creds.requestCipher(), nonce)
}

// openReply sorts a reply body into payload, errNotAuthentic (sign in again) and errReply (try again).
func openReply(reply []byte, cipher *pki.Cipher, nonce string) ([]byte, error) {
	if err := wire.Check(reply, wire.OuterLimits); err != nil {
		return nil, fmt.Errorf("%w: %w", errReply, err)
	}
	if wire.IsMap(reply) || wire.IsList(reply) {
		if wire.Len(reply) == 0 {
			return nil, nil
		}
		return nil, fmt.Errorf("%w: clear map", errReply)
	}
	box, ok := wire.Bytes(reply)
	if !ok {
		if v, isBool := wire.Bool(reply); wire.IsNil(reply) || isBool && !v {
			return nil, nil
		}
		return nil, fmt.Errorf("%w: clear value", errReply)
	}
	if len(box) == 0 {
		return nil, nil
	}
	plain, err := cipher.Open(nil, box)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNotAuthentic, err)
	}
	payload, err := wire.SplitReply(plain, nonce)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errReply, err)
	}
	return payload, nil
}
