package master

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/saltern-io/saltern/internal/event"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/pki"
)

const (
	// maxPubBytes bounds the key text of a sign-in; a 16384-bit key needs 2.9 KiB.
	maxPubBytes = 16 << 10
	// minKeyBits is the smallest minion key that is newly stored. Keys accepted earlier by stock
	// keep working whatever their size.
	minKeyBits = 2048
	// maxPending bounds the keys that strangers can make the master store, unless Options say otherwise.
	maxPending = 50_000
)

// signIn answers `_auth` (spec: auth-and-crypto §4, §5, §7).
func (m *Master) signIn(r *request, load []byte) {
	m.stats.signIns.Add(1)
	req, err := wire.ParseAuthRequest(load, r.level)
	if err != nil {
		m.stats.malformed.Add(1)
		m.limited.Debug("Malformed sign-in refused", "minion", printable(r.id), "err", err)
		r.raw.Reply(wire.BadLoad)
		return
	}
	enc, err := pki.ParseEncAlgorithm(req.EncAlgo)
	if err != nil {
		r.raw.Reply(wire.AuthBadEncAlgo)
		return
	}
	sig, err := pki.ParseSigAlgorithm(req.SigAlgo)
	if err != nil {
		if r.level >= 2 {
			r.raw.Reply(wire.AuthBadSigAlgo)
			return
		}
		sig = pki.PKCS1v15SHA1 // levels 0 and 1 sign nothing: the name is ignored, as stock does
	}
	decision, key, err := m.authenticate(&req)
	if err != nil {
		m.stats.failed.Add(1)
		m.limited.Error("Sign-in failed", "minion", printable(req.ID), "err", err)
		r.raw.Reply(wire.BadLoad)
		return
	}
	m.logDecision(&req, decision)
	m.fireAuth(&req, decision)
	m.identity.RLock()
	body, err := m.authReply(r.level, &req, decision, key, enc, sig)
	m.identity.RUnlock()
	if err != nil {
		m.stats.failed.Add(1)
		m.limited.Error("Sign-in failed", "minion", printable(req.ID), "err", err)
		r.raw.Reply(wire.BadLoad)
		return
	}
	r.raw.Reply(body)
}

// authenticate gathers the facts, decides, and carries the decision out in the key store. Two
// sign-ins of one id are serialised, so that the second sees what the first stored.
func (m *Master) authenticate(req *wire.AuthRequest) (authDecision, *pki.PublicKey, error) {
	cfg := m.cfg.Load()
	facts := authFacts{IDValid: pki.CheckID(req.ID) == nil, OpenMode: cfg.OpenMode}
	if !facts.IDValid {
		return decideAuth(facts), nil, nil
	}
	unlock := m.authLocks.lock(req.ID)
	defer unlock()

	entry, err := m.keys.Lookup(req.ID)
	if err != nil {
		return authDecision{}, nil, err
	}
	facts.State = entry.State
	facts.StoredBad = entry.State == pki.Accepted && entry.Key == nil
	facts.KeyEmpty = req.Pub == ""

	// The sent key is parsed only when it is not the stored one: the usual sign-in compares texts.
	key := entry.Key
	facts.SameKey = entry.State != pki.None && pki.CleanKey(req.Pub) == pki.CleanKey(string(entry.PEM))
	if facts.SameKey && key != nil {
		facts.KeyUsable = true
	} else {
		sent, err := parseSentKey(req.Pub)
		facts.KeyUsable = err == nil
		if !facts.SameKey {
			key = sent
		}
	}
	facts.AutoReject = m.autosign.Load().Rejects(req.ID)
	facts.AutoSign = m.autosign.Load().Signs(req.ID, autosignGrains(req))
	if entry.State == pki.None {
		facts.NoRoom, err = m.pendingFull()
		if err != nil {
			return authDecision{}, nil, err
		}
	}
	facts.Full = cfg.MaxMinions > 0 && !m.presence.has(req.ID) && m.presence.count() >= cfg.MaxMinions

	d := decideAuth(facts)
	if err := m.carryOut(req, d); err != nil {
		return authDecision{}, nil, err
	}
	if d.Verdict == authAccept {
		m.presence.heard(req.ID, m.now())
	}
	return d, key, nil
}

