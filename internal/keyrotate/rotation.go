package keyrotate

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/saltern-io/saltern/pki"
)

// subdir of pki_dir holds what is not in use. No release of stock Salt looks into it.
const subdir = "saltern-rotation"

// marker exists while a switch or rollback is under way; it holds the fingerprint of the key that is to be in use.
const marker = "under-way"

// Errors that callers decide on.
var (
	ErrState  = errors.New("not possible in this state of the rotation")
	ErrUnsafe = errors.New("minions would be left behind")
)

// Dir is a master's pki_dir and what its configuration says about keys; the names in brackets are Salt's options.
type Dir struct {
	Path          string // [pki_dir]
	ID            string // [id] without its suffix "_master"; "" = master.pem only
	KeyPass       []byte // [key_pass]
	KeySize       int    // [keysize]; 0 = 2048
	SignPubKey    bool   // [master_sign_pubkey]
	SignKeyName   string // [master_sign_key_name]
	SignKeyPass   []byte // [signing_key_pass]
	Prepared      bool   // [master_use_pubkey_signature]
	SignatureFile string // [master_pubkey_signature], a name in pki_dir
}

// State of a rotation.
type State uint8

// The states, in the order of their coming.
const (
	Idle     State = iota // nothing prepared, nothing kept
	Prepared              // a next pair lies beside the one in use
	UnderWay              // a switch or rollback was interrupted
	Switched              // the next pair is in use, the previous one kept
)

// String is the state as one word.
func (s State) String() string { return [...]string{"idle", "prepared", "under way", "switched"}[s] }

// Status is what lies there.
type Status struct {
	State             State
	Current           string // fingerprints, SHA-256 of the key body as minions show it; "" = no such key
	Next, Previous    string
	NextSigned        bool // a signature of the next key lies beside it and is good, as far as that can be told here
	CanSign           bool // the signing key is on this host
	NextPublic        string
	MinionsVerify     bool // master_sign_pubkey is on, so minions with verify_master_pubkey_sign take a new key
	SignatureMustHave bool // master_use_pubkey_signature is on, so a switch needs NextSigned
}

// Status looks at the directory.
func (d Dir) Status() (Status, error) {
	s := Status{MinionsVerify: d.SignPubKey, SignatureMustHave: d.SignPubKey && d.Prepared}
	for _, one := range []struct {
		set  files
		into *string
	}{{d.current(), &s.Current}, {d.set("next"), &s.Next}, {d.set("previous"), &s.Previous}} {
		text, err := read(one.set[".pub"])
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return s, err
		}
		if *one.into, err = pki.Fingerprint(text, "sha256"); err != nil {
			return s, err
		}
	}
	if d.underWay() == "" {
		// What an end was interrupted in removing is a copy of the pair in use.
		if s.Next == s.Current {
			s.Next = ""
		}
		if s.Previous == s.Current {
			s.Previous = ""
		}
	}
	_, err := os.Stat(d.signing() + ".pem")
	s.CanSign = err == nil
	switch {
	case d.underWay() != "":
		s.State = UnderWay
	case s.Next != "":
		s.State = Prepared
	case s.Previous != "":
		s.State = Switched
	}
	if s.Next != "" {
		s.NextPublic = d.set("next")[".pub"]
		s.NextSigned = d.checkSignature(d.set("next")) == nil
	}
	return s, nil
}

func (d Dir) signing() string { return filepath.Join(d.Path, d.SignKeyName) }

func (d Dir) underWay() string {
	text, err := os.ReadFile(filepath.Join(d.Path, subdir, marker))
	if err != nil {
		return ""
	}
	return string(text)
}

// Prepare makes the next pair beside the one in use, and signs it when the signing key is on this host. ErrState when
// one is prepared already, or a switch is not finished.
func (d Dir) Prepare() error {
	s, err := d.Status()
	if err != nil {
		return err
	}
	if s.State != Idle {
		return fmt.Errorf("prepare: %w: %s", ErrState, s.State)
	}
	if s.Current == "" {
		return fmt.Errorf("prepare: %w: %s holds no master key, start the master once", ErrState, d.Path)
	}
	size := d.KeySize
	if size == 0 {
		size = 2048
	}
	key, err := pki.GenerateKey(size)
	if err != nil {
		return err
	}
	dir := filepath.Join(d.Path, subdir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := ownLike(dir, d.Path); err != nil {
		return err
	}
	next := d.set("next")
	if err := pki.WriteKeyPair(next[".pem"], next[".pub"], key, d.KeyPass); err != nil {
		return err
	}
	if !s.CanSign {
		return nil
	}
	return d.Sign(d.signing() + ".pem")
}

// Sign makes the signatures of the next key with the signing key in a file, which need not be in pki_dir.
func (d Dir) Sign(signingKey string) error {
	next := d.set("next")
	public, err := next.public()
	if err != nil {
		return err
	}
	if public == nil {
		return fmt.Errorf("sign: %w: no next key is prepared", ErrState)
	}
	key, err := pki.LoadPrivateKey(signingKey, d.SignKeyPass)
	if err != nil {
		return err
	}
	for suffix, alg := range signatures {
		text, err := pki.Presign(key, public, alg)
		if err != nil {
			return err
		}
		if err := write(next[suffix], []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

var signatures = map[string]pki.SigAlgorithm{sigSuffix: pki.PKCS1v15SHA1, sha224Suffix: pki.PKCS1v15SHA224}

// checkSignature verifies the prepared signature of a set with the signing key's public half, which minions hold.
func (d Dir) checkSignature(set files) error {
	text, err := read(set[sigSuffix])
	if err != nil {
		return fmt.Errorf("no signature: %w", err)
	}
	sig, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		return fmt.Errorf("signature %s: not base64", set[sigSuffix])
	}
	verifier, err := pki.LoadPublicKey(d.signing() + ".pub")
	if errors.Is(err, fs.ErrNotExist) {
		return nil // cannot be told here
	}
	if err != nil {
		return err
	}
	public, err := set.public()
	if err != nil || public == nil {
		return errors.Join(err, fs.ErrNotExist)
	}
	if err := verifier.Verify(pki.PKCS1v15SHA1, []byte(public.Clean()), sig); err != nil {
		return fmt.Errorf("signature %s does not fit %s: %w", set[sigSuffix], d.SignKeyName+".pub", err)
	}
	return nil
}
