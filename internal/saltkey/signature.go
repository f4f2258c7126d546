package saltkey

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/saltern-io/saltern/internal/cliargs"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/pki"
)

// makeSignature is --gen-signature: it signs the text of the master's public key as the wire carries it,
// once per digest (spec: key-management-cli §6.3, §6.4).
func (t *tool) makeSignature() error {
	public, private := t.publicPath(), t.private
	switch {
	case t.public != "" && !isFile(t.public):
		return t.notSigned("Public-key %s does not exist", t.public)
	case t.private != "" && !isFile(t.private):
		return t.notSigned("Private-key %s does not exist", t.private)
	}
	if private == "" {
		private = t.signingKeyPath()
	}
	if private == "" && t.autoCreate {
		private = filepath.Join(t.cfg.PKIDir, t.cfg.MasterSignKeyName+".pem")
		if _, err := t.pair(strings.TrimSuffix(private, ".pem")); err != nil {
			return err
		}
	}
	switch {
	case private == "":
		return t.notSigned("No usable private-key found")
	case public == "":
		return t.notSigned("No usable public-key found")
	}
	signing, err := pki.LoadPrivateKey(private, []byte(t.cfg.SigningKeyPass))
	if err != nil {
		return err
	}
	key, err := pki.LoadPublicKey(public)
	if err != nil {
		return err
	}
	written, err := t.writeSignature(signing, key)
	if err != nil {
		return err
	}
	t.refused = !written
	return t.returned(written)
}

func (t *tool) notSigned(format string, args ...any) error {
	t.refused = true
	return t.returned(fmt.Sprintf(format, args...))
}

// publicPath is the master's public key: --pub, else that of pki_dir, "" when there is none.
func (t *tool) publicPath() string {
	if t.public != "" {
		return t.public
	}
	for _, name := range []string{"master", strings.TrimSuffix(t.cfg.ID, "_master")} {
		if path := filepath.Join(t.cfg.PKIDir, name+".pub"); isFile(path) {
			return path
		}
	}
	return ""
}

// signingKeyPath finds the private signing key in pki_dir, "" when it is not there. Stock looks for
// master_sign.pem only, whatever master_sign_key_name says.
func (t *tool) signingKeyPath() string {
	for _, name := range []string{t.cfg.MasterSignKeyName, "master_sign"} {
		if path := filepath.Join(t.cfg.PKIDir, name+".pem"); isFile(path) {
			return path
		}
	}
	return ""
}

// signatureName is the file name that a master of this release line looks for.
func (t *tool) signatureName() string {
	if v, ok := t.cfg.Raw.Get("master_pubkey_signature").Text(); ok && v != "" {
		return v
	}
	if t.mode.signatureByID {
		return t.cfg.ID + "_pubkey_signature"
	}
	return "master_pubkey_signature"
}

// writeSignature writes one file per digest. A signature that is there stays without --force.
func (t *tool) writeSignature(signing *pki.PrivateKey, key *pki.PublicKey) (bool, error) {
	dir := t.signatureDir
	if dir == "" {
		dir = t.cfg.PKIDir
	}
	path := filepath.Join(dir, t.signatureName())
	if t.mode.makesSignatureDir {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return false, err
		}
	} else if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("[Errno 2] No such file or directory: '%s'", path)
	}
	if _, err := os.Lstat(path); err == nil && !t.force {
		return false, t.sayExisting(path, signing.Public(), key)
	}
	if err := t.openAudit(); err != nil {
		return false, err
	}
	k := keyID{pki.None, filepath.Base(path)}
	if err := t.record("sign", k, pki.None, key.PEM()); err != nil {
		return false, err
	}
	if err := pki.WriteSignature(path, signing, key, t.publicMode()); err != nil {
		return false, errors.Join(err, t.recordFailure("sign", k, err))
	}
	return true, t.audit.sync()
}

// sayExisting says that a signature is there, and when it is of no use.
func (t *tool) sayExisting(path string, verifier, key *pki.PublicKey) error {
	if t.mode.namesRefused || t.mode.hints {
		t.complain("%s already exists at expected location", filepath.Base(path))
	}
	if !t.mode.hints {
		return nil
	}
	for _, c := range pki.VerifySignature(path, verifier, key) {
		if c.Err != nil {
			t.complain("%s: %v; --force makes it again", c.Path, c.Err)
		}
	}
	return nil
}

// verifySignature is --verify-signature: whether minions accept what --gen-signature, stock's or this
// one, wrote. It needs the public half of the signing key only.
func (t *tool) verifySignature() error {
	public := t.publicPath()
	if public == "" || !isFile(public) {
		return fmt.Errorf("no public key to verify: %s", public)
	}
	key, err := pki.LoadPublicKey(public)
	if err != nil {
		return err
	}
	verifier, err := t.verifier()
	if err != nil {
		return err
	}
	dir := t.signatureDir
	if dir == "" {
		dir = t.cfg.PKIDir
	}
	path := filepath.Join(dir, t.signatureName())
	for _, name := range pki.SignatureNames(t.cfg.MasterPubKeySignature, t.cfg.ID) {
		if !isFile(path) && isFile(filepath.Join(dir, name)) {
			path = filepath.Join(dir, name)
		}
	}
	result, bad := wire.NewMap(), false
	for _, c := range pki.VerifySignature(path, verifier, key) {
		if c.Err == nil {
			result.Set(c.Path, "valid for minions with "+string(c.Algorithm))
			continue
		}
		result.Set(c.Path, c.Err.Error())
		bad = true
	}
	if err := t.returned(result); err != nil {
		return err
	}
	if bad {
		return cliargs.Exit(exitFailed)
	}
	return nil
}

// verifier is the public half of the signing key: of --priv, which may name either half, else of the
// pair in pki_dir.
func (t *tool) verifier() (*pki.PublicKey, error) {
	base := filepath.Join(t.cfg.PKIDir, t.cfg.MasterSignKeyName)
	if t.private != "" {
		base = strings.TrimSuffix(strings.TrimSuffix(t.private, ".pem"), ".pub")
	}
	if isFile(base + ".pub") {
		return pki.LoadPublicKey(base + ".pub")
	}
	private := base + ".pem"
	if t.private != "" && !isFile(private) {
		private = t.private
	}
	key, err := pki.LoadPrivateKey(private, []byte(t.cfg.SigningKeyPass))
	if err != nil {
		return nil, err
	}
	return key.Public(), nil
}

// isFile tells whether path is a file, links followed.
func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
