package syndic

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/pki"
)

const (
	minionKeyFile   = "minion.pem"
	minionPubFile   = "minion.pub"
	commonPinFile   = "syndic_master.pub" // stock's: one key for all masters of masters
	maxPubSigLength = 4096
)

// loadIdentity reads the minion's key pair, or makes one as a minion would.
func loadIdentity(cfg *config.Syndic) (*identity, error) {
	enc, err := pki.ParseEncAlgorithm(cfg.EncryptionAlgorithm)
	if err != nil {
		return nil, fmt.Errorf("encryption_algorithm: %w", err)
	}
	sig, err := pki.ParseSigAlgorithm(cfg.SigningAlgorithm)
	if err != nil {
		return nil, fmt.Errorf("signing_algorithm: %w", err)
	}
	path := filepath.Join(cfg.PKIDir, minionKeyFile)
	key, err := pki.LoadPrivateKey(path, nil)
	if errors.Is(err, fs.ErrNotExist) {
		key, err = makeKeyPair(cfg.PKIDir, cfg.KeySize)
	}
	if err != nil {
		return nil, fmt.Errorf("load the syndic's key: %w", err)
	}
	tok, err := pki.Tok(key)
	if err != nil {
		return nil, err
	}
	return &identity{id: cfg.ID, key: key, tok: tok, encAlg: enc, sigAlg: sig}, nil
}

// makeKeyPair makes the pair in a way that a minion on this host which starts at the same time cannot
// be overwritten by: whoever is second takes the pair of the first.
func makeKeyPair(dir string, bits int) (*pki.PrivateKey, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	key, err := pki.GenerateKey(bits)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, minionKeyFile)
	fresh := path + ".new"
	if err := writeFile(fresh, key.PEM(), 0o400); err != nil {
		return nil, err
	}
	err = errors.Join(os.Link(fresh, path), os.Remove(fresh))
	if errors.Is(err, fs.ErrExist) {
		return pki.LoadPrivateKey(path, nil)
	}
	if err != nil {
		return nil, err
	}
	return key, writeFile(filepath.Join(dir, minionPubFile), key.Public().PEM(), 0o644)
}

// pins keeps the key of each master of masters. Stock has one file for all of them, and so cannot
// serve two with different keys; here each has its own, and stock's file is read as the pin of
// every master that has none (spec: syndic §3).
type pins struct{ dir string }

func (p pins) path(u config.Upstream) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '-':
			return r
		}
		return '_'
	}, u.Host)
	return filepath.Join(p.dir, fmt.Sprintf("syndic_master_%s_%d.pub", name, u.Port))
}

// load returns the pinned key of u, nil on first contact.
func (p pins) load(u config.Upstream) (*pki.PublicKey, error) {
	for _, path := range []string{p.path(u), filepath.Join(p.dir, commonPinFile)} {
		key, err := pki.LoadPublicKey(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read the pinned key of %s: %w", u.Entry, err)
		}
		return key, nil
	}
	return nil, nil
}

// store pins the key of u when that is news.
func (p pins) store(u config.Upstream, pinned, key *pki.PublicKey) error {
	if pinned != nil && pinned.Equal(key) {
		return nil
	}
	return writeFile(p.path(u), []byte(key.Clean()), 0o644)
}

// loadAcceptance reads the signing key when the minion file asks for signed master keys.
func loadAcceptance(cfg *config.Syndic) (acceptance, error) {
	if !cfg.VerifyMasterPubKeySign {
		return acceptance{}, nil
	}
	key, err := pki.LoadPublicKey(filepath.Join(cfg.PKIDir, cfg.MasterSignKeyName+".pub"))
	if err != nil {
		return acceptance{}, fmt.Errorf("verify_master_pubkey_sign: %w", err)
	}
	return acceptance{signing: key, alwaysVerify: cfg.AlwaysVerifySignature}, nil
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

// checkFinger compares syndic_finger (or master_finger) with the key, "" demands nothing.
func checkFinger(want, hash string, key *pki.PublicKey) error {
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

// writeFile puts a file in place whole.
func writeFile(path string, data []byte, mode fs.FileMode) error {
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
