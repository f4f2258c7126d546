package pki

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
)

// MasterKeyOptions name the master's own keys; the names in brackets are Salt's options.
type MasterKeyOptions struct {
	PKIDir  string // [pki_dir]
	ID      string // [id], with or without its suffix "_master"; "" = only master.pem is looked for
	KeySize int    // [keysize] bits of a key that is made; 0 = 2048
	KeyPass []byte // [key_pass]

	SignPubKey          bool   // [master_sign_pubkey]
	SignKeyName         string // [master_sign_key_name]; "" = master_sign
	SignKeyPass         []byte // [signing_key_pass]
	UsePubKeySignature  bool   // [master_use_pubkey_signature]
	PubKeySignatureFile string // [master_pubkey_signature]; "" = master_pubkey_signature or <id>_pubkey_signature

	Log *slog.Logger // nil = silent; told about keys that were made
}

// MasterKeys are the key pairs a master presents (spec: auth §5.4, §8.1). Safe for concurrent use.
type MasterKeys struct {
	Master  *PrivateKey
	Signing *PrivateKey // nil unless SignPubKey is set and no prepared signature is used

	signature *pubKeySignature // nil unless SignPubKey is set
}

// LoadMasterKeys reads the master's keys and makes those that are missing.
//
// The master key is <id>.pem if it exists, else master.pem; a new one is master.pem (0400) and
// master.pub (0644), encrypted when KeyPass is set. 3008 moves the pair to <id>.* and leaves links; both
// layouts are read, and a link is followed but never replaced: one that leads nowhere is an error. A
// missing .pub is written, one that belongs to another key is an error.
//
// With SignPubKey the signing pair is treated the same way, or, with UsePubKeySignature, a prepared
// signature is read instead and the private signing key is not needed: it must verify against the cleaned
// text of the public key, as minions compare it, else LoadMasterKeys fails and says what was signed. Only a
// signature over the text with its final newline, which stock's salt-key makes, is put right: where the
// private signing key is at hand, LoadMasterKeys says so in the log and signs itself.
func LoadMasterKeys(opts MasterKeyOptions) (*MasterKeys, error) {
	if opts.KeySize == 0 {
		opts.KeySize = 2048
	}
	if opts.SignKeyName == "" {
		opts.SignKeyName = "master_sign"
	}
	opts.ID = strings.TrimSuffix(opts.ID, "_master")
	for _, name := range []string{opts.ID, opts.SignKeyName, opts.PubKeySignatureFile} {
		if name != "" && CheckID(name) != nil {
			return nil, fmt.Errorf("master keys: %q cannot be a file name in pki_dir", name)
		}
	}
	if err := preparePKIDir(opts.PKIDir); err != nil {
		return nil, err
	}
	name := "master"
	if opts.ID != "" && exists(filepath.Join(opts.PKIDir, opts.ID+".pem")) {
		name = opts.ID
	}
	keys := new(MasterKeys)
	var err error
	if keys.Master, err = opts.pair(name, opts.KeyPass); err != nil {
		return nil, err
	}
	if !opts.SignPubKey {
		return keys, nil
	}
	if opts.UsePubKeySignature {
		keys.signature, err = opts.prepared(keys.Master.Public())
		if !errors.Is(err, ErrSignedNewline) || !exists(filepath.Join(opts.PKIDir, opts.SignKeyName+".pem")) {
			return keys, err
		}
		if opts.Log != nil {
			opts.Log.Warn("Prepared public key signature is of no use, signing with the private key instead", "err", err)
		}
	}
	if keys.Signing, err = opts.pair(opts.SignKeyName, opts.SignKeyPass); err != nil {
		return nil, err
	}
	keys.signature = &pubKeySignature{signing: keys.Signing, public: keys.Master.Public()}
	return keys, nil
}

// PubKeySignature returns the value of pub_sig for a request with that signature algorithm: base64 of a
// signature over the cleaned public key. It is "" without SignPubKey. Signed at run time it ends in "\n"
// and is computed once per algorithm; a prepared one has no newline, and where none is prepared for alg
// the error is ErrNoSignature (spec: auth §5.4).
func (m *MasterKeys) PubKeySignature(alg SigAlgorithm) (string, error) {
	if m.signature == nil {
		return "", nil
	}
	return m.signature.value(alg)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// pair loads <name>.pem, or makes the pair when nothing of that name is there.
func (o *MasterKeyOptions) pair(name string, pass []byte) (*PrivateKey, error) {
	private, public := filepath.Join(o.PKIDir, name+".pem"), filepath.Join(o.PKIDir, name+".pub")
	if _, err := os.Lstat(private); errors.Is(err, fs.ErrNotExist) {
		if exists(public) {
			return nil, fmt.Errorf("%s exists but %s does not: restore the private key, or remove the public key to make a new pair", public, private)
		}
		return o.makePair(private, public, pass)
	}
	key, err := LoadPrivateKey(private, pass)
	if err != nil {
		return nil, err
	}
	text, err := readKeyFile(public)
	if errors.Is(err, fs.ErrNotExist) && !exists(public) {
		return key, writeFile(public, key.Public().PEM(), 0o644, powerProof)
	}
	if err != nil {
		return nil, fmt.Errorf("load public key: %w", err)
	}
	stored, err := ParsePublicKey(text)
	if err != nil {
		return nil, fmt.Errorf("load public key %s: %w", public, err)
	}
	if !stored.Equal(key.Public()) {
		return nil, fmt.Errorf("%s is not the public half of %s", public, private)
	}
	return key, nil
}

func (o *MasterKeyOptions) makePair(private, public string, pass []byte) (*PrivateKey, error) {
	key, err := GenerateKey(o.KeySize)
	if err != nil {
		return nil, err
	}
	if err := WriteKeyPair(private, public, key, pass); err != nil {
		return nil, err
	}
	if o.Log != nil {
		o.Log.Info("Made key pair", "path", private, "bits", o.KeySize)
	}
	return key, nil
}

// WritePublicKey writes a public key file in one step, with exactly mode.
func WritePublicKey(path string, key *PublicKey, mode fs.FileMode) error {
	return writeFile(path, key.PEM(), mode, powerProof)
}

// WriteKeyPair writes a pair as Salt does: the private key as PKCS#1 PEM with mode 0400, encrypted when
// pass is not empty, and the public key with mode 0644. Each file is replaced in one step; the private
// one comes first, so that a crash never leaves a public key without it.
func WriteKeyPair(private, public string, key *PrivateKey, pass []byte) error {
	text := key.PEM()
	if len(pass) > 0 {
		var err error
		if text, err = key.EncryptedPEM(pass); err != nil {
			return err
		}
	}
	if err := writeFile(private, text, modePrivate, powerProof); err != nil {
		return err
	}
	return writeFile(public, key.Public().PEM(), 0o644, powerProof)
}
