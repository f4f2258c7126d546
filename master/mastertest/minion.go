package mastertest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/pki"
	"github.com/saltern-io/saltern/transport"
)

// requestTimeout bounds one request of a test.
const requestTimeout = 20 * time.Second

// Pairs of RSA keys that every test of a process shares: making one takes longer than most tests.
var pairs = [3]func() *pki.PrivateKey{
	sync.OnceValue(newPair), sync.OnceValue(newPair), sync.OnceValue(newPair),
}

func newPair() *pki.PrivateKey {
	key, err := pki.GenerateKey(2048)
	if err != nil {
		panic(err)
	}
	return key
}

// MinionKey is the key pair of the minions of NewMinion, OtherKey one that differs from it.
func MinionKey() *pki.PrivateKey { return pairs[0]() }

// OtherKey is a key pair that belongs to nobody.
func OtherKey() *pki.PrivateKey { return pairs[1]() }

func masterKey() *pki.PrivateKey { return pairs[2]() }

// Minion is one minion as a test sees it: it signs in, seals requests as stock does and opens the
// replies. It has no subscription and runs no jobs. Use it from one goroutine.
type Minion struct {
	ID      string
	Level   wire.Level
	Key     *pki.PrivateKey
	EncAlgo string // of sign-ins and private replies; "" for stock's default
	SigAlgo string
	Shared  *pki.Cipher    // after SignIn
	Session *pki.Cipher    // after SignIn at level 3
	Port    int            // the publish port, as announced
	Master  *pki.PublicKey // after SignIn

	client *transport.RequestClient
	tok    []byte
}

// NewMinion connects a minion with MinionKey to m. It does not sign in.
func NewMinion(t testing.TB, m *Running, id string, level wire.Level) *Minion {
	t.Helper()
	tok, err := pki.Tok(MinionKey())
	if err != nil {
		t.Fatal(err)
	}
	return &Minion{ID: id, Level: level, Key: MinionKey(), client: m.connect(t), tok: tok}
}

// SignedIn is NewMinion with an accepted key and a finished sign-in.
func SignedIn(t testing.TB, m *Running, id string, level wire.Level) *Minion {
	t.Helper()
	m.Accept(t, id)
	minion := NewMinion(t, m, id, level)
	if reply := minion.SignIn(t); reply.Accept == nil {
		t.Fatalf("sign-in of %s: %+v", id, reply)
	}
	return minion
}

// Accept stores MinionKey as the accepted key of id, as an operator's key tool does.
func (r *Running) Accept(t testing.TB, id string) {
	t.Helper()
	path := filepath.Join(r.Config.PKIDir, pki.Accepted.Dir(), id)
	if err := os.WriteFile(path, []byte(MinionKey().Public().Clean()), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (r *Running) connect(t testing.TB) *transport.RequestClient {
	t.Helper()
	zctx, err := transport.NewContext(1, 64)
	if err != nil {
		t.Fatal(err)
	}
	client, err := transport.NewRequestClient(transport.RequestClientConfig{Context: zctx, Endpoint: transport.Endpoint(r.Host, r.RetPort)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); zctx.Close() })
	return client
}

// Clear sends clear requests over one connection and returns the decoded replies. A reply that is a
// bare text comes back as that text.
func (r *Running) Clear(t testing.TB) func(load *wire.Map) any {
	t.Helper()
	client := r.connect(t)
	return func(load *wire.Map) any {
		t.Helper()
		raw, err := wire.Encode(load, wire.Wire)
		if err != nil {
			t.Fatal(err)
		}
		return decode(t, send(t, client, wire.AppendClear(nil, raw, 3)))
	}
}

func send(t testing.TB, client *transport.RequestClient, body []byte) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	reply, err := client.Do(ctx, body)
	if err != nil {
		t.Fatalf("request of %d bytes: %v", len(body), err)
	}
	return reply
}

func decode(t testing.TB, raw []byte) any {
	t.Helper()
	v, err := wire.Decode(raw, wire.Wire, wire.LoadLimits)
	if err != nil {
		t.Fatalf("reply %.80q: %v", raw, err)
	}
	return v
}

// SignIn sends `_auth` and checks the answer as a minion does: signature, nonce, the block over the
// shared key, the challenge. With an acceptance the keys are kept for the following requests.
func (m *Minion) SignIn(t testing.TB) wire.AuthReply {
	t.Helper()
	return m.SignInWith(t, m.AuthRequest())
}

// AuthRequest is the sign-in of this minion, for tests that change something in it.
func (m *Minion) AuthRequest() wire.AuthRequest {
	req := wire.AuthRequest{ID: m.ID, EncAlgo: m.EncAlgo, SigAlgo: m.SigAlgo, Pub: string(m.Key.Public().PEM()), Level: m.Level}
	if m.Level >= 2 {
		req.Nonce = wire.NewNonce()
	}
	return req
}

// SignInWith is SignIn with a request of the test's own making.
func (m *Minion) SignInWith(t testing.TB, req wire.AuthRequest) wire.AuthReply {
	t.Helper()
	body, err := req.AppendEnvelope(nil)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := wire.ParseAuthReply(send(t, m.client, body))
	if err != nil {
		t.Fatalf("sign-in of %q: %v", req.ID, err)
	}
	if m.Level >= 2 && reply.Nonce != req.Nonce {
		t.Fatalf("sign-in of %q: nonce %q, want %q", req.ID, reply.Nonce, req.Nonce)
	}
	if reply.Accept != nil {
		m.adopt(t, req, reply)
	}
	return reply
}

