package signin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/pki"
)

// ErrStaleKeys means that the upstream does not know our keys any more: sign in again.
var ErrStaleKeys = errors.New("the upstream answers under other keys")

// Proof is what every load carries at the level of the credentials.
func (i *Identity) Proof(c *Credentials, nonce string, now time.Time) wire.Proof {
	p := wire.Proof{ID: i.ID, Nonce: nonce}
	if c.Level >= 3 {
		p.TS, p.Tok = now.Unix(), i.Tok
	}
	return p
}

// Seal wraps a load for the upstream.
func (i *Identity) Seal(c *Credentials, load []byte) []byte {
	plain := wire.AppendPlain(make([]byte, 0, len(load)+8), "", load)
	env := wire.Envelope{
		Enc: wire.EncAES, Level: c.Level, Load: c.RequestCipher().Seal(nil, plain),
		EncAlgo: string(i.EncAlg), SigAlgo: string(i.SigAlg),
	}
	if c.Level >= 3 {
		env.ID = i.ID
	}
	return env.Append(nil)
}

// Exchange sends one load with do and opens the answer. load makes it for a proof. ErrStaleKeys asks for a new sign-in.
func (i *Identity) Exchange(ctx context.Context, c *Credentials, do func(ctx context.Context, body []byte) ([]byte, error), load func(wire.Proof) ([]byte, error)) ([]byte, error) {
	nonce := wire.NewNonce()
	proof := i.Proof(c, nonce, time.Now())
	if c.Level < 3 {
		proof.Tok = i.Tok // events need it at level 2; returns leave it out
	}
	raw, err := load(proof)
	if err != nil {
		return nil, err
	}
	body, err := do(ctx, i.Seal(c, raw))
	if err != nil {
		return nil, fmt.Errorf("send: %w", err)
	}
	return OpenReply(c, body, nonce)
}

// ErrNotTaken means that the upstream answered, but did not take the request: trying the same again
// soon is of little use.
var ErrNotTaken = errors.New("the upstream did not take the request")

// OpenReply opens the answer to a request with that nonce (spec: transport §2.7). A clear empty
// value is no proof of anything and counts as a failure here: a batch may only be forgotten when
// the upstream itself said so.
func OpenReply(c *Credentials, body []byte, nonce string) ([]byte, error) {
	if err := wire.Check(body, wire.OuterLimits); err != nil {
		return nil, fmt.Errorf("reply: %w", err)
	}
	box, ok := wire.Bytes(body)
	if !ok {
		return nil, fmt.Errorf("%w: it answers in clear", ErrNotTaken)
	}
	plain, err := c.RequestCipher().Open(nil, box)
	if err != nil {
		return nil, ErrStaleKeys
	}
	return wire.SplitReply(plain, nonce)
}

// OpenPublication opens one frame of the subscription and tells under which shared key. A frame
// that was sent just before the keys changed is still good. ErrStaleKeys asks for a new sign-in.
func OpenPublication(c *Credentials, frame []byte, now time.Time) (*wire.Map, *pki.Cipher, error) {
	env, err := wire.ParsePubEnvelope(frame)
	if err != nil {
		return nil, nil, err
	}
	key := c.Shared
	plain, err := key.Open(nil, env.Load)
	if err != nil && c.Previous != nil && now.Before(c.PreviousUntil) {
		key = c.Previous
		plain, err = key.Open(nil, env.Load)
	}
	if err != nil {
		return nil, nil, ErrStaleKeys
	}
	payload, ok := wire.SplitPlain(plain)
	if !ok {
		return nil, nil, errors.New("publication without its marker")
	}
	load, err := wire.DecodeMap(payload, wire.Wire, wire.LoadLimits)
	if err != nil {
		return nil, nil, err
	}
	for _, k := range []string{"tgt", "jid", "fun", "arg"} {
		if !load.Has(k) {
			return nil, nil, fmt.Errorf("publication without %s", k)
		}
	}
	return load, key, nil
}

// EpochName names one life of a master's shared key: 32 hexadecimal digits, the same that a saltern master gives it.
func EpochName(keyString string) string {
	sum := sha256.Sum256([]byte("saltern epoch" + keyString))
	return hex.EncodeToString(sum[:])[:wire.EpochLen]
}
