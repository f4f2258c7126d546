package pki

import (
	"bytes"
	"encoding/base64"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// masterDir is a pki_dir with the vectors' master and signing keys under the given names.
func masterDir(t *testing.T, master, signing string) string {
	t.Helper()
	dir := t.TempDir()
	keys := readKeys(t).Keys
	for name, key := range map[string]keyVector{master: keys["master"], signing: keys["master_sign"]} {
		if name != "" {
			must(t, os.WriteFile(filepath.Join(dir, name+".pem"), []byte(key.Private), 0o400))
			must(t, os.WriteFile(filepath.Join(dir, name+".pub"), []byte(key.Public), 0o644))
		}
	}
	return dir
}

func TestLoadMasterKeys_makes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pki")
	opts := MasterKeyOptions{PKIDir: dir, ID: "vm_master", KeySize: 1024, KeyPass: []byte("pass"), SignPubKey: true}
	keys, err := LoadMasterKeys(opts)
	must(t, err)
	wantMode(t, filepath.Join(dir, "master.pem"), 0o400)
	wantMode(t, filepath.Join(dir, "master.pub"), 0o644)
	wantMode(t, filepath.Join(dir, "master_sign.pem"), 0o400)
	text, err := os.ReadFile(filepath.Join(dir, "master.pem"))
	if err != nil || !strings.HasPrefix(string(text), "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n") || !bytes.HasSuffix(text, []byte("-\n")) {
		t.Errorf("master.pem: %.60q, %v", text, err)
	}
	public, err := os.ReadFile(filepath.Join(dir, "master.pub"))
	if err != nil || string(public) != keys.Master.Public().Clean()+"\n" {
		t.Errorf("master.pub: %v", err)
	}
	must(t, os.Remove(filepath.Join(dir, "master.pub")))
	again, err := LoadMasterKeys(opts)
	if err != nil || !again.Master.Public().Equal(keys.Master.Public()) || !again.Signing.Public().Equal(keys.Signing.Public()) {
		t.Errorf("second start: %v", err)
	}
	wantMode(t, filepath.Join(dir, "master.pub"), 0o644)
	opts.KeyPass = nil
	if _, err := LoadMasterKeys(opts); !errors.Is(err, ErrPassphrase) {
		t.Errorf("without passphrase: %v", err)
	}
}

func TestLoadMasterKeys_layouts(t *testing.T) {
	want := testKey(t, "master").Public()
	load := func(dir, id string) (*MasterKeys, error) {
		return LoadMasterKeys(MasterKeyOptions{PKIDir: dir, ID: id})
	}
	// 3008: the pair under the id, links under the old names.
	dir := masterDir(t, "vm", "")
	must(t, os.Symlink(filepath.Join(dir, "vm.pem"), filepath.Join(dir, "master.pem")))
	must(t, os.Symlink(filepath.Join(dir, "vm.pub"), filepath.Join(dir, "master.pub")))
	for _, id := range []string{"vm_master", "vm", "", "elsewhere"} {
		keys, err := load(dir, id)
		if err != nil || !keys.Master.Public().Equal(want) {
			t.Errorf("3008 layout, id %q: %v", id, err)
		}
	}
	// Both: the pair under the id wins.
	dir = masterDir(t, "vm", "master")
	if keys, err := load(dir, "vm_master"); err != nil || !keys.Master.Public().Equal(want) {
		t.Errorf("both layouts: %v", err)
	}
	// Never overwrite what cannot be read.
	dir = t.TempDir()
	must(t, os.Symlink(filepath.Join(dir, "none"), filepath.Join(dir, "master.pem")))
	if _, err := load(dir, ""); err == nil {
		t.Error("a dangling link was accepted")
	}
	dir = masterDir(t, "master", "")
	must(t, os.Remove(filepath.Join(dir, "master.pem")))
	if _, err := load(dir, ""); err == nil || !strings.Contains(err.Error(), "restore the private key") {
		t.Errorf("public key alone: %v", err)
	}
	dir = masterDir(t, "master", "")
	must(t, os.WriteFile(filepath.Join(dir, "master.pub"), []byte(readKeys(t).Keys["minion"].Public), 0o644))
	if _, err := load(dir, ""); err == nil || !strings.Contains(err.Error(), "not the public half") {
		t.Errorf("foreign public key: %v", err)
	}
	if _, err := load(t.TempDir(), "../x"); err == nil {
		t.Error("an id became a path")
	}
}