// parseSentKey accepts RSA keys of at least minKeyBits only.
func parseSentKey(pub string) (*pki.PublicKey, error) {
	if len(pub) > maxPubBytes {
		return nil, fmt.Errorf("key text of %d bytes", len(pub))
	}
	key, err := pki.ParsePublicKey([]byte(pub))
	if err != nil {
		return nil, err
	}
	if key.Bits() < minKeyBits {
		return nil, fmt.Errorf("RSA key of %d bits", key.Bits())
	}
	return key, nil
}

func autosignGrains(req *wire.AuthRequest) map[string]any {
	if req.AutosignGrains == nil {
		return nil
	}
	grains := make(map[string]any, req.AutosignGrains.Len())
	for k, v := range req.AutosignGrains.All() {
		if name, ok := k.(string); ok {
			grains[name] = v
		}
	}
	return grains
}

func (m *Master) pendingFull() (bool, error) {
	n, err := m.pending.count(m.now(), func() (int, error) {
		ids, err := m.keys.List(pki.Pending)
		return len(ids), err
	})
	return n >= m.maxPending, err
}

// carryOut writes the decision into the key store.
func (m *Master) carryOut(req *wire.AuthRequest, d authDecision) error {
	switch {
	case d.Store == pki.None:
		return nil
	case d.StoreSent:
		if d.Store == pki.Pending {
			m.pending.added()
		}
		return m.keys.Put(req.ID, d.Store, []byte(pki.CleanKey(req.Pub)))
	default:
		return m.keys.Move(req.ID, d.StoreFrom, d.Store)
	}
}

// logDecision tells the operator what changed, and why somebody stays outside.
func (m *Master) logDecision(req *wire.AuthRequest, d authDecision) {
	switch {
	case d.Store != pki.None:
		m.limited.Info("Minion key stored", "minion", req.ID, "state", d.Store.String(), "why", d.Reason)
	case d.Verdict == authRefuse || d.Verdict == authFull:
		m.limited.Warn("Sign-in refused", "minion", printable(req.ID), "why", d.Reason)
	}
	switch d.Verdict {
	case authAccept:
		m.stats.authAccepted.Add(1)
	case authPending:
		m.stats.authPending.Add(1)
	default:
		m.stats.authRefused.Add(1)
	}
}

// fireAuth announces the sign-in on the bus when auth_events is on (spec: event-bus §6.3).
func (m *Master) fireAuth(req *wire.AuthRequest, d authDecision) {
	if !d.Event || !m.cfg.Load().AuthEvents {
		return
	}
	data := wire.NewMap("result", d.EventResult)
	if d.EventAct != "" {
		data.Set("act", d.EventAct)
	}
	data.Set("id", req.ID)
	data.Set("pub", req.Pub)
	m.fire(event.TagAuth, data)
}

// authReply builds the reply body for the level of the request.
func (m *Master) authReply(level wire.Level, req *wire.AuthRequest, d authDecision, key *pki.PublicKey,
	enc pki.EncAlgorithm, sig pki.SigAlgorithm,
) ([]byte, error) {
	nonce := req.Nonce
	if level < 2 {
		nonce = ""
	}
	var load []byte
	var err error
	if d.Verdict == authAccept {
		load, err = m.authAcceptLoad(req, key, enc, sig, nonce)
		if err != nil {
			return nil, err
		}
		if level < 2 {
			return load, nil
		}
	} else {
		ret := authRet(d.Verdict)
		if d.Verdict == authPending && m.cfg.Load().PendingReply == "full" {
			ret = authRet(authFull) // the key waits as ever; its minion need not
		}
		if level < 2 {
			return wire.AppendAuthPlain(nil, ret), nil
		}
		load = wire.AppendAuthRet(nil, ret, nonce)
	}
	signature, err := m.masterKeys.Load().Master.Sign(sig, load)
	if err != nil {
		return nil, fmt.Errorf("sign the reply: %w", err)
	}
	return wire.AppendAuthSigned(nil, load, signature), nil
}

