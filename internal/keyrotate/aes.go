package keyrotate

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// RequestAESRotation leaves the flag that makes a master, stock or not, take a new AES key: <cachedir>/.dfn with the
// master's id and mode 0400 (spec: key-management-cli §4.6). One that is there already is enough.
func RequestAESRotation(cachedir, id string) error {
	flag := filepath.Join(cachedir, ".dfn")
	if _, err := os.Lstat(flag); err == nil {
		return nil
	}
	next := filepath.Join(cachedir, ".dfn-next")
	if err := remove(next); err != nil {
		return err
	}
	f, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o400)
	if errors.Is(err, fs.ErrExist) {
		return nil // another one is just writing it
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString(id) // 3007 and 3008 compare it, 3006 ignores it
	if err = errors.Join(err, f.Close()); err == nil {
		err = ownLike(next, cachedir)
	}
	if err != nil {
		return err
	}
	return os.Rename(next, flag)
}
