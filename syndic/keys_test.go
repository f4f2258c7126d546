package syndic

import (
	"context"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/pki"
)

func TestPins(t *testing.T) {
	p := pins{t.TempDir()}
	a := config.Upstream{Host: "mom.example", Port: 4506}
	b := config.Upstream{Host: "fe80::1%eth0", Port: 4506}
	keys := testKeys()
	if k, err := p.load(a); k != nil || err != nil {
		t.Fatalf("%v, %v", k, err)
	}
	// Stock's file is the pin of all that have none.
	if err := os.WriteFile(filepath.Join(p.dir, commonPinFile), []byte(keys[0].Public().Clean()), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, u := range []config.Upstream{a, b} {
		if k, err := p.load(u); err != nil || !k.Equal(keys[0].Public()) {
			t.Errorf("%v: %v", u, err)
		}
	}
	if err := p.store(a, keys[0].Public(), keys[0].Public()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(p.path(a)); !os.IsNotExist(err) {
		t.Errorf("what is pinned already was written: %v", err)
	}
	if err := p.store(b, nil, keys[1].Public()); err != nil {
		t.Fatal(err)
	}
	if k, err := p.load(b); err != nil || !k.Equal(keys[1].Public()) {
		t.Errorf("own pin: %v", err)
	}
	if k, err := p.load(a); err != nil || !k.Equal(keys[0].Public()) {
		t.Errorf("pin of the other: %v", err)
	}
	if name := filepath.Base(p.path(b)); strings.ContainsAny(name, ":%/") {
		t.Error(name)
	}
	if err := os.WriteFile(p.path(a), []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	if k, err := p.load(a); err == nil {
		t.Errorf("rubbish is a pin: %v", k)
	}
}

func TestCheckFinger(t *testing.T) {
	key := testKeys()[0].Public()
	good, err := pki.Fingerprint(key.PEM(), "sha256")
	if err != nil {
		t.Fatal(err)
	}
	for want, isGood := range map[string]bool{"": true, good: true, strings.ToUpper(good): true, "aa:bb": false} {
		if err := checkFinger(want, "sha256", key); (err == nil) != isGood || err != nil && (!errors.Is(err, ErrFinger) || !isVerdict(err)) {
			t.Errorf("%q: %v", want, err)
		}
	}
	if err := checkFinger(good, "crc", key); err == nil {
		t.Error("unknown hash accepted")
	}
}

func TestMasterKey_signed(t *testing.T) {
	keys := testKeys()
	signing, master := keys[0], keys[1]
	clean := master.Public().Clean()
	sig, err := signing.Sign(pki.PKCS1v15SHA1, []byte(clean))
	if err != nil {
		t.Fatal(err)
	}
	good := base64.StdEncoding.EncodeToString(sig) + "\n"
	ident := &identity{sigAlg: pki.PKCS1v15SHA1}
	for name, tt := range map[string]struct {
		pubSig string
		pinned *pki.PublicKey
		acc    acceptance
		ok     bool
	}{
		"first contact, unsigned":       {"", nil, acceptance{}, true},
		"first contact, signed":         {good, nil, acceptance{signing: signing.Public()}, true},
		"signature wanted, none":        {"", nil, acceptance{signing: signing.Public()}, false},
		"signature wrong":               {good[4:], nil, acceptance{signing: signing.Public()}, false},
		"signature of another":          {good, nil, acceptance{signing: master.Public()}, false},
		"other pin, signed":             {good, keys[2].Public(), acceptance{signing: signing.Public()}, true},
		"other pin, unsigned":           {"", keys[2].Public(), acceptance{}, false},
		"same pin":                      {"", master.Public(), acceptance{}, true},
		"same pin, bad signature":       {"AAAA", master.Public(), acceptance{signing: signing.Public()}, true},
		"same pin, bad, always checked": {"AAAA", master.Public(), acceptance{signing: signing.Public(), alwaysVerify: true}, false},
		"signature without end":         {strings.Repeat("A", maxPubSigLength+4), nil, acceptance{signing: signing.Public()}, false},
	} {
		key, err := ident.masterKey(&wire.AuthAccept{PubKey: clean, PubSig: tt.pubSig}, challenge{pinned: tt.pinned}, tt.acc)
		if (err == nil) != tt.ok || tt.ok && !key.Equal(master.Public()) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ident.masterKey(&wire.AuthAccept{PubKey: "rubbish"}, challenge{}, acceptance{}); !errors.Is(err, ErrAuthReply) {
		t.Errorf("rubbish as a key: %v", err)
	}
}

func TestOpenSignIn_verdicts(t *testing.T) {
	master := testKeys()[0]
	ident := &identity{id: "syn1", key: testKeys()[1], encAlg: pki.OAEPSHA1, sigAlg: pki.PKCS1v15SHA1}
	ch := challenge{nonce: newNonce(), pinned: master.Public()}
	signed := func(ret any, nonce string) []byte {
		load := wire.AppendAuthRet(nil, ret, nonce)
		sig, err := master.Sign(pki.PKCS1v15SHA1, load)
		if err != nil {
			t.Fatal(err)
		}
		return wire.AppendAuthSigned(nil, load, sig)
	}
	for _, tt := range []struct {
		body []byte
		want error
	}{
		{signed(true, ch.nonce), ErrPending},
		{signed(false, ch.nonce), ErrRefused},
		{signed("full", ch.nonce), ErrFull},
		{signed("odd", ch.nonce), ErrAuthReply},
		{signed(true, newNonce()), ErrAuthReply},
		{wire.AppendAuthPlain(nil, true), ErrAuthReply}, // anybody can say that
		{wire.AppendAuthPlain(nil, "bad sig algo"), ErrAuthReply},
		{wire.BadLoad, ErrAuthReply},
		{[]byte{0x81}, ErrAuthReply},
	} {
		if _, err := ident.openSignIn(tt.body, ch, acceptance{}); !errors.Is(err, tt.want) {
			t.Errorf("%q: %v, want %v", tt.body, err, tt.want)
		}
	}
}

func TestOpenPublication_previousKey(t *testing.T) {
	now := time.Now()
	old, fresh := &credentials{shared: newCipher(t)}, &credentials{shared: newCipher(t)}
	fresh.succeed(old, now)
	same := &credentials{shared: fresh.shared}
	same.succeed(fresh, now.Add(time.Second)) // a sign-in that changed nothing
	seal := func(c *pki.Cipher, kv ...any) []byte {
		return wire.AppendPubEnvelope(nil, c.Seal(nil, wire.AppendPlain(nil, "", encode(t, wire.Wire, kv...))), "", nil)
	}
	good := []any{"tgt", "*", "jid", "1", "fun", "f", "arg", []any{}}
	for _, c := range []*credentials{fresh, same} {
		if _, key, err := openPublication(c, seal(old.shared, good...), now.Add(keyGrace-1)); err != nil || key != old.shared {
			t.Errorf("under the previous key: %v", err)
		}
		if _, _, err := openPublication(c, seal(old.shared, good...), now.Add(keyGrace)); !errors.Is(err, errStaleKeys) {
			t.Errorf("after the grace: %v", err)
		}
	}
	if _, key, err := openPublication(fresh, seal(fresh.shared, good...), now); err != nil || key != fresh.shared {
		t.Errorf("%v", err)
	}
	for i := 0; i < len(good); i += 2 {
		less := slices.Delete(slices.Clone(good), i, i+2)
		if _, _, err := openPublication(fresh, seal(fresh.shared, less...), now); err == nil {
			t.Errorf("accepted without %v", good[i])
		}
	}
	if _, _, err := openPublication(fresh, []byte("junk"), now); err == nil || errors.Is(err, errStaleKeys) {
		t.Errorf("junk: %v", err)
	}
}

func TestAcknowledged(t *testing.T) {
	for _, tt := range []struct {
		reply []byte
		ok    bool
	}{
		{wire.AppendNil(nil), true},
		{wire.AppendBool(nil, true), true},
		{wire.AppendStr(nil, "", wire.Wire), false},
		{wire.AppendMapHeader(nil, 0), false},
		{wire.AppendBool(nil, false), false},
	} {
		if err := acknowledged(tt.reply); (err == nil) != tt.ok {
			t.Errorf("%x: %v", tt.reply, err)
		}
	}
}

func TestBackoff(t *testing.T) {
	b := newBackoff(100*time.Millisecond, time.Second)
	if !b.first() {
		t.Error("not the first")
	}
	for _, want := range []time.Duration{100, 200, 400, 800, 1000, 1000} {
		want *= time.Millisecond
		if d := b.delay(); d > want || d < want*3/4 {
			t.Errorf("%v, want up to %v", d, want)
		}
	}
	if b.first() {
		t.Error("still the first")
	}
	if b.reset(); !b.first() || b.delay() > 100*time.Millisecond {
		t.Error("not reset")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if sleep(ctx, time.Hour, nil) {
		t.Error("sleeps in an ended context")
	}
	early := make(chan struct{}, 1)
	early <- struct{}{}
	if !sleep(context.Background(), time.Hour, early) {
		t.Error("woken is not ended")
	}
}

func TestAcceptanceWait(t *testing.T) {
	cfg := config.DefaultSyndic()
	u := &Upstream{cfg: cfg}
	cfg.AcceptanceWait, cfg.AcceptanceWaitMax = 10*time.Second, 0
	if d := u.acceptanceWait(5); d != 10*time.Second {
		t.Errorf("%v", d)
	}
	cfg.AcceptanceWaitMax = 25 * time.Second
	for n, want := range []time.Duration{10, 20, 25, 25} {
		if d := u.acceptanceWait(n); d != want*time.Second {
			t.Errorf("%d: %v", n, d)
		}
	}
}
