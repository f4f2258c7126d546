package pki

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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

// prepared reads the signature file and, when it exists, the one with the suffix ".sha224" for minions that
// ask for SHA-224, and verifies them with the signing key's public half.
func (o *MasterKeyOptions) prepared(public *PublicKey, publicPath string) (*pubKeySignature, error) {
	path, err := o.signaturePath()
	if err != nil {
		return nil, err
	}
	verifier, err := o.verifier()
	if err != nil {
		return nil, err
	}
	texts := make(map[SigAlgorithm]string)
	for suffix, alg := range map[string]SigAlgorithm{"": PKCS1v15SHA1, ".sha224": PKCS1v15SHA224} {
		raw, err := readKeyFile(path + suffix)
		if errors.Is(err, fs.ErrNotExist) && suffix != "" {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("prepared public key signature: %w", err)
		}
		texts[alg] = CleanKey(string(raw))
		if err := o.verifyPrepared(verifier, texts[alg], alg, public, publicPath); err != nil {
			return nil, fmt.Errorf("prepared public key signature %s: %w", path+suffix, err)
		}
	}
	return &pubKeySignature{public: public, texts: texts}, nil
}

// signaturePath finds the file under the configured name or one of the two default names.
func (o *MasterKeyOptions) signaturePath() (string, error) {
	const usual = "master_pubkey_signature"
	names := []string{o.PubKeySignatureFile}
	if o.PubKeySignatureFile == "" || o.PubKeySignatureFile == usual {
		names = []string{usual}
		if o.ID != "" {
			names = append(names, o.ID+"_pubkey_signature")
		}
	}
	for _, name := range names {
		if path := filepath.Join(o.PKIDir, name); exists(path) {
			return path, nil
		}
	}
	return "", fmt.Errorf("signing the master.pub key with a signature is enabled but no signature file found at the defined location %s: %w",
		filepath.Join(o.PKIDir, names[0]), ErrNoSignature)
}

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

func (o *MasterKeyOptions) verifyPrepared(verifier *PublicKey, text string, alg SigAlgorithm, public *PublicKey, publicPath string) error {
	sig, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return errors.New("not base64")
	}
	if verifier == nil {
		return nil
	}
	err = verifier.Verify(alg, []byte(public.Clean()), sig)
	if err == nil {
		return nil
	}
	if file, readErr := os.ReadFile(publicPath); readErr == nil && verifier.Verify(alg, file, sig) == nil {
		return fmt.Errorf("it signs %s including the final newline, which no minion accepts; make it again with saltern's salt-key --gen-signature: %w",
			publicPath, err)
	}
	return fmt.Errorf("it is not the signature of %s by %s (%s): %w", publicPath, o.SignKeyName+".pub", alg, err)
}
