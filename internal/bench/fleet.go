package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/pki"
)

// rounds is how many requests each peer makes per measurement.
const rounds = 20

// fleet is a set of minions with a request connection each and nothing else. They share a key pair, as no
// two minions do: to the master, which keeps a key per id, that makes no difference.
type fleet struct {
	master *master
	level  wire.Level
	key    *pki.PrivateKey
	tok    []byte
	minion []fleetMinion
	server *pki.PublicKey // the master's
	shared *pki.Cipher
}

type fleetMinion struct {
	*peer
	id      string
	session *pki.Cipher
}

// newFleet connects n minions to m and signs each in once, all checks made.
func newFleet(m *master, level wire.Level, n int) (*fleet, error) {
	key, err := pki.GenerateKey(2048)
	if err != nil {
		return nil, err
	}
	f := &fleet{master: m, level: level, key: key, minion: make([]fleetMinion, n)}
	if f.tok, err = pki.Tok(key); err != nil {
		return nil, err
	}
	peers, err := dialPeers(m.request, n)
	if err != nil {
		return nil, err
	}
	for i, p := range peers {
		f.minion[i] = fleetMinion{peer: p, id: fmt.Sprintf("bench-%d-%05d", level, i)}
	}
	for i := range f.minion { // one after the other: the first tells the master's key
		if err := f.signIn(&f.minion[i]); err != nil {
			return nil, errors.Join(fmt.Errorf("sign in %s: %w", f.minion[i].id, err), f.close())
		}
	}
	return f, nil
}

func (f *fleet) close() error {
	var errs []error
	for i := range f.minion {
		errs = append(errs, f.minion[i].Close())
	}
	return errors.Join(errs...)
}

// authBody is a sign-in of the minion, with the challenge once the master's key is known.
func (f *fleet) authBody(m *fleetMinion) ([]byte, error) {
	r := wire.AuthRequest{
		ID: m.id, Nonce: wire.NewNonce(), EncAlgo: string(pki.OAEPSHA1), SigAlgo: string(pki.PKCS1v15SHA1),
		Pub: f.key.Public().Clean(), Level: f.level,
	}
	if f.server != nil {
		var err error
		if r.Token, err = f.server.Encrypt(pki.OAEPSHA1, []byte(pki.NewKeyString())); err != nil {
			return nil, err
		}
	}
	return r.AppendEnvelope(nil)
}

func (f *fleet) signIn(m *fleetMinion) error {
	body, err := f.authBody(m)
	if err != nil {
		return err
	}
	reply, err := m.do(body)
	if err != nil {
		return err
	}
	answer, err := wire.ParseAuthReply(reply)
	if err != nil || answer.Accept == nil {
		return fmt.Errorf("not accepted: %v, %w", answer.Ret, err)
	}
	if f.server == nil {
		if f.server, err = pki.ParsePublicKey([]byte(answer.Accept.PubKey)); err != nil {
			return err
		}
		aes, err := f.key.Decrypt(pki.OAEPSHA1, answer.Accept.AES)
		if err != nil {
			return err
		}
		if f.shared, err = pki.NewCipher(string(aes)); err != nil {
			return err
		}
	}
	if err := f.server.Verify(pki.PKCS1v15SHA1, answer.SignedLoad, answer.Sig); err != nil {
		return err
	}
	session, err := f.key.Decrypt(pki.OAEPSHA1, answer.Accept.Session)
	if err != nil {
		return err
	}
	m.session, err = pki.NewCipher(string(session))
	return err
}

func (f *fleet) cipher(m *fleetMinion) *pki.Cipher {
	if f.level >= 3 {
		return m.session
	}
	return f.shared
}

// returnBody is what a minion sends for test.ping, and the nonce its answer must carry.
func (f *fleet) returnBody(m *fleetMinion, jid string, now time.Time) (body []byte, nonce string, err error) {
	proof := wire.Proof{Nonce: wire.NewNonce()}
	if f.level >= 3 {
		proof.TS, proof.Tok = now.Unix(), f.tok
	}
	load, err := wire.ReturnRequest{
		ID: m.id, Success: true, Return: true, JID: jid, Fun: "test.ping", User: "root",
		Stamp: now.UTC().Format("2006-01-02T15:04:05.000000"),
	}.AppendLoad(nil, proof)
	if err != nil {
		return nil, "", err
	}
	env := wire.Envelope{
		Enc: "aes", Level: f.level, Load: f.cipher(m).Seal(nil, wire.AppendPlain(nil, "", load)),
		EncAlgo: string(pki.OAEPSHA1), SigAlgo: string(pki.PKCS1v15SHA1),
	}
	if f.level >= 3 {
		env.ID = m.id
	}
	return env.Append(nil), proof.Nonce, nil
}

// acknowledged checks the answer to a return.
func (f *fleet) acknowledged(m *fleetMinion, reply []byte, nonce string) error {
	box, ok := wire.Bytes(reply)
	if !ok || wire.Check(reply, wire.OuterLimits) != nil {
		return fmt.Errorf("reply %.60q", reply)
	}
	plain, err := f.cipher(m).Open(nil, box)
	if err != nil {
		return fmt.Errorf("reply %.60q: %w", box, err)
	}
	payload, err := wire.SplitReply(plain, nonce)
	if err == nil && !wire.IsNil(payload) {
		err = fmt.Errorf("not acknowledged: %x", payload)
	}
	return err
}

// publish sends a job as a local client does.
func (m *master) publish(_ context.Context, p *peer, jid, tgt string) (wire.PublishReply, error) {
	body, err := wire.PublishRequest{
		Tgt: tgt, TgtType: "glob", Fun: "test.ping", Arg: []any{}, Key: m.key, User: m.user, JID: jid,
	}.AppendEnvelope(nil, 3)
	if err != nil {
		return wire.PublishReply{}, err
	}
	raw, err := p.do(body)
	if err != nil {
		return wire.PublishReply{}, err
	}
	reply, err := wire.ParsePublishReply(raw)
	if err == nil && reply.Err != "" {
		err = fmt.Errorf("publish: %s", reply.Err)
	}
	return reply, err
}
