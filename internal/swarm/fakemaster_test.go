package swarm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/pki"
)

// fakeMaster behaves as a master does on both ports, as far as a swarm can tell, and remembers what it
// was told. It holds one secret per fact so that tests can change any of them at any time.
type fakeMaster struct {
	t    testing.TB
	ret  *zmtpPeer
	pub  *zmtpPeer
	key  *pki.PrivateKey
	wg   sync.WaitGroup
	mu   sync.Mutex
	ret0 any // what _auth answers instead of accepting; nil = accept

	aes      *pki.Cipher
	aesSig   []byte
	sessions map[string]*pki.Cipher
	minions  map[string]*pki.PublicKey
	serial   uint64
	subs     []*zmtpConn
	topics   []string
	conns    map[net.Conn]bool
	auths    int
	tokens   int // of them with a challenge
	mute     int // encrypted requests to leave unanswered
	loads    []*wire.Map
	closed   bool
}

func startFakeMaster(t testing.TB) *fakeMaster {
	t.Helper()
	m := &fakeMaster{
		t: t, ret: listenZMTP(t, "ROUTER"), pub: listenZMTP(t, "XPUB"), key: testKey(t, "master"),
		sessions: map[string]*pki.Cipher{}, minions: map[string]*pki.PublicKey{}, conns: map[net.Conn]bool{},
	}
	m.rotate()
	m.wg.Go(func() { m.acceptLoop(m.ret, m.serveRequests) })
	m.wg.Go(func() { m.acceptLoop(m.pub, m.serveSubscriber) })
	t.Cleanup(func() {
		m.mu.Lock()
		m.closed = true
		m.mu.Unlock()
		_ = m.ret.l.Close()
		_ = m.pub.l.Close()
		m.cut()
		m.wg.Wait()
	})
	return m
}

// rotate takes a new shared key.
func (m *fakeMaster) rotate() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.aes = must(pki.NewCipher(pki.NewKeyString()))
	sum := sha256.Sum256([]byte(m.aes.KeyString()))
	m.aesSig = must(m.key.SignX931([]byte(hex.EncodeToString(sum[:]))))
	m.serial = 0
}

// set changes the master under its lock.
func (m *fakeMaster) set(change func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change()
}

// cut breaks every connection.
func (m *fakeMaster) cut() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for c := range m.conns {
		_ = c.Close()
	}
}

func (m *fakeMaster) acceptLoop(p *zmtpPeer, serve func(*zmtpConn)) {
	for {
		nc, err := p.l.Accept()
		if err != nil {
			return
		}
		m.mu.Lock()
		if m.closed {
			_ = nc.Close()
		}
		m.conns[nc] = true
		m.mu.Unlock()
		m.wg.Go(func() {
			defer func() {
				_ = nc.Close()
				m.set(func() { delete(m.conns, nc) })
			}()
			if c, err := p.greet(nc); err == nil {
				serve(c)
			}
		})
	}
}

func (m *fakeMaster) serveSubscriber(c *zmtpConn) {
	for {
		frames, err := c.ReadMessage()
		if err != nil {
			m.set(func() { m.subs = slices.DeleteFunc(m.subs, func(o *zmtpConn) bool { return o == c }) })
			return
		}
		m.set(func() {
			m.topics = append(m.topics, string(frames[0]))
			if !slices.Contains(m.subs, c) {
				m.subs = append(m.subs, c)
			}
		})
	}
}

func (m *fakeMaster) serveRequests(c *zmtpConn) {
	for {
		frames, err := c.ReadMessage()
		if err != nil || len(frames) != 2 {
			return
		}
		env, refusal := wire.ParseEnvelope(frames[1])
		if refusal != nil {
			m.t.Errorf("request refused: %s", refusal)
			return
		}
		reply := m.reply(env)
		if reply == nil {
			continue
		}
		if c.Send(appendRequest(nil, reply), time.Now().Add(5*time.Second)) != nil {
			return
		}
	}
}

func (m *fakeMaster) reply(env wire.Envelope) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	if env.Enc == "clear" {
		return m.auth(env)
	}
	cipher := m.aes
	if env.Level >= 3 {
		if cipher = m.sessions[env.ID]; cipher == nil {
			return wire.BadLoad
		}
	}
	plain, err := cipher.Open(nil, env.Load)
	if err != nil {
		return wire.BadLoad
	}
	payload, _ := wire.SplitPlain(plain)
	load, err := wire.DecodeMap(payload, wire.Wire, wire.LoadLimits)
	if err != nil {
		m.t.Errorf("load: %v", err)
		return wire.BadLoad
	}
	if m.mute > 0 {
		m.mute--
		return nil
	}
	m.loads = append(m.loads, load)
	if load.Str("cmd") == wire.CmdPillar {
		return m.pillar(load)
	}
	box := cipher.Seal(nil, wire.AppendPlain(nil, load.Str("nonce"), wire.AppendNil(nil)))
	return wire.AppendBytes(nil, box, wire.Wire)
}

