package pki

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// Presign returns the text of a master_pubkey_signature file for the public key: base64 on one line with a
// final newline. It signs the cleaned text, which is what minions verify; stock `salt-key
// --gen-signature` signs the file with its newline, which no minion accepts (spec: key-management-cli §6.4).
func Presign(signing *PrivateKey, public *PublicKey, alg SigAlgorithm) (string, error) {
	sig, err := signing.Sign(alg, []byte(public.Clean()))
	if err != nil {
		return "", fmt.Errorf("sign public key: %w", err)
	}
	return base64.StdEncoding.EncodeToString(sig) + "\n", nil
}

// pubKeySignature is the source of pub_sig: a signing key, or prepared texts.
type pubKeySignature struct {
	signing *PrivateKey
	public  *PublicKey

	mu    sync.Mutex
	texts map[SigAlgorithm]string
}

func (p *pubKeySignature) value(alg SigAlgorithm) (string, error) {
	if alg == "" {
		alg = PKCS1v15SHA1
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if text, ok := p.texts[alg]; ok {
		return text, nil
	}
	if p.signing == nil {
		return "", fmt.Errorf("%s: %w", alg, ErrNoSignature)
	}
	text, err := Presign(p.signing, p.public, alg)
	if err != nil {
		return "", err
	}
	if p.texts == nil {
		p.texts = make(map[SigAlgorithm]string)
	}
	p.texts[alg] = text
	return text, nil
}

// signatureSuffixes are the files of a prepared signature: one per digest. Stock Salt knows the first.
var signatureSuffixes = []struct {
	suffix string
	alg    SigAlgorithm
}{{"", PKCS1v15SHA1}, {".sha224", PKCS1v15SHA224}}

// WriteSignature writes what Presign returns for SHA-1 to path, and for SHA-224, which minions with
// signing_algorithm PKCS1v15-SHA224 ask for, to path with the suffix ".sha224" (spec: key-management-cli
// §6.4). Each file is replaced in one step, the extra one first, so that a path that exists is complete.
func WriteSignature(path string, signing *PrivateKey, public *PublicKey, mode fs.FileMode) error {
	for _, s := range slices.Backward(signatureSuffixes) {
		text, err := Presign(signing, public, s.alg)
		if err != nil {
			return err
		}
		if err := writeFile(path+s.suffix, []byte(text), mode, powerProof); err != nil {
			return err
		}
	}
	return nil
}

// SignatureCheck is the verdict on one file of a prepared signature.
type SignatureCheck struct {
	Path      string
	Algorithm SigAlgorithm
	Err       error // nil: minions that ask for Algorithm accept it
	text      string
}

// VerifySignature checks the signature at path, and the one with the suffix ".sha224" when it exists,
// against the cleaned text of public. A nil verifier checks the form only. Errors are ErrSignedNewline,
// ErrSignature, or why a file cannot be read.
func VerifySignature(path string, verifier, public *PublicKey) []SignatureCheck {
	var checks []SignatureCheck
	for _, s := range signatureSuffixes {
		c := SignatureCheck{Path: path + s.suffix, Algorithm: s.alg}
		raw, err := readKeyFile(c.Path)
		if errors.Is(err, fs.ErrNotExist) && s.suffix != "" {
			continue
		}
		c.text, c.Err = CleanKey(string(raw)), err
		if err == nil {
			c.Err = verifyPrepared(verifier, c.text, s.alg, public)
		}
		checks = append(checks, c)
	}
	return checks
}

func verifyPrepared(verifier *PublicKey, text string, alg SigAlgorithm, public *PublicKey) error {
	sig, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return fmt.Errorf("not base64: %w", ErrSignature)
	}
	if verifier == nil {
		return nil
	}
	err = verifier.Verify(alg, []byte(public.Clean()), sig)
	if err == nil {
		return nil
	}
	for _, untrimmed := range []string{public.Clean() + "\n", string(public.PEM())} {
		if verifier.Verify(alg, []byte(untrimmed), sig) == nil {
			return ErrSignedNewline
		}
	}
	return fmt.Errorf("it is not the signature of this public key by this signing key (%s): %w", alg, err)
}

// prepared reads the prepared signature and verifies it with the signing key's public half.
func (o *MasterKeyOptions) prepared(public *PublicKey) (*pubKeySignature, error) {
	path, err := o.signaturePath()
	if err != nil {
		return nil, err
	}
	verifier, err := o.verifier()
	if err != nil {
		return nil, err
	}
	texts := make(map[SigAlgorithm]string)
	for _, c := range VerifySignature(path, verifier, public) {
		if c.Err != nil {
			return nil, fmt.Errorf("prepared public key signature %s: %w", c.Path, c.Err)
		}
		texts[c.Algorithm] = c.text
	}
	return &pubKeySignature{public: public, texts: texts}, nil
}

// SignatureNames are the file names a prepared signature may have in pki_dir, in the order they are
// looked for: the value of master_pubkey_signature, or, when that is empty or the default of 3006 and
// 3007, also the names of 3008 for the master's id (spec: key-management-cli §6.3).
func SignatureNames(configured, id string) []string {
	const usual = "master_pubkey_signature"
	if configured != "" && configured != usual {
		return []string{configured}
	}
	names := []string{usual}
	for _, id := range []string{id, strings.TrimSuffix(id, "_master"), strings.TrimSuffix(id, "_master") + "_master"} {
		if name := id + "_pubkey_signature"; strings.TrimSuffix(id, "_master") != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// signaturePath finds the file of the prepared signature.
func (o *MasterKeyOptions) signaturePath() (string, error) {
	names := SignatureNames(o.PubKeySignatureFile, o.ID)
	for _, name := range names {
		if path := filepath.Join(o.PKIDir, name); exists(path) {
			return path, nil
		}
	}
	return "", &noSignatureFile{filepath.Join(o.PKIDir, names[0])}
}

// noSignatureFile is ErrNoSignature in stock's words.
type noSignatureFile struct{ path string }

func (e *noSignatureFile) Error() string {
	return "Signing the master.pub key with a signature is enabled but no signature file found at the defined location " + e.path
}

func (e *noSignatureFile) Unwrap() error { return ErrNoSignature }

// verifier returns the public half of the signing key, nil when it is not on this host.
func (o *MasterKeyOptions) verifier() (*PublicKey, error) {
	public := filepath.Join(o.PKIDir, o.SignKeyName+".pub")
	if exists(public) {
		return LoadPublicKey(public)
	}
	private := filepath.Join(o.PKIDir, o.SignKeyName+".pem")
	if exists(private) {
		key, err := LoadPrivateKey(private, o.SignKeyPass)
		if err != nil {
			return nil, err
		}
		return key.Public(), nil
	}
	if o.Log != nil {
		o.Log.Warn("Prepared public key signature cannot be verified: the signing key is not here", "path", public)
	}
	return nil, nil
}
