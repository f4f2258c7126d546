package keyrotate

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/saltern-io/saltern/pki"
)

var keys = [2]func() *pki.PrivateKey{sync.OnceValue(newKey), sync.OnceValue(newKey)}

func newKey() *pki.PrivateKey {
	key, err := pki.GenerateKey(2048)
	if err != nil {
		panic(err)
	}
	return key
}

// newDir is a pki_dir with a master key, and with a signing key unless it is kept elsewhere.
func newDir(t *testing.T, name string, signing bool) Dir {
	t.Helper()
	d := Dir{Path: t.TempDir(), ID: "m1", SignKeyName: "master_sign", SignPubKey: true, Prepared: true, SignatureFile: "master_pubkey_signature"}
	pair := func(name string, key *pki.PrivateKey) {
		t.Helper()
		base := filepath.Join(d.Path, name)
		if err := pki.WriteKeyPair(base+".pem", base+".pub", key, nil); err != nil {
			t.Fatal(err)
		}
	}
	pair(name, keys[0]())
	if signing {
		pair("master_sign", keys[1]())
	}
	return d
}

func (d Dir) options() pki.MasterKeyOptions {
	return pki.MasterKeyOptions{
		PKIDir: d.Path, ID: d.ID, SignPubKey: d.SignPubKey, SignKeyName: d.SignKeyName,
		UsePubKeySignature: d.Prepared, PubKeySignatureFile: d.SignatureFile,
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func status(t *testing.T, d Dir) Status {
	t.Helper()
	s, err := d.Status()
	must(t, err)
	return s
}

func TestRotation_wholeWay(t *testing.T) {
	for _, name := range []string{"master", "m1"} {
		t.Run(name, func(t *testing.T) {
			d := newDir(t, name, true)
			before := status(t, d)
			if before.State != Idle || !before.CanSign {
				t.Fatalf("%+v", before)
			}
			must(t, d.Prepare())
			prepared := status(t, d)
			if prepared.State != Prepared || prepared.Current != before.Current || prepared.Next == "" || !prepared.NextSigned {
				t.Fatalf("%+v", prepared)
			}
			if err := d.Prepare(); !errors.Is(err, ErrState) {
				t.Errorf("prepared twice: %v", err)
			}
			must(t, d.Switch(false))
			switched := status(t, d)
			if switched.State != Switched || switched.Current != prepared.Next || switched.Previous != before.Current {
				t.Fatalf("%+v", switched)
			}
			loaded, err := pki.LoadMasterKeys(d.options()) // pair and signature fit
			must(t, err)
			if sig, err := loaded.PubKeySignature(pki.PKCS1v15SHA224); err != nil || sig == "" {
				t.Errorf("SHA-224: %q, %v", sig, err)
			}
			if info, err := os.Stat(filepath.Join(d.Path, name+".pem")); err != nil || info.Mode().Perm() != 0o400 {
				t.Errorf("%v, %v", info.Mode(), err)
			}
			must(t, d.Rollback())
			if s := status(t, d); s.State != Prepared || s.Current != before.Current || s.Next != prepared.Next {
				t.Fatalf("%+v", s)
			}
			must(t, d.Switch(false))
			must(t, d.Finish())
			if s := status(t, d); s.State != Idle || s.Current != prepared.Next {
				t.Fatalf("%+v", s)
			}
			if err := d.Rollback(); !errors.Is(err, ErrState) {
				t.Errorf("rolled back after the end: %v", err)
			}
		})
	}
}

// TestRotation_signatureByID: the signature may have the name that 3008 gives it; that file is renewed, and no other made.
func TestRotation_signatureByID(t *testing.T) {
	d := newDir(t, "m1", true)
	byID := filepath.Join(d.Path, "m1_pubkey_signature")
	must(t, os.WriteFile(byID, []byte("of the old key"), 0o644))
	must(t, d.Prepare())
	must(t, d.Switch(false))
	_, err := pki.LoadMasterKeys(d.options())
	must(t, err)
	if text, err := os.ReadFile(byID); err != nil || string(text) == "of the old key" {
		t.Errorf("the signature is still %q, %v", text, err)
	}
	if _, err := os.Lstat(filepath.Join(d.Path, d.SignatureFile)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a second signature: %v", err)
	}
}

func TestRotation_unsafeSwitchesAreRefused(t *testing.T) {
	d := newDir(t, "master", false)
	must(t, d.Prepare())
	if s := status(t, d); s.NextSigned || s.CanSign {
		t.Fatalf("%+v", s)
	}
	if err := d.Switch(false); !errors.Is(err, ErrUnsafe) || !strings.Contains(err.Error(), "master_use_pubkey_signature") {
		t.Errorf("without a signature: %v", err)
	}
	elsewhere := filepath.Join(t.TempDir(), "sign.pem")
	must(t, os.WriteFile(elsewhere, keys[1]().PEM(), 0o400))
	must(t, os.WriteFile(filepath.Join(d.Path, "master_sign.pub"), keys[0]().Public().PEM(), 0o644)) // what minions hold is another one
	must(t, d.Sign(elsewhere))
	if err := d.Switch(false); !errors.Is(err, ErrUnsafe) || !strings.Contains(err.Error(), "does not fit") {
		t.Errorf("with a foreign signature: %v", err)
	}
	must(t, os.WriteFile(filepath.Join(d.Path, "master_sign.pub"), keys[1]().Public().PEM(), 0o644))
	plain := d
	plain.SignPubKey = false
	if err := plain.Switch(false); !errors.Is(err, ErrUnsafe) {
		t.Errorf("without master_sign_pubkey: %v", err)
	}
	must(t, plain.Switch(true))
	if s := status(t, d); s.State != Switched {
		t.Errorf("%+v", s)
	}
}

// TestRotation_interrupted stops after every single step of a switch: it can be ended, and it can be taken back.
func TestRotation_interrupted(t *testing.T) {
	for _, end := range []struct {
		name string
		run  func(Dir) error
		want func(before, after Status) bool
	}{
		{"ended", func(d Dir) error { return d.Switch(false) }, func(b, a Status) bool { return a.Current == b.Next && a.Previous == b.Current }},
		{"taken back", Dir.Rollback, func(b, a Status) bool { return a.Current == b.Current && a.Next == b.Next }},
	} {
		for steps := 0; steps <= len(suffixes); steps++ {
			d := newDir(t, "master", true)
			must(t, d.Prepare())
			before := status(t, d)
			must(t, d.current().copyTo(d.set("previous")))
			must(t, write(filepath.Join(d.Path, subdir, marker), []byte(before.Next), 0o600))
			for _, s := range suffixes[:steps] {
				text, err := read(d.set("next")[s])
				must(t, err)
				must(t, write(d.current()[s], text, 0o600))
			}
			if s := status(t, d); s.State != UnderWay {
				t.Fatalf("%d steps: %+v", steps, s)
			}
			must(t, end.run(d))
			if after := status(t, d); !end.want(before, after) {
				t.Errorf("%s after %d steps: %+v, before %+v", end.name, steps, after, before)
			}
			if end.name == "ended" {
				if _, err := pki.LoadMasterKeys(d.options()); err != nil {
					t.Errorf("%d steps: %v", steps, err)
				}
			}
		}
	}
}

// TestRotation_restOfAnEnd: the copy of the pair in use that a crash at the very end leaves is no prepared pair.
func TestRotation_restOfAnEnd(t *testing.T) {
	d := newDir(t, "master", true)
	must(t, d.Prepare())
	must(t, d.Switch(false))
	must(t, d.current().copyTo(d.set("next")))
	if s := status(t, d); s.State != Switched || s.Next != "" {
		t.Errorf("%+v", s)
	}
	must(t, d.Finish())
	if _, err := os.Stat(filepath.Join(d.Path, subdir)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("rest: %v", err)
	}
}

func TestDiscard(t *testing.T) {
	d := newDir(t, "master", true)
	if err := d.Discard(); !errors.Is(err, ErrState) {
		t.Errorf("nothing there: %v", err)
	}
	must(t, d.Prepare())
	must(t, d.Discard())
	if s := status(t, d); s.State != Idle {
		t.Errorf("%+v", s)
	}
}

func TestRequestRotation(t *testing.T) {
	dir := t.TempDir()
	for range 2 { // the second finds the flag and leaves it
		must(t, RequestAESRotation(dir, "m1_master"))
		text, err := os.ReadFile(filepath.Join(dir, ".dfn"))
		info, _ := os.Stat(filepath.Join(dir, ".dfn"))
		if err != nil || string(text) != "m1_master" || info.Mode().Perm() != 0o400 {
			t.Errorf("%q, %v, %v", text, info.Mode(), err)
		}
	}
}
