package client

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
)

// maxKeyBytes bounds a key file; real ones have 76 characters.
const maxKeyBytes = 4096

// Identity is who publishes (spec: local-client-and-salt-cli §2).
type Identity struct {
	User    string // as claimed in the load: the account, or sudo_<name>
	KeyUser string // whose key file is read
}

// Account is what the operating system knows about the caller.
type Account struct {
	Name     string // effective user
	Root     bool
	SudoUser string // $SUDO_USER
}

// CurrentAccount asks the operating system. A user id without a name is shown as its number.
func CurrentAccount() Account {
	uid := os.Geteuid()
	a := Account{Name: strconv.Itoa(uid), Root: uid == 0, SudoUser: os.Getenv("SUDO_USER")}
	if u, err := user.LookupId(a.Name); err == nil {
		a.Name = u.Username
	}
	return a
}

// Identify applies stock's rules: root under sudo claims sudo_<name>; root uses the key of the master's
// user, everybody else his own.
func Identify(a Account, masterUser string) Identity {
	id := Identity{User: a.Name, KeyUser: a.Name}
	if a.Root {
		if a.SudoUser != "" {
			id.User = "sudo_" + a.SudoUser
		}
		if masterUser != "" {
			id.KeyUser = masterUser
		}
	}
	return id
}

// keyFile is the path of a user's key below cachedir.
func keyFile(cacheDir, keyUser string) string {
	// Windows domain users carry a backslash, which stock replaces.
	return filepath.Join(cacheDir, "."+strings.NewReplacer(`\`, "_", "/", "_").Replace(keyUser)+"_key")
}

// readKey returns the text of a key file, "" when there is none or it may not be read: the master then
// says no, in its own words.
func readKey(path string) (string, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read local key: %w", err)
	}
	defer f.Close()
	key, err := io.ReadAll(io.LimitReader(f, maxKeyBytes+1))
	if err != nil {
		return "", fmt.Errorf("read local key %s: %w", path, err)
	}
	if len(key) > maxKeyBytes {
		return "", fmt.Errorf("read local key %s: larger than %d bytes", path, maxKeyBytes)
	}
	return string(key), nil
}