func (m *fakeMaster) auth(env wire.Envelope) []byte {
	req, err := wire.ParseAuthRequest(env.Load, env.Level)
	if err != nil {
		m.t.Errorf("_auth: %v", err)
		return wire.BadLoad
	}
	m.auths++
	signed := func(load []byte) []byte {
		return wire.AppendAuthSigned(nil, load, must(m.key.Sign(pki.PKCS1v15SHA1, load)))
	}
	if m.ret0 != nil {
		return signed(wire.AppendAuthRet(nil, m.ret0, req.Nonce))
	}
	pub := must(pki.ParsePublicKey([]byte(req.Pub)))
	session := must(pki.NewCipher(pki.NewKeyString()))
	m.minions[req.ID], m.sessions[req.ID] = pub, session
	accept := wire.AuthAccept{
		PubKey: m.key.Public().Clean(), PublishPort: m.pub.port, Sig: m.aesSig, Nonce: req.Nonce,
		AES:     must(pub.Encrypt(pki.OAEPSHA1, []byte(m.aes.KeyString()))),
		Session: must(pub.Encrypt(pki.OAEPSHA1, []byte(session.KeyString()))),
	}
	if req.Token != nil {
		m.tokens++
		accept.Token = must(pub.Encrypt(pki.OAEPSHA1, must(m.key.Decrypt(pki.OAEPSHA1, req.Token))))
	}
	return signed(accept.AppendWire(nil))
}

func (m *fakeMaster) pillar(load *wire.Map) []byte {
	cipher := must(pki.NewCipher(pki.NewKeyString()))
	key := must(m.minions[load.Str("id")].Encrypt(pki.OAEPSHA1, []byte(cipher.KeyString())))
	data := must(wire.Encode(wire.NewMap("key", key, "pillar", wire.NewMap(), "nonce", load.Str("nonce")), wire.Wire))
	sig := must(m.key.Sign(pki.PKCS1v15SHA1, data))
	inner := must(wire.Encode(wire.NewMap("data", data, "sig", sig), wire.Wire))
	box := cipher.Seal(nil, wire.AppendPlain(nil, "", inner))
	return must(wire.Encode(wire.NewMap("key", key, "pillar", box), wire.Wire))
}

// publish sends one job to every subscriber and returns its jid.
func (m *fakeMaster) publish(jid, tgtType string, tgt, fun any, arg ...any) string {
	m.mu.Lock()
	m.serial++
	frame := m.seal(wire.NewMap("fun", fun, "arg", append([]any{}, arg...), "tgt", tgt, "jid", jid, "ret", "",
		"tgt_type", tgtType, "user", "root", "serial", int64(m.serial)))
	m.mu.Unlock()
	m.send(appendFrame(nil, 0, frame))
	return jid
}

func (m *fakeMaster) seal(load *wire.Map) []byte {
	plain := wire.AppendPlain(nil, "", must(wire.Encode(load, wire.Wire)))
	box := m.aes.Seal(nil, plain)
	sig := must(m.key.Sign(pki.PKCS1v15SHA1, box))
	return wire.AppendPubEnvelope(nil, box, string(pki.PKCS1v15SHA1), sig)
}

func (m *fakeMaster) send(message []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.subs {
		_ = c.Send(message, time.Now().Add(5*time.Second))
	}
}

// waitSubscribers waits until n connections have subscribed.
func (m *fakeMaster) waitSubscribers(n int) {
	m.t.Helper()
	eventually(m.t, func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return len(m.subs) == n
	})
}

// returns gives the return loads of a job by minion.
func (m *fakeMaster) returns(jid string) map[string]*wire.Map {
	m.mu.Lock()
	defer m.mu.Unlock()
	got := map[string]*wire.Map{}
	for _, l := range m.loads {
		if l.Str("cmd") == wire.CmdReturn && l.Str("jid") == jid {
			got[l.Str("id")] = l
		}
	}
	return got
}

// startSwarm runs a swarm against the fake master until the test ends; change may edit its configuration.
func startSwarm(t testing.TB, m *fakeMaster, n int, change func(*Config)) *Swarm {
	t.Helper()
	cfg := Config{
		Masters: []Master{{Host: "127.0.0.1", RetPort: m.ret.port}}, N: n, Keys: []*pki.PrivateKey{testKey(t, "minion")},
		IDTemplate: "m%d", VerifyPublications: true, AcceptanceWait: 5 * time.Millisecond,
		Reconnect: time.Millisecond, ReconnectMax: time.Millisecond,
	}
	if change != nil {
		change(&cfg)
	}
	s := must(New(cfg))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Logf("Run: %v", err)
		}
	})
	return s
}

// startReady also waits until all is subscribed on both sides.
func startReady(t testing.TB, m *fakeMaster, n int, change func(*Config)) *Swarm {
	t.Helper()
	s := startSwarm(t, m, n, change)
	if err := s.WaitReady(soon(t), n); err != nil {
		t.Fatal(err)
	}
	m.waitSubscribers(n)
	return s
}

var testKeys sync.Map // name → *pki.PrivateKey

func testKey(t testing.TB, name string) *pki.PrivateKey {
	t.Helper()
	if key, ok := testKeys.Load(name); ok {
		return key.(*pki.PrivateKey)
	}
	key, _ := testKeys.LoadOrStore(name, vectorKey(t, name))
	return key.(*pki.PrivateKey)
}

// must unwraps a result; an error is a fault of the test itself.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// soon is a context for what has to happen within the test's patience.
func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func eventually(t testing.TB, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatal("it did not happen in 30 s")
		}
		time.Sleep(2 * time.Millisecond) // polling, not timing
	}
}