func authRet(v authVerdict) any {
	switch v {
	case authPending:
		return true
	case authFull:
		return "full"
	default:
		return false
	}
}

// authAcceptLoad is the map of spec auth-and-crypto §5.1.
func (m *Master) authAcceptLoad(req *wire.AuthRequest, key *pki.PublicKey, enc pki.EncAlgorithm,
	sig pki.SigAlgorithm, nonce string,
) ([]byte, error) {
	if key == nil {
		return nil, errors.New("accepted without a usable key")
	}
	epoch := m.shared.Current()
	session, err := m.sessions.Load().Cipher(req.ID)
	if err != nil {
		return nil, fmt.Errorf("session key: %w", err)
	}
	accept := wire.AuthAccept{
		PubKey: m.masterKeys.Load().Master.Public().Clean(), PublishPort: m.announced, Sig: epoch.Sig, Nonce: nonce,
	}
	if accept.PubSig, err = m.masterKeys.Load().PubKeySignature(sig); err != nil {
		return nil, fmt.Errorf("signature of the master key: %w", err)
	}
	var challenge []byte // auth_mode 2: the token that goes back with the key
	var token []byte
	secret := epoch.KeyString
	if len(req.Token) > 0 {
		// A token that does not decrypt was made for another master key. Stock answers without a
		// token, and the minion then says so in its log; so do we.
		plain, err := m.masterKeys.Load().Master.Decrypt(enc, req.Token)
		switch {
		case err == nil && m.cfg.Load().AuthMode >= 2:
			challenge = plain
		case err == nil:
			token = plain
		default:
			m.limited.Warn("Sign-in token was made for another master key", "minion", req.ID)
		}
	}
	if m.cfg.Load().AuthMode >= 2 && challenge != nil {
		// The token rides behind the key, and the block covers both: one private operation per sign-in.
		secret += "_|-" + string(challenge)
		sum := sha256.Sum256([]byte(secret))
		if accept.Sig, err = m.masterKeys.Load().Master.SignX931(hex.AppendEncode(nil, sum[:])); err != nil {
			return nil, fmt.Errorf("sign the AES key: %w", err)
		}
	}
	pair := sealedPair{epoch: epoch, session: session.KeyString(), reader: key, alg: enc}
	if err := m.sealAccept(req.ID, &accept, pair, secret, token); err != nil {
		return nil, fmt.Errorf("encrypt the keys for the minion: %w", err)
	}
	return accept.AppendWire(nil), nil
}

// sealAccept fills in the blocks for the minion: the AES key, the session key, and the token that
// goes back. What it got before under the same keys is sent again.
func (m *Master) sealAccept(id string, accept *wire.AuthAccept, pair sealedPair, secret string, token []byte) error {
	var todo [][]byte
	if token != nil {
		todo = append(todo, token)
	}
	reusable := secret == pair.epoch.KeyString // with a challenge inside, it is another secret each time
	aes, sess, known := m.sealed.find(id, pair)
	if known && reusable {
		accept.AES, accept.Session = aes, sess
	} else {
		todo = append(todo, []byte(secret), []byte(pair.session))
	}
	blocks, err := pair.reader.EncryptEach(pair.alg, todo...)
	if err != nil {
		return err
	}
	if token != nil {
		accept.Token, blocks = blocks[0], blocks[1:]
	}
	if len(blocks) == 0 {
		return nil
	}
	accept.AES, accept.Session = blocks[0], blocks[1]
	if reusable {
		pair.aes, pair.sess = accept.AES, accept.Session
		m.sealed.keep(id, pair)
	}
	return nil
}
