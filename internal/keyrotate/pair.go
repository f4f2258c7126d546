package keyrotate

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/saltern-io/saltern/pki"
)

// maxFile bounds every file read here; a 16384-bit key needs 13 KiB.
const maxFile = 64 << 10

// suffixes of one set of files: the pair and its prepared signatures. The order is that of writing: a master that reads
// in between finds a public key that is not the private key's and keeps what it has.
var suffixes = []string{sigSuffix, sha224Suffix, ".pub", ".pem"}

const (
	sigSuffix    = ".sig"
	sha224Suffix = ".sig.sha224"
)

// files maps the suffixes of a set to its paths.
type files map[string]string

// set is next or previous.
func (d Dir) set(name string) files {
	f := files{}
	for _, s := range suffixes {
		f[s] = filepath.Join(d.Path, subdir, name+s)
	}
	return f
}

// current is the set in use: <id>.pem when it is there, else master.pem (spec: auth-and-crypto §8.1).
func (d Dir) current() files {
	name := "master"
	if d.ID != "" {
		if _, err := os.Lstat(filepath.Join(d.Path, d.ID+".pem")); err == nil {
			name = d.ID
		}
	}
	sig := d.signature()
	return files{
		".pem": filepath.Join(d.Path, name+".pem"), ".pub": filepath.Join(d.Path, name+".pub"),
		sigSuffix: sig, sha224Suffix: sig + ".sha224",
	}
}

// signature is the prepared signature that the master serves: of the names it may have the first that is there.
func (d Dir) signature() string {
	names := pki.SignatureNames(d.SignatureFile, d.ID)
	for _, name := range names {
		path := filepath.Join(d.Path, name)
		if _, err := os.Lstat(path); err == nil {
			return path
		}
	}
	return filepath.Join(d.Path, names[0])
}

// complete reports whether both halves are there.
func (f files) complete() bool {
	for _, s := range []string{".pem", ".pub"} {
		if _, err := os.Stat(f[s]); err != nil {
			return false
		}
	}
	return true
}

// public is the public key of a set, nil when it is not there.
func (f files) public() (*pki.PublicKey, error) {
	if _, err := os.Stat(f[".pub"]); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return pki.LoadPublicKey(f[".pub"])
}

// copyTo writes every file of f to the place of the same suffix in to; what f has not is removed there.
func (f files) copyTo(to files) error {
	for _, s := range suffixes {
		text, err := read(f[s])
		if errors.Is(err, fs.ErrNotExist) {
			if err := remove(to[s]); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if s == ".pem" {
			mode = 0o400
		}
		if err := write(to[s], text, mode); err != nil {
			return err
		}
	}
	return nil
}

// removeAll removes the set, the private key first.
func (f files) removeAll() error {
	for i := len(suffixes) - 1; i >= 0; i-- {
		if err := remove(f[suffixes[i]]); err != nil {
			return err
		}
	}
	return nil
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func read(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, fmt.Errorf("%s is no key file: %s, %d bytes", path, info.Mode(), info.Size())
	}
	return os.ReadFile(path)
}

// write replaces path in one step and returns when it is on the disk. A link (3008 leaves master.pem as one) is
// followed, so that it stays. As root the file belongs to the owner of its directory.
func write(path string, text []byte, mode fs.FileMode) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	dir := filepath.Dir(path)
	var random [8]byte
	rand.Read(random[:]) // never fails
	temp := filepath.Join(dir, ".saltern-"+hex.EncodeToString(random[:]))
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = ownLike(temp, dir)
	}
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(temp))
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func ownLike(path, dir string) error {
	info, err := os.Stat(dir)
	if err != nil || os.Geteuid() != 0 {
		return err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != 0 {
		return os.Lchown(path, int(st.Uid), -1)
	}
	return nil
}
