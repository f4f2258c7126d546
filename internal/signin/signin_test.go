package signin

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/pki"
)

type hostPort struct {
	host string
	port int
}

func TestPins(t *testing.T) {
	p := Pins{t.TempDir()}
	a := hostPort{"mom.example", 4506}
	b := hostPort{"fe80::1%eth0", 4506}
	keys := testKeys()
	if k, err := p.Load(a.host, a.port); k != nil || err != nil {
		t.Fatalf("%v, %v", k, err)
	}
	// Stock's file is the pin of all that have none.
	if err := os.WriteFile(filepath.Join(p.Dir, commonPinFile), []byte(keys[0].Public().Clean()), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, u := range []hostPort{a, b} {
		if k, err := p.Load(u.host, u.port); err != nil || !k.Equal(keys[0].Public()) {
			t.Errorf("%v: %v", u, err)
		}
	}
	if err := p.Store(a.host, a.port, keys[0].Public(), keys[0].Public()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(p.Path(a.host, a.port)); !os.IsNotExist(err) {
		t.Errorf("what is pinned already was written: %v", err)
	}
	if err := p.Store(b.host, b.port, nil, keys[1].Public()); err != nil {
		t.Fatal(err)
	}
	if k, err := p.Load(b.host, b.port); err != nil || !k.Equal(keys[1].Public()) {
		t.Errorf("own pin: %v", err)
	}
	if k, err := p.Load(a.host, a.port); err != nil || !k.Equal(keys[0].Public()) {
		t.Errorf("pin of the other: %v", err)
	}
	if name := filepath.Base(p.Path(b.host, b.port)); strings.ContainsAny(name, ":%/") {
		t.Error(name)
	}
	if err := os.WriteFile(p.Path(a.host, a.port), []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	if k, err := p.Load(a.host, a.port); err == nil {
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
		if err := CheckFinger(want, "sha256", key); (err == nil) != isGood || err != nil && (!errors.Is(err, ErrFinger) || !IsVerdict(err)) {
			t.Errorf("%q: %v", want, err)
		}
	}
	if err := CheckFinger(good, "crc", key); err == nil {
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
	ident := &Identity{SigAlg: pki.PKCS1v15SHA1}
	for name, tt := range map[string]struct {
		pubSig string
		pinned *pki.PublicKey
		acc    Acceptance
		ok     bool
	}{
		"first contact, unsigned":       {"", nil, Acceptance{}, true},
		"first contact, signed":         {good, nil, Acceptance{Signing: signing.Public()}, true},
		"signature wanted, none":        {"", nil, Acceptance{Signing: signing.Public()}, false},
		"signature wrong":               {good[4:], nil, Acceptance{Signing: signing.Public()}, false},
		"signature of another":          {good, nil, Acceptance{Signing: master.Public()}, false},
		"other pin, signed":             {good, keys[2].Public(), Acceptance{Signing: signing.Public()}, true},
		"other pin, unsigned":           {"", keys[2].Public(), Acceptance{}, false},
		"same pin":                      {"", master.Public(), Acceptance{}, true},
		"same pin, bad signature":       {"AAAA", master.Public(), Acceptance{Signing: signing.Public()}, true},
		"same pin, bad, always checked": {"AAAA", master.Public(), Acceptance{Signing: signing.Public(), AlwaysVerify: true}, false},
		"signature without end":         {strings.Repeat("A", maxPubSigLength+4), nil, Acceptance{Signing: signing.Public()}, false},
	} {
		key, err := ident.masterKey(&wire.AuthAccept{PubKey: clean, PubSig: tt.pubSig}, Challenge{Pinned: tt.pinned}, tt.acc)
		if (err == nil) != tt.ok || tt.ok && !key.Equal(master.Public()) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ident.masterKey(&wire.AuthAccept{PubKey: "rubbish"}, Challenge{}, Acceptance{}); !errors.Is(err, ErrAuthReply) {
		t.Errorf("rubbish as a key: %v", err)
	}
}

func TestOpenSignIn_verdicts(t *testing.T) {
	master := testKeys()[0]
	ident := &Identity{ID: "syn1", Key: testKeys()[1], EncAlg: pki.OAEPSHA1, SigAlg: pki.PKCS1v15SHA1}
	ch := Challenge{Nonce: wire.NewNonce(), Pinned: master.Public()}
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
		{signed(true, ch.Nonce), ErrPending},
		{signed(false, ch.Nonce), ErrRefused},
		{signed("full", ch.Nonce), ErrFull},
		{signed("odd", ch.Nonce), ErrAuthReply},
		{signed(true, wire.NewNonce()), ErrAuthReply},
		{wire.AppendAuthPlain(nil, true), ErrAuthReply}, // anybody can say that
		{wire.AppendAuthPlain(nil, "bad sig algo"), ErrAuthReply},
		{wire.BadLoad, ErrAuthReply},
		{[]byte{0x81}, ErrAuthReply},
	} {
		if _, err := ident.OpenSignIn(tt.body, ch, Acceptance{}); !errors.Is(err, tt.want) {
			t.Errorf("%q: %v, want %v", tt.body, err, tt.want)
		}
	}
}

func TestOpenPublication_previousKey(t *testing.T) {
	now := time.Now()
	old, fresh := &Credentials{Shared: newCipher(t)}, &Credentials{Shared: newCipher(t)}
	fresh.Succeed(old, now)
	same := &Credentials{Shared: fresh.Shared}
	same.Succeed(fresh, now.Add(time.Second)) // a sign-in that changed nothing
	seal := func(c *pki.Cipher, kv ...any) []byte {
		return wire.AppendPubEnvelope(nil, c.Seal(nil, wire.AppendPlain(nil, "", encode(t, wire.Wire, kv...))), "", nil)
	}
	good := []any{"tgt", "*", "jid", "1", "fun", "f", "arg", []any{}}
	for _, c := range []*Credentials{fresh, same} {
		if _, key, err := OpenPublication(c, seal(old.Shared, good...), now.Add(KeyGrace-1)); err != nil || key != old.Shared {
			t.Errorf("under the previous key: %v", err)
		}
		if _, _, err := OpenPublication(c, seal(old.Shared, good...), now.Add(KeyGrace)); !errors.Is(err, ErrStaleKeys) {
			t.Errorf("after the grace: %v", err)
		}
	}
	if _, key, err := OpenPublication(fresh, seal(fresh.Shared, good...), now); err != nil || key != fresh.Shared {
		t.Errorf("%v", err)
	}
	for i := 0; i < len(good); i += 2 {
		less := slices.Delete(slices.Clone(good), i, i+2)
		if _, _, err := OpenPublication(fresh, seal(fresh.Shared, less...), now); err == nil {
			t.Errorf("accepted without %v", good[i])
		}
	}
	if _, _, err := OpenPublication(fresh, []byte("junk"), now); err == nil || errors.Is(err, ErrStaleKeys) {
		t.Errorf("junk: %v", err)
	}
}

// TestMakeKeyPair: the second of two that make the pair takes the first one's.
func TestMakeKeyPair(t *testing.T) {
	dir := t.TempDir()
	a, err := MakeKeyPair(dir, 2048)
	if err != nil {
		t.Fatal(err)
	}
	b, err := MakeKeyPair(dir, 2048)
	if err != nil || !a.Public().Equal(b.Public()) {
		t.Errorf("second pair differs: %v", err)
	}
	for name, mode := range map[string]os.FileMode{KeyFile: 0o400, PubFile: 0o644} {
		st, err := os.Stat(filepath.Join(dir, name))
		if err != nil || st.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", name, st, err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("%v, %v", entries, err)
	}
	pub, err := os.ReadFile(filepath.Join(dir, PubFile))
	if err != nil || !bytes.Equal(pub, a.Public().PEM()) {
		t.Errorf("public key %s, %v", hex.EncodeToString(pub), err)
	}
}

var testKeys = sync.OnceValue(func() []*pki.PrivateKey {
	keys := make([]*pki.PrivateKey, 3)
	var wg sync.WaitGroup
	for i := range keys {
		wg.Go(func() {
			var err error
			if keys[i], err = pki.GenerateKey(2048); err != nil {
				panic(err)
			}
		})
	}
	wg.Wait()
	return keys
})

func newCipher(t *testing.T) *pki.Cipher {
	t.Helper()
	c, err := pki.NewCipher(pki.NewKeyString())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func encode(t *testing.T, m wire.Mode, kv ...any) []byte {
	t.Helper()
	b, err := wire.Encode(wire.NewMap(kv...), m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
