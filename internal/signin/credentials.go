package signin

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/pki"
)

// Outcomes of a sign-in that is no success.
var (
	ErrPending   = errors.New("the key waits for acceptance")
	ErrRefused   = errors.New("the key is refused")
	ErrFull      = errors.New("the master of masters takes no more minions")
	ErrMasterKey = errors.New("the master of masters shows another key than the pinned one")
	ErrAuthReply = errors.New("answer to the sign-in is not acceptable")
	ErrSelf      = errors.New("the master of masters is the local master itself")
)

// IsVerdict reports whether a failed sign-in is a decision that only time or an operator changes.
func IsVerdict(err error) bool {
	for _, v := range []error{ErrPending, ErrRefused, ErrFull, ErrMasterKey, ErrFinger, ErrSelf} {
		if errors.Is(err, v) {
			return true
		}
	}
	return false
}

// Identity is the key pair that the syndic shows upward: the minion's (spec: syndic §3).
type Identity struct {
	ID     string
	Key    *pki.PrivateKey
	Tok    []byte // constant for the life of the key
	EncAlg pki.EncAlgorithm
	SigAlg pki.SigAlgorithm
}

// Credentials are what one sign-in yields. Immutable.
type Credentials struct {
	Level       wire.Level // 3, or 2 under a master of masters that knows no sessions
	MasterKey   *pki.PublicKey
	Shared      *pki.Cipher // publications, and requests at level 2
	Session     *pki.Cipher // requests at level 3
	PublishPort int

	// The shared key before this one still opens publications for KeyGrace: they may be in the
	// socket already when a request finds out that the keys have changed.
	Previous      *pki.Cipher
	PreviousUntil time.Time
}

// KeyGrace is how long publications under the previous shared key are still opened.
const KeyGrace = 30 * time.Second

// Succeed remembers the shared key of the credentials before, if it was another one.
func (c *Credentials) Succeed(old *Credentials, now time.Time) {
	switch {
	case old == nil:
	case old.Shared.KeyString() != c.Shared.KeyString():
		c.Previous, c.PreviousUntil = old.Shared, now.Add(KeyGrace)
	default:
		c.Previous, c.PreviousUntil = old.Previous, old.PreviousUntil
	}
}

// RequestCipher seals requests and opens their replies.
func (c *Credentials) RequestCipher() *pki.Cipher {
	if c.Session != nil {
		return c.Session
	}
	return c.Shared
}

// Challenge is one sign-in attempt: what was sent and what the answer must match.
type Challenge struct {
	Nonce  string
	Token  string         // plain text of the token sent, "" without one
	Pinned *pki.PublicKey // nil on first contact
}

// SignInRequest builds an `_auth` envelope at level 3. Masters that know only level 2 take it as 2.
func (i *Identity) SignInRequest(pinned *pki.PublicKey) ([]byte, Challenge, error) {
	ch := Challenge{Nonce: wire.NewNonce(), Pinned: pinned}
	req := wire.AuthRequest{
		ID: i.ID, Nonce: ch.Nonce, EncAlgo: string(i.EncAlg), SigAlgo: string(i.SigAlg),
		Pub: i.Key.Public().Clean(), Level: 3,
	}
	if pinned != nil {
		ch.Token = pki.NewKeyString()
		var err error
		if req.Token, err = pinned.Encrypt(i.EncAlg, []byte(ch.Token)); err != nil {
			return nil, ch, fmt.Errorf("encrypt the token: %w", err)
		}
	}
	body, err := req.AppendEnvelope(nil)
	return body, ch, err
}

// Acceptance tells what a signed key may be checked with, beyond the pin.
type Acceptance struct {
	Signing      *pki.PublicKey // verify_master_pubkey_sign: the key that signs master keys
	AlwaysVerify bool           // always_verify_signature
}

