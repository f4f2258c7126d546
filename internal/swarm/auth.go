package swarm

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/pki"
)

// Outcomes of a sign-in other than success and ErrRefused.
var (
	errPending   = errors.New("key is pending on the master")
	errFull      = errors.New("master has all the minions it wants")
	errAuthReply = errors.New("bad authentication reply")
)

// masterState is what the swarm's minions know in common about one master.
type masterState struct {
	addr        string // request endpoint
	host        string
	publishPort int // 0 = from the reply

	mu     sync.Mutex
	key    *pki.PublicKey // newest parsed one
	shared []*sharedKey   // newest last
}

// credentials are the result of one sign-in. Immutable.
type credentials struct {
	masterKey   *pki.PublicKey
	shared      *sharedKey
	session     *pki.Cipher // level 3 only
	publishPort int
}

// requestCipher is what the minion's own requests are sealed with (spec: auth-and-crypto §3).
func (c *credentials) requestCipher() *pki.Cipher {
	if c.session != nil {
		return c.session
	}
	return c.shared.cipher
}

// parseKey returns the public key of the PEM text, the same object for all minions of the master.
func (ms *masterState) parseKey(text string) (*pki.PublicKey, error) {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	if clean := pki.CleanKey(text); ms.key != nil && ms.key.Clean() == clean {
		return ms.key, nil
	}
	key, err := pki.ParsePublicKey([]byte(text))
	if err == nil {
		ms.key = key
	}
	return key, err
}

// rememberedKeys is how many shared keys of a master are kept as one object: the current one, and the
// one before while some minions have not noticed a rotation.
const rememberedKeys = 2

// intern returns the sharedKey of keyString after checking that sig, the master's X9.31 block, covers it.
// A block already seen with the same key is not computed again: it is the same for all minions.
func (ms *masterState) intern(keyString string, sig []byte, key *pki.PublicKey) (*sharedKey, error) {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	for _, k := range ms.shared {
		if k.masterKey == key && k.cipher.KeyString() == keyString && subtle.ConstantTimeCompare(k.sig, sig) == 1 {
			return k, nil
		}
	}
	digest, err := key.RecoverX931(sig)
	if err != nil {
		return nil, fmt.Errorf("%w: sig: %w", errAuthReply, err)
	}
	sum := sha256.Sum256([]byte(keyString))
	if subtle.ConstantTimeCompare(digest, []byte(hex.EncodeToString(sum[:]))) != 1 {
		return nil, fmt.Errorf("%w: sig is of another key", errAuthReply)
	}
	cipher, err := pki.NewCipher(keyString)
	if err != nil {
		return nil, fmt.Errorf("%w: aes: %w", errAuthReply, err)
	}
	k := &sharedKey{cipher: cipher, sig: sig, masterKey: key}
	if len(ms.shared) == rememberedKeys {
		ms.shared = append(ms.shared[:0], ms.shared[1:]...)
	}
	ms.shared = append(ms.shared, k)
	return k, nil
}

// signIn authenticates unless the credentials changed from stale meanwhile: of several jobs that find
// their key outdated only the first does the work (spec: transport §2.7, §5).
func (m *minion) signIn(ctx context.Context, stale *credentials) error {
	m.authMu.Lock()
	defer m.authMu.Unlock()
	if m.creds.Load() != stale {
		return nil
	}
	s := m.swarm
	var last error
	for try := range s.cfg.AuthTries {
		if try > 0 {
			s.counters.retries.Add(1)
		}
		start := time.Now()
		creds, err := m.exchangeAuth(ctx)
		if err == nil {
			s.counters.signIns.Add(1)
			if stale != nil {
				s.counters.reauths.Add(1)
			}
			s.counters.signIn.observe(time.Since(start))
			m.creds.Store(creds)
			return nil
		}
		last = err
		if !errors.Is(err, ErrTimeout) || ctx.Err() != nil {
			break
		}
	}
	if ctx.Err() == nil && !errors.Is(last, errPending) {
		s.counters.signInFailures.Add(1)
	}
	if stale != nil && errors.Is(last, ErrRefused) && !s.cfg.RejectedRetry {
		m.end(ErrRefused)
	}
	return last
}

