package syndic

import (
	"errors"
	"fmt"
	"time"

	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/pki"
)

// errStaleKeys means that the upstream does not know our keys any more: sign in again.
var errStaleKeys = errors.New("the upstream answers under other keys")

// proof is what every load carries at the level of the credentials.
func (i *identity) proof(c *credentials, nonce string, now time.Time) wire.Proof {
	p := wire.Proof{ID: i.id, Nonce: nonce}
	if c.level >= 3 {
		p.TS, p.Tok = now.Unix(), i.tok
	}
	return p
}

// seal wraps a load for the upstream.
func (i *identity) seal(c *credentials, load []byte) []byte {
	plain := wire.AppendPlain(make([]byte, 0, len(load)+8), "", load)
	env := wire.Envelope{
		Enc: wire.EncAES, Level: c.level, Load: c.requestCipher().Seal(nil, plain),
		EncAlgo: string(i.encAlg), SigAlgo: string(i.sigAlg),
	}
	if c.level >= 3 {
		env.ID = i.id
	}
	return env.Append(nil)
}

// errNotTaken means that the upstream answered, but did not take the request: trying the same again
// soon is of little use.
var errNotTaken = errors.New("the upstream did not take the request")

// openReply opens the answer to a request with that nonce (spec: transport §2.7). A clear empty
// value is no proof of anything and counts as a failure here: a batch may only be forgotten when
// the upstream itself said so.
func openReply(c *credentials, body []byte, nonce string) ([]byte, error) {
	if err := wire.Check(body, wire.OuterLimits); err != nil {
		return nil, fmt.Errorf("reply: %w", err)
	}
	box, ok := wire.Bytes(body)
	if !ok {
		return nil, fmt.Errorf("%w: it answers in clear", errNotTaken)
	}
	plain, err := c.requestCipher().Open(nil, box)
	if err != nil {
		return nil, errStaleKeys
	}
	return wire.SplitReply(plain, nonce)
}

// openPublication opens one frame of the subscription and tells under which shared key. A frame
// that was sent just before the keys changed is still good. errStaleKeys asks for a new sign-in.
func openPublication(c *credentials, frame []byte, now time.Time) (*wire.Map, *pki.Cipher, error) {
	env, err := wire.ParsePubEnvelope(frame)
	if err != nil {
		return nil, nil, err
	}
	key := c.shared
	plain, err := key.Open(nil, env.Load)
	if err != nil && c.previous != nil && now.Before(c.previousUntil) {
		key = c.previous
		plain, err = key.Open(nil, env.Load)
	}
	if err != nil {
		return nil, nil, errStaleKeys
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