func (m *Minion) adopt(t testing.TB, req wire.AuthRequest, reply wire.AuthReply) {
	t.Helper()
	master, err := pki.ParsePublicKey([]byte(reply.Accept.PubKey))
	if err != nil {
		t.Fatal(err)
	}
	sig, err1 := pki.ParseSigAlgorithm(req.SigAlgo)
	enc, err2 := pki.ParseEncAlgorithm(req.EncAlgo)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if m.Level >= 2 {
		if err := master.Verify(sig, reply.SignedLoad, reply.Sig); err != nil {
			t.Fatalf("sign-in of %q: signature: %v", m.ID, err)
		}
	}
	aes, err := m.Key.Decrypt(enc, reply.Accept.AES)
	if err != nil {
		t.Fatal(err)
	}
	digest, err := master.RecoverX931(reply.Accept.Sig)
	if sum := sha256.Sum256(aes); err != nil || string(digest) != hex.EncodeToString(sum[:]) {
		t.Fatalf("sign-in of %q: the block does not cover the shared key: %v", m.ID, err)
	}
	m.Master, m.Port, m.Shared = master, reply.Accept.PublishPort, cipher(t, aes)
	session, err := m.Key.Decrypt(enc, reply.Accept.Session)
	if err != nil {
		t.Fatal(err)
	}
	m.Session = cipher(t, session)
}

func cipher(t testing.TB, key []byte) *pki.Cipher {
	t.Helper()
	c, err := pki.NewCipher(string(key))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Tok proves the minion's id in the requests of level 2 that need it; level 3 has it in all.
func (m *Minion) Tok() []byte { return m.tok }

// Do sends load as an encrypted request and returns the decoded value of the reply. Level 3 adds id,
// nonce, ts and tok where load has none; level 2 adds the nonce. A refusal fails the test.
func (m *Minion) Do(t testing.TB, load *wire.Map) any {
	t.Helper()
	value, refusal := m.Try(t, load)
	if refusal != "" {
		t.Fatalf("%s: refused with %q", load.Str("cmd"), refusal)
	}
	return value
}

// Try is Do for requests that may be refused: refusal is the text of a reply that is not encrypted,
// "" when it is.
func (m *Minion) Try(t testing.TB, load *wire.Map) (value any, refusal string) {
	t.Helper()
	raw, nonce := m.exchange(t, load)
	box, _ := wire.Bytes(raw)
	plain, err := m.cipher().Open(nil, box)
	if err != nil {
		return nil, fmt.Sprint(decode(t, raw))
	}
	payload, err := wire.SplitReply(plain, nonce)
	if err != nil {
		t.Fatalf("%s: %v", load.Str("cmd"), err)
	}
	return decode(t, payload), ""
}

// Private sends a request that is answered under a key of its own (`_pillar`) and checks the answer
// as a minion of this level does. text is the reply that is no such answer.
func (m *Minion) Private(t testing.TB, load *wire.Map) (value any, text string) {
	t.Helper()
	raw, nonce := m.exchange(t, load)
	reply, err := wire.ParsePrivateReply(raw)
	if err != nil {
		return nil, fmt.Sprint(decode(t, raw))
	}
	enc, err := pki.ParseEncAlgorithm(m.EncAlgo)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := m.Key.Decrypt(enc, reply.Key)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := cipher(t, secret).Open(nil, reply.Pillar)
	if err != nil {
		t.Fatal(err)
	}
	payload, _ := wire.SplitPlain(plain)
	box, err := wire.ParsePrivateBox(payload)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := pki.ParseSigAlgorithm(m.SigAlgo)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Master.Verify(sig, box.Data, box.Sig); err != nil {
		t.Fatalf("private reply: %v", err)
	}
	data, err := wire.ParsePrivateData(box.Data)
	if err != nil || data.Nonce != nonce || !bytes.Equal(data.Key, reply.Key) {
		t.Fatalf("private reply: nonce %q, want %q; %v", data.Nonce, nonce, err)
	}
	return decode(t, data.Pillar), ""
}

func (m *Minion) cipher() *pki.Cipher {
	if m.Level >= 3 {
		return m.Session
	}
	return m.Shared
}

func (m *Minion) exchange(t testing.TB, load *wire.Map) (raw []byte, nonce string) {
	t.Helper()
	load = load.Clone()
	add := func(key string, v any) {
		if !load.Has(key) {
			load.Set(key, v)
		}
	}
	if m.Level >= 3 {
		add("id", m.ID)
		add("ts", time.Now().Unix())
		add("tok", m.tok)
	}
	if m.Level >= 2 {
		add("nonce", wire.NewNonce())
	}
	value, err := wire.Encode(load, wire.Wire)
	if err != nil {
		t.Fatal(err)
	}
	box := m.cipher().Seal(nil, wire.AppendPlain(nil, "", value))
	env := wire.Envelope{Enc: "aes", Level: m.Level, Load: box, EncAlgo: m.EncAlgo, SigAlgo: m.SigAlgo}
	if m.Level >= 3 {
		env.ID = m.ID
	}
	return send(t, m.client, env.Append(nil)), load.Str("nonce")
}
