package check

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/pki"
)

// fewBits is the key size below which a key should be replaced.
const fewBits = 2048

func (c *checker) keys() {
	if c.has(RoleMaster) {
		c.masterKeys()
		if !c.o.Quick {
			c.minionKeys()
		}
	}
	if c.syndic != nil {
		c.syndicKeys()
	}
}

func present(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// masterKeys loads the master's keys exactly as a master does, when nothing would be made by that.
func (c *checker) masterKeys() {
	m := c.master
	base := filepath.Join(m.PKIDir, "master")
	if own := filepath.Join(m.PKIDir, strings.TrimSuffix(m.ID, "_master")); present(own + ".pem") {
		base = own
	}
	if !present(base + ".pem") {
		c.add(Finding{Level: Note, Area: AreaKeys, Where: base + ".pem", What: "there is no master key yet; the first start makes one"})
		return
	}
	key, ok := c.privateKey(base+".pem", m.KeyPass, "key_pass")
	if !ok || !c.pair(base+".pub", key) {
		return
	}
	if m.MasterSignPubKey {
		c.signingKeys(key.Public())
	}
	c.minionPin(key.Public())
}

// privateKey parses a private key and says what is wrong with it.
func (c *checker) privateKey(path, pass, option string) (*pki.PrivateKey, bool) {
	key, err := pki.LoadPrivateKey(path, []byte(pass))
	switch {
	case err == nil:
	case errors.Is(err, fs.ErrPermission):
		c.add(Finding{Level: Warning, Area: AreaKeys, Where: path, What: "cannot be read by this user", Hint: "run the check as root"})
		return nil, false
	case errors.Is(err, pki.ErrPassphrase):
		c.add(Finding{Level: Fault, Area: AreaKeys, Where: path, Option: option, What: "the passphrase is missing or wrong", Hint: "openssl pkey -noout -in " + quote(path)})
		return nil, false
	default:
		c.add(Finding{Level: Fault, Area: AreaKeys, Where: path, What: "is no usable private key: " + err.Error(), Hint: "openssl pkey -noout -in " + quote(path)})
		return nil, false
	}
	if bits := key.Public().Bits(); bits < fewBits {
		c.add(Finding{Level: Warning, Area: AreaKeys, Where: path, What: fmt.Sprintf("has only %d bits", bits), Hint: "see docs/operate/rotate-keys.md"})
	} else {
		c.ok(AreaKeys, path, "RSA, %d bits", bits)
	}
	return key, true
}

// pair checks that the public file belongs to the private key.
func (c *checker) pair(path string, key *pki.PrivateKey) bool {
	public, err := pki.LoadPublicKey(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c.add(Finding{Level: Note, Area: AreaKeys, Where: path, What: "is missing; a start writes it from the private key"})
	case err != nil:
		c.add(Finding{Level: Fault, Area: AreaKeys, Where: path, What: err.Error(), Hint: "mv " + quote(path) + " " + quote(path+".bad") + "   # it is made again from the private key"})
		return false
	case !public.Equal(key.Public()):
		c.add(Finding{
			Level: Fault, Area: AreaKeys, Where: path, What: "is not the public half of the private key beside it",
			Hint: "find out which of the two minions know (minion_master.pub there), restore it from a backup",
		})
		return false
	}
	return true
}

// signingKeys checks what pub_sig is made from (spec: key-management-cli §6).
func (c *checker) signingKeys(public *pki.PublicKey) {
	m := c.master
	base := filepath.Join(m.PKIDir, m.MasterSignKeyName)
	if !m.MasterUsePubKeySignature {
		if !present(base + ".pem") {
			c.add(Finding{Level: Note, Area: AreaKeys, Where: base + ".pem", What: "there is no signing key yet; the first start makes one, minions need its public half"})
			return
		}
		if key, ok := c.privateKey(base+".pem", m.SigningKeyPass, "signing_key_pass"); ok {
			c.pair(base+".pub", key)
		}
		return
	}
	_, err := pki.LoadMasterKeys(pki.MasterKeyOptions{
		PKIDir: m.PKIDir, ID: m.ID, KeySize: m.KeySize, KeyPass: []byte(m.KeyPass), SignPubKey: true, SignKeyName: m.MasterSignKeyName,
		SignKeyPass: []byte(m.SigningKeyPass), UsePubKeySignature: true, PubKeySignatureFile: m.MasterPubKeySignature,
	})
	if err != nil {
		c.add(Finding{
			Level: Fault, Area: AreaKeys, Option: "master_use_pubkey_signature", Where: m.Raw.Get("master_use_pubkey_signature").Pos(),
			What: err.Error(), Hint: "where the signing key is: salt-key --gen-signature",
		})
		return
	}
	c.ok(AreaKeys, filepath.Join(m.PKIDir, m.MasterPubKeySignature), "the prepared signature fits the master key")
	if present(base + ".pem") {
		c.add(Finding{
			Level: Note, Area: AreaKeys, Where: base + ".pem", What: "with a prepared signature the signing key need not be on this host",
			Hint: "move it to where signatures are made, keep only " + quote(m.MasterSignKeyName+".pub"),
		})
	}
	_ = public
}

// minionPin looks at the minion of this host: one that belongs to this master must know its key.
func (c *checker) minionPin(public *pki.PublicKey) {
	s, _, _ := config.LintSyndic(c.o.Load) // for the minion file's pki_dir; its faults are reported where a syndic is checked
	if s == nil {
		return
	}
	pin := filepath.Join(s.PKIDir, "minion_master.pub")
	known, err := pki.LoadPublicKey(pin)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return
	}
	if err != nil {
		c.add(Finding{Level: Warning, Area: AreaKeys, Where: pin, What: err.Error(), Hint: "mv " + quote(pin) + " " + quote(pin+".bad") + "   # the minion asks again"})
		return
	}
	host, ok := s.Raw.Get("master").Text()
	if known.Equal(public) {
		c.ok(AreaKeys, pin, "the minion of this host knows this master")
		return
	}
	if !ok || !localName(host) {
		return // a minion of another master
	}
	c.add(Finding{
		Level: Warning, Area: AreaKeys, Where: pin, What: "the minion of this host knows another master key and refuses this master",
		Hint: "if the key was changed on purpose: mv " + quote(pin) + " " + quote(pin+".old") + " && systemctl restart salt-minion",
	})
}

