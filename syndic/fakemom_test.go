package syndic

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/pki"
	"github.com/saltern-io/saltern/transport"
)

// fakeMoM is a master of masters whose answers a test decides. It speaks level 2: no session keys.
type fakeMoM struct {
	t      testing.TB
	key    *pki.PrivateKey
	cipher *pki.Cipher
	answer func(cmd string, load []byte) []byte // encrypted value; nil = acknowledged
	reqs   *transport.RequestServer
	pubs   *transport.PublishServer

	mu     sync.Mutex
	loads  map[string][][]byte // decrypted, by command
	levels map[wire.Level]int
	serial int64
}

func startFake(t testing.TB, answer func(cmd string, load []byte) []byte) *fakeMoM {
	t.Helper()
	f := &fakeMoM{
		t: t, key: testKeys()[0], cipher: newCipher(t), answer: answer, loads: map[string][][]byte{}, levels: map[wire.Level]int{},
	}
	zctx, err := transport.NewContext(1, 64)
	if err != nil {
		t.Fatal(err)
	}
	f.reqs, err = transport.ListenRequests(transport.RequestServerConfig{
		Context: zctx, Endpoint: transport.BindEndpoint("127.0.0.1", 0), Malformed: wire.BadLoad,
		Classes: []transport.Class{{Name: "all", Queue: 100, Workers: 1}},
		Handle:  func(_ context.Context, r *transport.Request) { r.Reply(f.handle(r.Body())) },
	})
	if err != nil {
		t.Fatal(err)
	}
	f.pubs, err = transport.ListenPublish(transport.PublishServerConfig{Context: zctx, Endpoint: transport.BindEndpoint("127.0.0.1", 0)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, run := range []func(context.Context) error{f.reqs.Run, f.pubs.Run} {
		wg.Go(func() {
			if err := run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		if err := zctx.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func portOf(t testing.TB, endpoint string) int {
	t.Helper()
	a, err := net.ResolveTCPAddr("tcp", strings.TrimPrefix(endpoint, "tcp://"))
	if err != nil {
		t.Fatal(err)
	}
	return a.Port
}

func (f *fakeMoM) up() config.Upstream {
	return config.Upstream{Host: "127.0.0.1", Port: portOf(f.t, f.reqs.Addr()), Entry: "fake"}
}

func (f *fakeMoM) handle(body []byte) []byte {
	env, refusal := wire.ParseEnvelope(body)
	if refusal != nil {
		return refusal
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.levels[env.Level]++
	if env.Enc != wire.EncAES {
		return f.signIn(env)
	}
	plain, err := f.cipher.Open(nil, env.Load)
	if err != nil {
		return wire.BadLoad
	}
	raw, _ := wire.SplitPlain(plain)
	load, refusal := wire.ParseLoad(raw)
	if refusal != nil {
		return refusal
	}
	f.loads[load.Cmd] = append(f.loads[load.Cmd], bytes.Clone(raw))
	value := wire.AppendNil(nil)
	if f.answer != nil {
		if v := f.answer(load.Cmd, raw); v != nil {
			value = v
		}
	}
	return wire.AppendBytes(nil, f.cipher.Seal(nil, wire.AppendPlain(nil, load.Nonce, value)), wire.Wire)
}

// signIn answers as a level-2 master: everything but a session key.
func (f *fakeMoM) signIn(env wire.Envelope) []byte {
	req, err := wire.ParseAuthRequest(env.Load, env.Level)
	if err != nil {
		return wire.BadLoad
	}
	minion, err := pki.ParsePublicKey([]byte(req.Pub))
	must(f.t, err)
	text := f.cipher.KeyString()
	a := wire.AuthAccept{PubKey: f.key.Public().Clean(), PublishPort: portOf(f.t, f.pubs.Addr()), Nonce: req.Nonce}
	a.AES, err = minion.Encrypt(pki.OAEPSHA1, []byte(text))
	must(f.t, err)
	sum := sha256.Sum256([]byte(text))
	a.Sig, err = f.key.SignX931([]byte(hex.EncodeToString(sum[:])))
	must(f.t, err)
	if req.Token != nil {
		token, err := f.key.Decrypt(pki.OAEPSHA1, req.Token)
		must(f.t, err)
		a.Token, err = minion.Encrypt(pki.OAEPSHA1, token)
		must(f.t, err)
	}
	load := a.AppendWire(nil)
	sig, err := f.key.Sign(pki.PKCS1v15SHA1, load)
	must(f.t, err)
	return wire.AppendAuthSigned(nil, load, sig)
}

func must(t testing.TB, err error) {
	if err != nil {
		t.Error(err)
	}
}

// change swaps the shared key, as a rotation does.
func (f *fakeMoM) change() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cipher, f.serial = newCipher(f.t), 0
}

// publish sends test.ping to everybody under this jid, to the topics given (none: one frame).
func (f *fakeMoM) publish(jid string, topics ...string) {
	f.mu.Lock()
	f.serial++
	load := encode(f.t, wire.Wire, "fun", "test.ping", "arg", []any{}, "tgt", "*", "jid", jid, "ret", "",
		"tgt_type", "glob", "to", 5, "user", "root", "auth_list", []any{}, "serial", f.serial)
	frame := wire.AppendPubEnvelope(nil, f.cipher.Seal(nil, wire.AppendPlain(nil, "", load)), "", nil)
	f.mu.Unlock()
	messages := [][][]byte{{frame}}
	if len(topics) > 0 {
		messages = nil
		for _, topic := range topics {
			messages = append(messages, [][]byte{[]byte(topic), frame})
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	must(f.t, f.pubs.Publish(ctx, messages...))
}

// received returns the loads of a command so far.
func (f *fakeMoM) received(cmd string) [][]byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.loads[cmd]
}

// returned reports whether a minion's return to a job came.
func (f *fakeMoM) returned(jid, minion string) bool {
	for _, load := range f.received(wire.CmdSyndicReturn) {
		list, err := wire.ParseSyndicReturns(load)
		must(f.t, err)
		for _, r := range list {
			for _, m := range r.Minions {
				if r.JID == jid && m.ID == minion {
					return true
				}
			}
		}
	}
	return false
}

// pings publishes until a return comes: the subscription is not confirmed.
func (f *fakeMoM) pings(first int) (jid string) {
	f.t.Helper()
	for n := first; n < first+20; n++ {
		jid = "202611201500000000" + itoa(n)
		f.publish(jid)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		for ctx.Err() == nil {
			if f.returned(jid, "m0") {
				cancel()
				return jid
			}
			sleep(ctx, 2*time.Millisecond, nil)
		}
		cancel()
	}
	f.t.Fatal("no return of m0")
	return ""
}

// TestTier_level2 runs under a master that has no session keys, through a rotation of its key.
func TestTier_level2(t *testing.T) {
	fake, local := startFake(t, nil), startLocal(t)
	runSwarm(t, local, 1)
	s := run(t, testConfig(t, local, fake.up()))
	s.await(t, 0, LinkServing)
	if level := s.Stats().Upstreams[0].Level; level != 2 {
		t.Errorf("level %d", level)
	}
	fake.pings(10)
	fake.change()
	fake.publish("20261120150000000099")
	eventually(t, "return after the rotation", func() bool { return fake.returned("20261120150000000099", "m0") })

	events := fake.received(wire.CmdMinionEvent)
	for i, tag := range []string{"syndic_start", "salt/syndic/syn1/start"} {
		e, err := wire.ParseMinionEvent(events[i])
		text, _ := wire.Str(e.Data)
		if err != nil || e.Tag != tag || e.ID != "syn1" || e.HasPretag || !strings.HasPrefix(text, "Syndic syn1 started at ") {
			t.Errorf("event %d: %+v, %v", i, e, err)
		}
	}
	for cmd, want := range map[string][]string{
		wire.CmdSyndicReturn: {"cmd", "load", "nonce"},
		wire.CmdPillar:       {"id", "grains", "saltenv", "pillarenv", "pillar_override", "extra_minion_data", "ver", "cmd", "nonce"},
	} {
		eventually(t, cmd, func() bool { return len(fake.received(cmd)) > 0 })
		m, err := wire.DecodeMap(fake.received(cmd)[0], wire.Wire, wire.LoadLimits)
		var keys []string
		for k := range m.All() {
			keys = append(keys, k.(string))
		}
		if err != nil || strings.Join(keys, " ") != strings.Join(want, " ") {
			t.Errorf("%s has %q, want %q", cmd, keys, want)
		}
	}
	fake.mu.Lock()
	defer fake.mu.Unlock()
	if fake.levels[2] == 0 {
		t.Errorf("levels %v", fake.levels)
	}
}

// TestTier_filtering: of a publication under several topics one runs; topics of minions are not ours.
func TestTier_filtering(t *testing.T) {
	fake, local := startFake(t, nil), startLocal(t)
	runSwarm(t, local, 1)
	cfg := testConfig(t, local, fake.up())
	s := run(t, cfg)
	s.await(t, 0, LinkServing)
	fake.pings(10)
	before := s.Stats().Upstreams[0]
	fake.publish("20261120150000000098", "6de8e4ea1e57680553d2f7f524794ffc1e825915", "broadcast", "syndic")
	fake.publish("20261120150000000099", "syndic")
	eventually(t, "returns", func() bool {
		return fake.returned("20261120150000000098", "m0") && fake.returned("20261120150000000099", "m0")
	})
	after := s.Stats().Upstreams[0]
	if p, r := after.Publications-before.Publications, after.Replayed-before.Replayed; p != 2 || r != 2 {
		t.Errorf("%d publications, %d passed over", p, r)
	}
}

// TestTier_refusedItem: one item that the master of masters never takes is found and given up; what
// stands around it arrives.
func TestTier_refusedItem(t *testing.T) {
	poison := []byte("poison")
	fake := startFake(t, func(cmd string, load []byte) []byte {
		if cmd == wire.CmdMinionEvent && bytes.Contains(load, poison) {
			return wire.AppendStr(nil, "", wire.Wire)
		}
		return nil
	})
	local := startLocal(t)
	s := run(t, testConfig(t, local, fake.up()), func(s *Syndic) {
		s.upstreams[0].retryMin, s.upstreams[0].retryMax = time.Millisecond, 10*time.Millisecond
	})
	s.await(t, 0, LinkServing)
	put := func(item Item) { putAll(t, s.intake, []Routed{{Item: item, To: 1}}) }
	for i := range 20 {
		tag := "good/" + itoa(i)
		if i == 7 {
			tag = "poison"
		}
		put(Item{Event: Event{Tag: tag, Data: []byte{0x80}}})
	}
	put(returnItem("20261120150000000001", "m0", nil))
	eventually(t, "the item given up", func() bool { return s.Stats().Upstreams[0].Refused == 1 })
	eventually(t, "the return behind it", func() bool { return fake.returned("20261120150000000001", "m0") })
	got := map[string]int{}
	for _, load := range fake.received(wire.CmdMinionEvent) {
		e, err := wire.ParseMinionEvent(load)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(load, poison) {
			continue // refused whole
		}
		for _, item := range e.Events {
			got[item.Tag]++
		}
	}
	for i := range 20 {
		if n := got["good/"+itoa(i)]; n != 1 && i != 7 {
			t.Errorf("good/%d taken %d times", i, n)
		}
	}
}

// TestTier_staleRequest: a request meets a new key before any publication does.
func TestTier_staleRequest(t *testing.T) {
	fake, local := startFake(t, nil), startLocal(t)
	s := run(t, testConfig(t, local, fake.up()))
	s.await(t, 0, LinkServing)
	fake.change()
	putAll(t, s.intake, []Routed{{To: 1, Item: returnItem("20261120150000000001", "m0", nil)}})
	eventually(t, "return", func() bool { return fake.returned("20261120150000000001", "m0") })
}