type presignVector struct {
	StockFile string `json:"stock_file_bytes_b64"`
	Working   string `json:"working_file_text"`
	Runtime   string `json:"runtime_pub_sig_value"`
}

func TestPubKeySignature_live(t *testing.T) {
	var v presignVector
	readVectors(t, "auth-pubkey-signature.json", &v)
	dir := masterDir(t, "master", "master_sign")
	keys, err := LoadMasterKeys(MasterKeyOptions{PKIDir: dir, SignPubKey: true})
	must(t, err)
	for range 2 {
		got, err := keys.PubKeySignature("")
		if err != nil || got != v.Runtime {
			t.Errorf("pub_sig = %q, %v", got, err)
		}
	}
	got, err := keys.PubKeySignature(PKCS1v15SHA224)
	must(t, err)
	sig, err := base64.StdEncoding.DecodeString(strings.TrimSpace(got))
	must(t, err)
	must(t, keys.Signing.Public().Verify(PKCS1v15SHA224, []byte(keys.Master.Public().Clean()), sig))
	if _, err := keys.PubKeySignature("x"); !errors.Is(err, ErrAlgorithm) {
		t.Errorf("unknown algorithm: %v", err)
	}
	plain, err := LoadMasterKeys(MasterKeyOptions{PKIDir: dir})
	must(t, err)
	if got, err := plain.PubKeySignature(""); got != "" || err != nil || plain.Signing != nil {
		t.Errorf("not asked for: %q, %v", got, err)
	}
}

func TestPubKeySignature_prepared(t *testing.T) {
	var v presignVector
	readVectors(t, "auth-pubkey-signature.json", &v)
	stock, err := base64.StdEncoding.DecodeString(v.StockFile)
	must(t, err)
	load := func(dir string) (*MasterKeys, error) {
		return LoadMasterKeys(MasterKeyOptions{PKIDir: dir, ID: "vm_master", SignPubKey: true, UsePubKeySignature: true})
	}
	for _, name := range []string{"master_pubkey_signature", "vm_pubkey_signature"} {
		dir := masterDir(t, "master", "master_sign")
		if _, err := load(dir); !errors.Is(err, ErrNoSignature) {
			t.Errorf("no file: %v", err)
		}
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(v.Working), 0o644))
		// The signing key itself is elsewhere; its public half verifies.
		must(t, os.Remove(filepath.Join(dir, "master_sign.pem")))
		keys, err := load(dir)
		must(t, err)
		if got, err := keys.PubKeySignature(PKCS1v15SHA1); err != nil || got != strings.TrimSpace(v.Working) || keys.Signing != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if _, err := keys.PubKeySignature(PKCS1v15SHA224); !errors.Is(err, ErrNoSignature) {
			t.Errorf("SHA-224 not prepared: %v", err)
		}
		text, err := Presign(testKey(t, "master_sign"), keys.Master.Public(), PKCS1v15SHA224)
		must(t, err)
		must(t, os.WriteFile(filepath.Join(dir, name+".sha224"), []byte(text), 0o644))
		keys, err = load(dir)
		must(t, err)
		if got, err := keys.PubKeySignature(PKCS1v15SHA224); err != nil || got+"\n" != text {
			t.Errorf("SHA-224: %q, %v", got, err)
		}
		must(t, os.WriteFile(filepath.Join(dir, name+".sha224"), []byte(v.Working), 0o644))
		if _, err = load(dir); !errors.Is(err, ErrSignature) {
			t.Errorf("SHA-1 as SHA-224: %v", err)
		}
		must(t, os.Remove(filepath.Join(dir, name+".sha224")))
		for text, want := range map[string]string{
			string(stock): "including the final newline", "AAAA": "is not the signature", "%": "not base64",
		} {
			must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
			if _, err := load(dir); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%.10q: %v", text, err)
			}
		}
	}
}

