package syndic

import (
	"crypto/rand"
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

// isVerdict reports whether a failed sign-in is a decision that only time or an operator changes.
func isVerdict(err error) bool {
	for _, v := range []error{ErrPending, ErrRefused, ErrFull, ErrMasterKey, ErrFinger, ErrSelf} {
		if errors.Is(err, v) {
			return true
		}
	}
	return false
}

// identity is the key pair that the syndic shows upward: the minion's (spec: syndic §3).
type identity struct {
	id     string
	key    *pki.PrivateKey
	tok    []byte // constant for the life of the key
	encAlg pki.EncAlgorithm
	sigAlg pki.SigAlgorithm
}

// credentials are what one sign-in yields. Immutable.
type credentials struct {
	level       wire.Level // 3, or 2 under a master of masters that knows no sessions
	masterKey   *pki.PublicKey
	shared      *pki.Cipher // publications, and requests at level 2
	session     *pki.Cipher // requests at level 3
	publishPort int

	// The shared key before this one still opens publications for keyGrace: they may be in the
	// socket already when a request finds out that the keys have changed.
	previous      *pki.Cipher
	previousUntil time.Time
}

// keyGrace is how long publications under the previous shared key are still opened.
const keyGrace = 30 * time.Second

// succeed remembers the shared key of the credentials before, if it was another one.
func (c *credentials) succeed(old *credentials, now time.Time) {
	switch {
	case old == nil:
	case old.shared.KeyString() != c.shared.KeyString():
		c.previous, c.previousUntil = old.shared, now.Add(keyGrace)
	default:
		c.previous, c.previousUntil = old.previous, old.previousUntil
	}
}

// requestCipher seals requests and opens their replies.
func (c *credentials) requestCipher() *pki.Cipher {
	if c.session != nil {
		return c.session
	}
	return c.shared
}

// challenge is one sign-in attempt: what was sent and what the answer must match.
type challenge struct {
	nonce  string
	token  string         // plain text of the token sent, "" without one
	pinned *pki.PublicKey // nil on first contact
}

// signInRequest builds an `_auth` envelope at level 3. Masters that know only level 2 take it as 2.
func (i *identity) signInRequest(pinned *pki.PublicKey) ([]byte, challenge, error) {
	ch := challenge{nonce: newNonce(), pinned: pinned}
	req := wire.AuthRequest{
		ID: i.id, Nonce: ch.nonce, EncAlgo: string(i.encAlg), SigAlgo: string(i.sigAlg),
		Pub: i.key.Public().Clean(), Level: 3,
	}
	if pinned != nil {
		ch.token = pki.NewKeyString()
		var err error
		if req.Token, err = pinned.Encrypt(i.encAlg, []byte(ch.token)); err != nil {
			return nil, ch, fmt.Errorf("encrypt the token: %w", err)
		}
	}
	body, err := req.AppendEnvelope(nil)
	return body, ch, err
}

// acceptance tells what a signed key may be checked with, beyond the pin.
type acceptance struct {
	signing      *pki.PublicKey // verify_master_pubkey_sign: the key that signs master keys
	alwaysVerify bool           // always_verify_signature
}

// openSignIn checks an answer in the order of spec auth-and-crypto §5.3 and opens its secrets.
// Unlike a stock syndic it takes an answer without a session key: that master speaks level 2.
func (i *identity) openSignIn(body []byte, ch challenge, acc acceptance) (*credentials, error) {
	reply, err := wire.ParseAuthReply(body)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAuthReply, err)
	}
	if reply.SignedLoad == nil {
		return nil, fmt.Errorf("%w: unsigned, ret %v", ErrAuthReply, reply.Ret)
	}
	key := ch.pinned
	if reply.Accept != nil {
		if key, err = i.masterKey(reply.Accept, ch, acc); err != nil {
			return nil, err
		}
	}
	// Without any key yet (first contact, and not accepted) there is nothing to verify with.
	if key != nil {
		if err := key.Verify(i.sigAlg, reply.SignedLoad, reply.Sig); err != nil {
			return nil, fmt.Errorf("%w: signature: %w", ErrAuthReply, err)
		}
	}
	if reply.Nonce != ch.nonce {
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
func (i *identity) masterKey(a *wire.AuthAccept, ch challenge, acc acceptance) (*pki.PublicKey, error) {
	key, err := pki.ParsePublicKey([]byte(a.PubKey))
	if err != nil {
		return nil, fmt.Errorf("%w: master key: %w", ErrAuthReply, err)
	}
	same := ch.pinned != nil && ch.pinned.Equal(key)
	if acc.signing == nil {
		if ch.pinned != nil && !same {
			return nil, ErrMasterKey
		}
		return key, nil
	}
	if a.PubSig == "" {
		return nil, fmt.Errorf("%w: the master key is not signed", ErrMasterKey)
	}
	if same && !acc.alwaysVerify {
		return key, nil
	}
	if err := verifyPubSig(acc.signing, i.sigAlg, a.PubKey, a.PubSig); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMasterKey, err)
	}
	return key, nil
}

func (i *identity) openSecrets(a *wire.AuthAccept, key *pki.PublicKey, ch challenge) (*credentials, error) {
	aes, err := i.key.Decrypt(i.encAlg, a.AES)
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
	if ch.token != "" {
		token, err := i.key.Decrypt(i.encAlg, a.Token)
		if err != nil || subtle.ConstantTimeCompare(token, []byte(ch.token)) != 1 {
			return nil, fmt.Errorf("%w: the token did not come back", ErrAuthReply)
		}
	}
	c := &credentials{level: 2, masterKey: key, publishPort: a.PublishPort}
	if c.shared, err = pki.NewCipher(string(aes)); err != nil {
		return nil, fmt.Errorf("%w: aes: %w", ErrAuthReply, err)
	}
	if len(a.Session) == 0 {
		return c, nil
	}
	session, err := i.key.Decrypt(i.encAlg, a.Session)
	if err != nil {
		return nil, fmt.Errorf("%w: session: %w", ErrAuthReply, err)
	}
	if c.session, err = pki.NewCipher(string(session)); err != nil {
		return nil, fmt.Errorf("%w: session: %w", ErrAuthReply, err)
	}
	c.level = 3
	return c, nil
}

// newNonce returns 32 lower-case hex characters in the form of a UUID4 without dashes.
func newNonce() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return hex.EncodeToString(b[:])
}