// OpenSignIn checks an answer in the order of spec auth-and-crypto §5.3 and opens its secrets.
// Unlike a stock syndic it takes an answer without a session key: that master speaks level 2.
func (i *Identity) OpenSignIn(body []byte, ch Challenge, acc Acceptance) (*Credentials, error) {
	reply, err := wire.ParseAuthReply(body)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAuthReply, err)
	}
	if reply.SignedLoad == nil {
		return nil, fmt.Errorf("%w: unsigned, ret %v", ErrAuthReply, reply.Ret)
	}
	key := ch.Pinned
	if reply.Accept != nil {
		if key, err = i.masterKey(reply.Accept, ch, acc); err != nil {
			return nil, err
		}
	}
	// Without any key yet (first contact, and not accepted) there is nothing to verify with.
	if key != nil {
		if err := key.Verify(i.SigAlg, reply.SignedLoad, reply.Sig); err != nil {
			return nil, fmt.Errorf("%w: signature: %w", ErrAuthReply, err)
		}
	}
	if reply.Nonce != ch.Nonce {
		return nil, fmt.Errorf("%w: nonce of another request", ErrAuthReply)
	}
	if reply.Accept == nil {
		return nil, verdict(reply.Ret)
	}
	return i.openSecrets(reply.Accept, key, ch)
}

func verdict(ret any) error {
	switch ret {
	case true:
		return ErrPending
	case false:
		return ErrRefused
	case "full":
		return ErrFull
	}
	return fmt.Errorf("%w: ret %v", ErrAuthReply, ret)
}

// masterKey decides whether the key in the answer is believed.
func (i *Identity) masterKey(a *wire.AuthAccept, ch Challenge, acc Acceptance) (*pki.PublicKey, error) {
	key, err := pki.ParsePublicKey([]byte(a.PubKey))
	if err != nil {
		return nil, fmt.Errorf("%w: master key: %w", ErrAuthReply, err)
	}
	same := ch.Pinned != nil && ch.Pinned.Equal(key)
	if acc.Signing == nil {
		if ch.Pinned != nil && !same {
			return nil, ErrMasterKey
		}
		return key, nil
	}
	if a.PubSig == "" {
		return nil, fmt.Errorf("%w: the master key is not signed", ErrMasterKey)
	}
	if same && !acc.AlwaysVerify {
		return key, nil
	}
	if err := verifyPubSig(acc.Signing, i.SigAlg, a.PubKey, a.PubSig); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMasterKey, err)
	}
	return key, nil
}

func (i *Identity) openSecrets(a *wire.AuthAccept, key *pki.PublicKey, ch Challenge) (*Credentials, error) {
	aes, err := i.Key.Decrypt(i.EncAlg, a.AES)
	if err != nil {
		return nil, fmt.Errorf("%w: aes: %w", ErrAuthReply, err)
	}
	digest, err := key.RecoverX931(a.Sig)
	if err != nil {
		return nil, fmt.Errorf("%w: sig: %w", ErrAuthReply, err)
	}
	sum := sha256.Sum256(aes)
	if subtle.ConstantTimeCompare(digest, []byte(hex.EncodeToString(sum[:]))) != 1 {
		return nil, fmt.Errorf("%w: sig belongs to another AES key", ErrAuthReply)
	}
	if ch.Token != "" {
		token, err := i.Key.Decrypt(i.EncAlg, a.Token)
		if err != nil || subtle.ConstantTimeCompare(token, []byte(ch.Token)) != 1 {
			return nil, fmt.Errorf("%w: the token did not come back", ErrAuthReply)
		}
	}
	c := &Credentials{Level: 2, MasterKey: key, PublishPort: a.PublishPort}
	if c.Shared, err = pki.NewCipher(string(aes)); err != nil {
		return nil, fmt.Errorf("%w: aes: %w", ErrAuthReply, err)
	}
	if len(a.Session) == 0 {
		return c, nil
	}
	session, err := i.Key.Decrypt(i.EncAlg, a.Session)
	if err != nil {
		return nil, fmt.Errorf("%w: session: %w", ErrAuthReply, err)
	}
	if c.Session, err = pki.NewCipher(string(session)); err != nil {
		return nil, fmt.Errorf("%w: session: %w", ErrAuthReply, err)
	}
	c.Level = 3
	return c, nil
}
