package signin

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

// Names of the key pair's files in a pki_dir.
const (
	KeyFile = "minion.pem"
	PubFile = "minion.pub"
)

const (
	commonPinFile   = "syndic_master.pub" // stock's: one key for all masters of masters
	maxPubSigLength = 4096
)

// Options of an identity.
type Options struct {
	ID      string
	PKIDir  string // the key pair's, made when it is not there
	KeySize int    // of a new pair, bits
	EncAlg  string // as the options encryption_algorithm and signing_algorithm
	SigAlg  string
}

// Load reads the minion's key pair, or makes one as a minion would.
func Load(o Options) (*Identity, error) {
	enc, err := pki.ParseEncAlgorithm(o.EncAlg)
	if err != nil {
		return nil, fmt.Errorf("encryption_algorithm: %w", err)
	}
	sig, err := pki.ParseSigAlgorithm(o.SigAlg)
	if err != nil {
		return nil, fmt.Errorf("signing_algorithm: %w", err)
	}
	key, err := pki.LoadPrivateKey(filepath.Join(o.PKIDir, KeyFile), nil)
	if errors.Is(err, fs.ErrNotExist) {
		key, err = MakeKeyPair(o.PKIDir, o.KeySize)
	}
	if err != nil {
		return nil, fmt.Errorf("load the key to sign in with: %w", err)
	}
	tok, err := pki.Tok(key)
	if err != nil {
		return nil, err
	}
	return &Identity{ID: o.ID, Key: key, Tok: tok, EncAlg: enc, SigAlg: sig}, nil
}

// MakeKeyPair makes the pair in a way that a minion on this host which starts at the same time cannot
// be overwritten by: whoever is second takes the pair of the first.
func MakeKeyPair(dir string, bits int) (*pki.PrivateKey, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	key, err := pki.GenerateKey(bits)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, KeyFile)
	fresh := path + ".new"
	if err := WriteFile(fresh, key.PEM(), 0o400); err != nil {
		return nil, err
	}
	err = errors.Join(os.Link(fresh, path), os.Remove(fresh))
	if errors.Is(err, fs.ErrExist) {
		return pki.LoadPrivateKey(path, nil)
	}
	if err != nil {
		return nil, err
	}
	return key, WriteFile(filepath.Join(dir, PubFile), key.Public().PEM(), 0o644)
}

// Pins keeps the key of each master of masters in a pki_dir. Stock has one file for all of them, and so cannot
// serve two with different keys; here each has its own, and stock's file is read as the pin of
// every master that has none (spec: syndic §3).
type Pins struct{ Dir string }

// Path is the file of the master at host and port.
func (p Pins) Path(host string, port int) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '-':
			return r
		}
		return '_'
	}, host)
	return filepath.Join(p.Dir, fmt.Sprintf("syndic_master_%s_%d.pub", name, port))
}

// Load returns the pinned key, nil on first contact.
func (p Pins) Load(host string, port int) (*pki.PublicKey, error) {
	for _, path := range []string{p.Path(host, port), filepath.Join(p.Dir, commonPinFile)} {
		key, err := pki.LoadPublicKey(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read the pinned key of %s: %w", host, err)
		}
		return key, nil
	}
	return nil, nil
}

// Store pins the key when that is news.
func (p Pins) Store(host string, port int, pinned, key *pki.PublicKey) error {
	if pinned != nil && pinned.Equal(key) {
		return nil
	}
	return WriteFile(p.Path(host, port), []byte(key.Clean()), 0o644)
}

// LoadAcceptance reads the key that has to have signed a master's key: verify_master_pubkey_sign and always_verify_signature.
func LoadAcceptance(pkiDir, signKeyName string, always bool) (Acceptance, error) {
	key, err := pki.LoadPublicKey(filepath.Join(pkiDir, signKeyName+".pub"))
	if err != nil {
		return Acceptance{}, fmt.Errorf("verify_master_pubkey_sign: %w", err)
	}
	return Acceptance{Signing: key, AlwaysVerify: always}, nil
}

// verifyPubSig checks the signature over the master key's text.
func verifyPubSig(signing *pki.PublicKey, alg pki.SigAlgorithm, pubKey, pubSig string) error {
	if len(pubSig) > maxPubSigLength {
		return errors.New("signature of the master key is too long")
	}
	sig, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(pubSig), ""))
	if err != nil {
		return fmt.Errorf("signature of the master key: %w", err)
	}
	return signing.Verify(alg, []byte(pubKey), sig)
}

// CheckFinger compares syndic_finger (or master_finger) with the key, "" demands nothing.
func CheckFinger(want, hash string, key *pki.PublicKey) error {
	if want == "" {
		return nil
	}
	have, err := pki.Fingerprint(key.PEM(), hash)
	if err != nil {
		return err
	}
	if !strings.EqualFold(have, want) {
		return fmt.Errorf("%w: fingerprint %s, configured %s", ErrFinger, have, want)
	}
	return nil
}

// ErrFinger means that a master of masters does not have the configured fingerprint. A stock syndic
// ends with status 42 for it.
var ErrFinger = errors.New("the fingerprint of the master of masters is not the configured one")

// WriteFile puts a file in place whole.
func WriteFile(path string, data []byte, mode fs.FileMode) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // gone already when all went well
	_, err = tmp.Write(data)
	if err = errors.Join(err, tmp.Chmod(mode), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