// TestPubKeySignature_untrimmed: stock's useless signature is replaced by live signing where the key is at
// hand, and the log says what was wrong; it is an error where it is not.
func TestPubKeySignature_untrimmed(t *testing.T) {
	var v presignVector
	readVectors(t, "auth-pubkey-signature.json", &v)
	stock, err := base64.StdEncoding.DecodeString(v.StockFile)
	must(t, err)
	dir := masterDir(t, "master", "master_sign")
	must(t, os.WriteFile(filepath.Join(dir, "master_pubkey_signature"), stock, 0o644))
	var log strings.Builder
	opts := MasterKeyOptions{PKIDir: dir, SignPubKey: true, UsePubKeySignature: true, Log: slog.New(slog.NewTextHandler(&log, nil))}
	keys, err := LoadMasterKeys(opts)
	must(t, err)
	if got, err := keys.PubKeySignature(PKCS1v15SHA1); err != nil || got != v.Runtime || keys.Signing == nil {
		t.Errorf("%q, %v", got, err)
	}
	if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "including the final newline") {
		t.Errorf("log: %s", log.String())
	}
	must(t, os.Remove(filepath.Join(dir, "master_sign.pem")))
	if _, err := LoadMasterKeys(opts); !errors.Is(err, ErrSignedNewline) {
		t.Errorf("without the key: %v", err)
	}
	must(t, os.Remove(filepath.Join(dir, "master_pubkey_signature")))
	want := "Signing the master.pub key with a signature is enabled but no signature file found at the defined location " + dir + "/master_pubkey_signature"
	if _, err := LoadMasterKeys(opts); !errors.Is(err, ErrNoSignature) || err.Error() != want {
		t.Errorf("without a file: %v", err)
	}
}

func TestSignatureNames(t *testing.T) {
	for _, tt := range []struct{ configured, id, want string }{
		{"", "vm", "master_pubkey_signature vm_pubkey_signature vm_master_pubkey_signature"},
		{"master_pubkey_signature", "vm_master", "master_pubkey_signature vm_master_pubkey_signature vm_pubkey_signature"},
		{"mine", "vm", "mine"},
		{"", "", "master_pubkey_signature"},
	} {
		if got := strings.Join(SignatureNames(tt.configured, tt.id), " "); got != tt.want {
			t.Errorf("%q %q: %s, want %s", tt.configured, tt.id, got, tt.want)
		}
	}
}

// TestWriteSignature: both digests, verified file by file.
func TestWriteSignature(t *testing.T) {
	signing, public := testKey(t, "master_sign"), testKey(t, "master").Public()
	path := filepath.Join(t.TempDir(), "sig")
	before := signing.Operations()
	must(t, WriteSignature(path, signing, public, 0o400))
	if n := signing.Operations() - before; n != 2 {
		t.Errorf("%d private operations for two signatures", n)
	}
	wantMode(t, path, 0o400)
	wantMode(t, path+".sha224", 0o400)
	checks := VerifySignature(path, signing.Public(), public)
	if len(checks) != 2 || checks[0].Err != nil || checks[1].Err != nil || checks[1].Algorithm != PKCS1v15SHA224 {
		t.Errorf("%+v", checks)
	}
	for _, c := range VerifySignature(path, testKey(t, "minion").Public(), public) {
		if !errors.Is(c.Err, ErrSignature) {
			t.Errorf("another signing key: %+v", c)
		}
	}
}
