package master

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/saltern-io/saltern/pki"
)

// localKeys are the bearer secrets that local users show to publish: `<cachedir>/.<user>_key`, 76
// characters, mode 0600, owned by the user (spec: local-client-and-salt-cli §2).
//
// They are read once at start and kept across restarts, so that a running syndic or salt-api does
// not lose its right when the master restarts.
type localKeys struct {
	full map[string]string // user → secret, users with every right: the master's and root
}

// openLocalKeys reads or creates the key files of the master's user and of root.
func openLocalKeys(cachedir, masterUser string) (*localKeys, error) {
	running, err := user.Current()
	if err != nil {
		return nil, fmt.Errorf("find the running user: %w", err)
	}
	names := map[string]bool{running.Username: true}
	if masterUser != "" {
		names[masterUser] = true
	}
	k := &localKeys{full: map[string]string{}}
	for name := range names {
		secret, err := openLocalKey(cachedir, name)
		if err != nil {
			return nil, err
		}
		k.full[name] = secret
	}
	return k, nil
}

// openLocalKey returns the secret in the file of one user, making the file when there is none or
// when what is there cannot be a key.
func openLocalKey(cachedir, name string) (string, error) {
	path := filepath.Join(cachedir, "."+strings.ReplaceAll(name, string(filepath.Separator), "_")+"_key")
	data, err := os.ReadFile(path)
	if err == nil && len(data) == 76 {
		if err := os.Chmod(path, 0o600); err != nil {
			return "", fmt.Errorf("close the local key of %s to others: %w", name, err)
		}
		return string(data), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the local key of %s: %w", name, err)
	}
	secret := pki.NewKeyString()
	// A new file under another name, then a rename: no moment at which the name holds half a key.
	tmp, err := os.CreateTemp(cachedir, ".key-*")
	if err != nil {
		return "", fmt.Errorf("make the local key of %s: %w", name, err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.WriteString(secret)
	if err = errors.Join(err, tmp.Chmod(0o600), chownTo(tmp, name), tmp.Close()); err != nil {
		return "", fmt.Errorf("write the local key of %s: %w", name, err)
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return "", fmt.Errorf("put the local key of %s in place: %w", name, err)
	}
	return secret, nil
}

// chownTo gives f to the named user when this process may do that and the user exists.
func chownTo(f *os.File, name string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return fmt.Errorf("look up user %s: %w", name, err)
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	return f.Chown(uid, gid)
}

// owner tells whose key it is. The secret is looked up first and the user follows from it, never
// from what the load claims: stock lets any local key claim `root`. All secrets are compared, in
// constant time.
func (k *localKeys) owner(secret string) (string, bool) {
	found := ""
	for name, want := range k.full {
		if subtle.ConstantTimeCompare([]byte(secret), []byte(want)) == 1 {
			found = name
		}
	}
	return found, found != ""
}