func (m *minion) exchangeAuth(ctx context.Context) (*credentials, error) {
	var known *pki.PublicKey
	var challenge string
	var token []byte
	if old := m.creds.Load(); old != nil {
		known, challenge = old.masterKey, pki.NewKeyString()
		var err error
		if token, err = known.Encrypt(m.swarm.cfg.EncAlgorithm, []byte(challenge)); err != nil {
			return nil, err
		}
	}
	nonce := wire.NewNonce()
	body, err := m.authRequest(nonce, token).AppendEnvelope(nil)
	if err != nil {
		return nil, err
	}
	reply, err := m.link.Do(ctx, body, m.swarm.cfg.AuthTimeout)
	if err != nil {
		return nil, err
	}
	return m.checkAuth(reply, nonce, challenge, known)
}

func (m *minion) authRequest(nonce string, token []byte) wire.AuthRequest {
	cfg := &m.swarm.cfg
	return wire.AuthRequest{
		ID: m.id, Nonce: nonce, EncAlgo: string(cfg.EncAlgorithm), SigAlgo: string(cfg.SigAlgorithm),
		Token: token, Pub: m.identity.pub, Level: cfg.Level,
	}
}

// checkAuth makes the checks of a stock minion in its order (spec: auth-and-crypto §5.3). A pub_sig is
// ignored: a swarm has no signing key to check it with.
func (m *minion) checkAuth(reply []byte, nonce, challenge string, known *pki.PublicKey) (*credentials, error) {
	answer, err := wire.ParseAuthReply(reply)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errAuthReply, err)
	}
	if answer.SignedLoad == nil {
		return nil, fmt.Errorf("%w: unsigned, ret %.32q", errAuthReply, fmt.Sprint(answer.Ret))
	}
	creds := &credentials{masterKey: known}
	if answer.Accept != nil {
		if creds, err = m.accept(answer.Accept, challenge, known); err != nil {
			return nil, err
		}
	}
	// Nothing to verify with when the very first answer is "pending": stock trusts on first use.
	if creds.masterKey != nil {
		if err := creds.masterKey.Verify(m.swarm.cfg.SigAlgorithm, answer.SignedLoad, answer.Sig); err != nil {
			return nil, fmt.Errorf("%w: %w", errAuthReply, err)
		}
	}
	if answer.Nonce != nonce {
		return nil, fmt.Errorf("%w: nonce of another request", errAuthReply)
	}
	if answer.Accept != nil {
		return creds, nil
	}
	switch answer.Ret {
	case true:
		return nil, errPending
	case false:
		return nil, ErrRefused
	case "full":
		return nil, errFull
	}
	return nil, fmt.Errorf("%w: ret %.32q", errAuthReply, fmt.Sprint(answer.Ret))
}

// accept opens the secrets of a positive reply.
func (m *minion) accept(load *wire.AuthAccept, challenge string, known *pki.PublicKey) (*credentials, error) {
	key, err := m.master.parseKey(load.PubKey)
	if err != nil {
		return nil, fmt.Errorf("%w: pub_key: %w", errAuthReply, err)
	}
	if known != nil && !known.Equal(key) {
		return nil, fmt.Errorf("%w: the master has another key than before", errAuthReply)
	}
	alg := m.swarm.cfg.EncAlgorithm
	open := func(field string, block []byte) (string, error) {
		plain, err := m.identity.key.Decrypt(alg, block)
		if err != nil {
			return "", fmt.Errorf("%w: %s: %w", errAuthReply, field, err)
		}
		return string(plain), nil
	}
	aes, err := open("aes", load.AES)
	if err != nil {
		return nil, err
	}
	creds := &credentials{masterKey: key, publishPort: m.master.publishPort}
	if creds.shared, err = m.master.intern(aes, load.Sig, key); err != nil {
		return nil, err
	}
	if challenge != "" {
		token, err := open("token", load.Token)
		if err != nil {
			return nil, err
		}
		if subtle.ConstantTimeCompare([]byte(token), []byte(challenge)) != 1 {
			return nil, fmt.Errorf("%w: token differs", errAuthReply)
		}
	}
	if creds.publishPort == 0 {
		if load.PublishPort < 1 || load.PublishPort > 65535 {
			return nil, fmt.Errorf("%w: publish_port %d", errAuthReply, load.PublishPort)
		}
		creds.publishPort = load.PublishPort
	}
	if m.swarm.cfg.Level < 3 {
		return creds, nil
	}
	session, err := open("session", load.Session)
	if err != nil {
		return nil, err
	}
	if creds.session, err = pki.NewCipher(session); err != nil {
		return nil, fmt.Errorf("%w: session: %w", errAuthReply, err)
	}
	return creds, nil
}