// localName reports whether a minion's master entry is this host.
func localName(entry string) bool {
	host := entry
	if h, _, err := net.SplitHostPort(entry); err == nil {
		host = h
	}
	if ip := net.ParseIP(strings.Trim(host, "[]")); ip != nil {
		return ip.IsLoopback()
	}
	name, err := os.Hostname()
	return host == "localhost" || err == nil && strings.EqualFold(host, name)
}

// minionKeys parses every accepted key; a minion whose key cannot be read cannot sign in.
func (c *checker) minionKeys() {
	const named = 5
	dir := filepath.Join(c.master.PKIDir, "minions")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // a missing one is no fault, others are reported with the files
	}
	good := 0
	var bad []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") || !e.Type().IsRegular() {
			continue
		}
		if _, err := pki.LoadPublicKey(filepath.Join(dir, e.Name())); err == nil {
			good++
		} else if !errors.Is(err, fs.ErrNotExist) {
			bad = append(bad, e.Name())
		}
	}
	if len(bad) == 0 {
		c.ok(AreaKeys, dir, "%s", count(good, "accepted key"))
		return
	}
	c.add(Finding{
		Level: Warning, Area: AreaKeys, Where: dir, What: fmt.Sprintf("%d of %d accepted keys cannot be used: %s", len(bad), good+len(bad), strings.Join(bad[:min(len(bad), named)], ", ")),
		Hint: "salt-key -d ID, then let the minion send its key again",
	})
}

// syndicKeys checks the pair a syndic signs in with and the pins of its masters of masters.
func (c *checker) syndicKeys() {
	s := c.syndic
	path := s.MinionKeyPath()
	if !present(path) {
		c.add(Finding{
			Level: Note, Area: AreaKeys, Where: path, What: "there is no key yet; the first start makes one, which every master of masters has to accept",
			Hint: "there: salt-key -a " + quote(s.ID),
		})
	} else if key, ok := c.privateKey(path, "", ""); ok {
		c.pair(strings.TrimSuffix(path, ".pem")+".pub", key)
	}
	pins, _ := filepath.Glob(filepath.Join(s.PKIDir, "syndic_master*.pub"))
	for _, pin := range pins {
		key, err := pki.LoadPublicKey(pin)
		if err != nil {
			c.add(Finding{Level: Fault, Area: AreaKeys, Where: pin, What: err.Error(), Hint: "mv " + quote(pin) + " " + quote(pin+".bad") + "   # the next sign-in pins the key that answers"})
			continue
		}
		finger, err := pki.Fingerprint([]byte(key.PEM()), s.HashType)
		if err == nil && s.MasterFinger != "" && !strings.EqualFold(finger, s.MasterFinger) {
			c.add(Finding{Level: Fault, Area: AreaKeys, Option: "syndic_finger", Where: pin, What: "has the fingerprint " + finger + ", syndic_finger wants another"})
			continue
		}
		c.ok(AreaKeys, pin, "the key of a master of masters, pinned")
	}
}
