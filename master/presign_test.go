package master_test

import (
	"encoding/base64"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/master"
	"github.com/saltern-io/saltern/master/mastertest"
	"github.com/saltern-io/saltern/pki"
)

// signIns signs a minion in n times and returns what it cost in private operations of the master's own
// key and of the signing key.
func signIns(t *testing.T, m *mastertest.Running, n int, check func(pubKey, pubSig string)) (own, signing uint64, held bool) {
	t.Helper()
	minion := mastertest.SignedIn(t, m, "web1", 3)
	own0, signing0, _ := m.Master.PrivateOperations()
	for range n {
		accept := minion.SignIn(t).Accept
		if accept == nil {
			t.Fatal("not accepted")
		}
		check(accept.PubKey, accept.PubSig)
	}
	own, signing, held = m.Master.PrivateOperations()
	return own - own0, signing - signing0, held
}

// TestPresigned_costsNothing: a prepared signature is in every reply, is over the text that minions
// verify, and needs no private operation and no signing key in the process.
func TestPresigned_costsNothing(t *testing.T) {
	const n = 5
	plain := mastertest.Start(t, nil)
	want, _, _ := signIns(t, plain, n, func(_, sig string) {
		if sig != "" {
			t.Errorf("pub_sig %q without master_sign_pubkey", sig)
		}
	})
	signer := mastertest.OtherKey()
	m := mastertest.Start(t, func(c *config.Master) {
		c.MasterSignPubKey, c.MasterUsePubKeySignature = true, true
		presign(t, c, plain.Config.PKIDir, signer)
	})
	own, signing, held := signIns(t, m, n, func(pubKey, pubSig string) {
		raw, err := base64.StdEncoding.DecodeString(pubSig)
		if err == nil {
			err = signer.Public().Verify(pki.PKCS1v15SHA1, []byte(pubKey), raw)
		}
		if err != nil || strings.HasSuffix(pubKey, "\n") || strings.HasSuffix(pubSig, "\n") {
			t.Errorf("pub_sig %q: %v", pubSig, err)
		}
	})
	if own != want || signing != 0 || held {
		t.Errorf("%d sign-ins cost %d operations, without a signature %d; signing key held: %v", n, own, want, held)
	}
	// With the key in the process each algorithm is signed once.
	live := mastertest.Start(t, func(c *config.Master) { c.MasterSignPubKey = true })
	own, signing, held = signIns(t, live, n, func(_, sig string) {
		if !strings.HasSuffix(sig, "\n") {
			t.Errorf("live pub_sig %q", sig)
		}
	})
	if own != want || signing != 0 || !held { // signed at the first sign-in, before the count
		t.Errorf("live: %d and %d operations, held %v", own, signing, held)
	}
}

// presign writes the signature of the key that mastertest gives every master, and the public half of the
// signing key, into the pki directory of c.
func presign(t *testing.T, c *config.Master, from string, signer *pki.PrivateKey) {
	t.Helper()
	public, err := pki.LoadPublicKey(filepath.Join(from, "master.pub"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(c.PKIDir, 0o700); err != nil {
		t.Fatal(err)
	}
	err = errors.Join(pki.WriteSignature(filepath.Join(c.PKIDir, "master_pubkey_signature"), signer, public, 0o400),
		pki.WritePublicKey(filepath.Join(c.PKIDir, "master_sign.pub"), signer.Public(), 0o644))
	if err != nil {
		t.Fatal(err)
	}
}

// TestPresigned_missing: the start fails in stock's words.
func TestPresigned_missing(t *testing.T) {
	dir := t.TempDir()
	cfg := mastertest.DefaultConfig(t, dir)
	cfg.MasterSignPubKey, cfg.MasterUsePubKeySignature = true, true
	_, err := master.New(cfg, slog.New(slog.DiscardHandler), master.Options{})
	want := "Signing the master.pub key with a signature is enabled but no signature file found at the defined location " +
		filepath.Join(cfg.PKIDir, "master_pubkey_signature")
	if err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}
