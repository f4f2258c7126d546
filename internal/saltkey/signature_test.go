package saltkey

import (
	"os"
	"strings"
	"testing"

	"github.com/saltern-io/saltern/pki"
)

// TestSignature goes from stock's useless signature to one that minions accept.
func TestSignature(t *testing.T) {
	h := newHost(t, t.TempDir(), hostSeed{signKey: true, byID: true}, map[string]string{"master_use_pubkey_signature": "True", "master_sign_pubkey": "True"})
	fix := fixtures(t)
	name := "m/pki/golden_pubkey_signature"
	verify := func(want int, text string, more ...string) {
		t.Helper()
		code, stdout, stderr := h.run("", append([]string{"-c", h.root, "--verify-signature"}, more...)...)
		if code != want || !strings.Contains(stdout+stderr, text) {
			t.Errorf("verify: %d, want %d: %q %q lacks %q", code, want, stdout, stderr, text)
		}
	}
	verify(1, "no such file")
	h.write(t, name, fix.Signatures["sha1_over_file_with_trailing_newline"]+"\n", 0o400)
	verify(1, "including the final newline")
	code, stdout, stderr := h.run("", "-c", h.root, "--gen-signature", "--strict-exit")
	if code != 1 || stdout != "return:\n    False\n" || !strings.Contains(stderr, "--force makes it again") {
		t.Errorf("%d %q %q", code, stdout, stderr)
	}
	if code, stdout, stderr := h.run("", "-c", h.root, "--gen-signature", "--force", "--strict-exit"); code != 0 || stdout != "return:\n    True\n" || stderr != "" {
		t.Errorf("%d %q %q", code, stdout, stderr)
	}
	verify(0, "valid for minions with PKCS1v15-SHA224")
	must(t, os.Remove(h.path("m/pki/master_sign.pem"))) // the public half is enough
	verify(0, "valid for minions with PKCS1v15-SHA1")
	verify(0, "valid", "--priv", h.path("keys/master_sign.pem"))
	h.write(t, name+".sha224", "AAAA\n", 0o400)
	verify(1, "it is not the signature")
	if text, err := os.ReadFile(h.path(name)); err != nil || string(text) != fix.Signatures["sha1_over_stripped_pem"]+"\n" {
		t.Errorf("%q, %v", text, err)
	}
}

// TestSignature_names: the option decides, and the pair of master_sign_key_name is used.
func TestSignature_names(t *testing.T) {
	h := newHost(t, t.TempDir(), hostSeed{}, map[string]string{"master_pubkey_signature": "sig", "master_sign_key_name": "mine", "signing_key_pass": "secret"})
	for range 2 {
		code, stdout, stderr := h.run("", "-c", h.root, "--gen-signature", "--auto-create", "--force", "--compat", "3007")
		if code != 0 || stdout != "return:\n    True\n" {
			t.Fatalf("%d %q %q", code, stdout, stderr)
		}
	}
	if _, err := pki.LoadPrivateKey(h.path("m/pki/mine.pem"), []byte("secret")); err != nil {
		t.Error(err)
	}
	if _, err := pki.LoadPrivateKey(h.path("m/pki/mine.pem"), nil); err == nil {
		t.Error("the signing key is not encrypted")
	}
	if code, stdout, _ := h.run("", "-c", h.root, "--verify-signature", "--out", "json"); code != 0 || strings.Count(stdout, "valid for") != 2 {
		t.Errorf("%d %q", code, stdout)
	}
	if _, stdout, _ := h.run("", "-c", h.root, "--gen-signature", "--out", "jsonl"); stdout != "{\"return\":false}\n" {
		t.Errorf("%q", stdout)
	}
}

func TestMakeKeys(t *testing.T) {
	h := newHost(t, t.TempDir(), hostSeed{}, nil)
	gen := func(args ...string) (int, string, string) {
		return h.run("", append([]string{"-c", h.root, "--gen-keys-dir", h.path("gk")}, args...)...)
	}
	_, first, _ := gen("--gen-keys", "m1")
	must(t, os.Remove(h.path("gk/m1.pub")))
	_, again, _ := gen("--gen-keys", "m1")
	if first != again || !strings.HasPrefix(first, "return:\n    ") {
		t.Errorf("%q, then %q", first, again)
	}
	text, err := os.ReadFile(h.path("gk/m1.pem"))
	if err != nil || !strings.HasPrefix(string(text), "-----BEGIN RSA PRIVATE KEY-----\n") || !strings.HasSuffix(string(text), "-----END RSA PRIVATE KEY-----\n") {
		t.Errorf("%.40q, %v", text, err)
	}
	for _, args := range [][]string{{"--gen-keys", "../m1"}, {"--gen-keys", "big", "--keysize", "32768"}} {
		if code, stdout, stderr := gen(append(args, "--strict-exit")...); code != 1 || stdout != "" || !strings.HasPrefix(stderr, "Error: ") {
			t.Errorf("%v: %d %q %q", args, code, stdout, stderr)
		}
	}
}
