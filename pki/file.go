package pki

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// fileStamp tells one version of a file from another: a cached parse is good while the stamp is the same.
type fileStamp struct {
	dev, ino     uint64
	size         int64
	mtime, ctime int64 // nanoseconds
	mode         uint32
	uid, gid     uint32
}

func (s fileStamp) regular() bool     { return s.mode&syscall.S_IFMT == syscall.S_IFREG }
func (s fileStamp) perm() fs.FileMode { return fs.FileMode(s.mode & 0o777) }

// stampFile examines path without following a symbolic link.
func stampFile(path string) (fileStamp, error) {
	var st syscall.Stat_t
	for {
		err := syscall.Lstat(path, &st)
		if err == nil {
			break
		}
		if err == syscall.ENOENT {
			return fileStamp{}, err // the usual case, kept free of allocations; it is fs.ErrNotExist
		}
		if err != syscall.EINTR {
			return fileStamp{}, &fs.PathError{Op: "lstat", Path: path, Err: err}
		}
	}
	return fileStamp{
		dev: uint64(st.Dev), ino: st.Ino, size: st.Size,
		mtime: st.Mtim.Nano(), ctime: st.Ctim.Nano(),
		mode: st.Mode, uid: st.Uid, gid: st.Gid,
	}, nil
}

// settled tells whether a stamp taken at now can be trusted later. A file system stamps with a clock of
// some milliseconds, on old ones of a second; a second change within that tick leaves the stamp as it is.
func (s fileStamp) settled(now time.Time) bool {
	tick := int64(100 * time.Millisecond)
	if s.mtime%int64(time.Second) == 0 && s.ctime%int64(time.Second) == 0 {
		tick = int64(2500 * time.Millisecond)
	}
	return now.UnixNano()-max(s.mtime, s.ctime) > tick
}

// readRegular reads a regular file of at most limit bytes and never follows a symbolic link.
func readRegular(path string, limit int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ELOOP) {
		return nil, fmt.Errorf("read %s: symbolic link refused", path)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read %s: not a regular file", path)
	}
	return readBounded(f, limit)
}

// durability says how much a write must survive.
type durability uint8

const (
	crashSafe  durability = iota // whole or absent after a crash of the process
	powerProof                   // on the disk when the call returns
)

// tempPrefix starts with a dot: no listing of stock Salt or of ours shows it.
const tempPrefix = ".saltern-"

// writeFile replaces path in one step: temporary file in the same directory, mode, owner, rename. As root
// the file gets the owner of its directory, so that a daemon that runs as another user can use it.
func writeFile(path string, data []byte, mode fs.FileMode, keep durability) error {
	dir := filepath.Dir(path)
	var random [8]byte
	rand.Read(random[:]) // never fails
	temp := filepath.Join(dir, tempPrefix+hex.EncodeToString(random[:]))
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	err = fillFile(f, data, mode, keep)
	if err == nil {
		err = ownLike(temp, dir)
	}
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(temp))
	}
	if keep == powerProof {
		// The new name is in place already; the caller still learns that it may not last.
		if err := syncDir(dir); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
	}
	return nil
}

func fillFile(f *os.File, data []byte, mode fs.FileMode, keep durability) error {
	_, err := f.Write(data)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil && keep == powerProof {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func ownLike(path, dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	stamp, err := stampFile(dir)
	if err != nil || stamp.uid == 0 {
		return err
	}
	return os.Lchown(path, int(stamp.uid), -1)
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
