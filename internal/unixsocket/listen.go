// Package unixsocket makes listening sockets with a file name: the event bus and the status sockets in sock_dir.
//
//	private directory ─ bind, mode ─► rename ─► sock_dir/name
//
// Threading: a Listener is safe for concurrent use, as net.Listener is. The package imports nothing of this module.
package unixsocket

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Errors of Listen and CheckFree.
var (
	ErrInUse = errors.New("somebody listens there already")
	ErrPath  = errors.New("not a usable socket path")
)

// MaxPath is the longest name, in bytes, that all systems take.
const MaxPath = 103

// Listener is a listening socket with the file that leads to it.
type Listener struct {
	*net.UnixListener
	file File
}

// Listen binds path with the given mode. The socket is made in a private directory, gets its mode, and is then moved into
// its place: nobody can connect before the mode is right, and a stale file is replaced in one step. (Changing the umask
// instead would change it for every file that other goroutines make at that moment.) A name that is too long or leads to
// something else gives ErrPath, one that somebody serves ErrInUse.
func Listen(path string, mode fs.FileMode) (*Listener, error) {
	if err := CheckFree(path); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), ".s")
	if err != nil {
		return nil, err
	}
	l, err := bindIn(dir, path, mode)
	if rmErr := os.Remove(dir); rmErr != nil && err == nil {
		err = errors.Join(rmErr, l.Close())
	}
	if err != nil {
		return nil, fmt.Errorf("bind %s: %w", path, err)
	}
	return l, nil
}

func bindIn(dir, path string, mode fs.FileMode) (*Listener, error) {
	temp := filepath.Join(dir, "p")
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: temp, Net: "unix"})
	if err != nil {
		return nil, err
	}
	ln.SetUnlinkOnClose(false) // the name it knows is not the one that counts
	err = os.Chmod(temp, mode)
	var info fs.FileInfo
	if err == nil {
		info, err = os.Lstat(temp)
	}
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		return nil, errors.Join(err, ln.Close(), os.Remove(temp))
	}
	return &Listener{ln, File{path, info}}, nil
}

// Addr is the name under which the socket can be reached.
func (l *Listener) Addr() net.Addr { return &net.UnixAddr{Name: l.file.path, Net: "unix"} }

// Close stops listening and removes the file, unless a successor has put its own in the place. A second Close returns nil.
func (l *Listener) Close() error {
	err := l.UnixListener.Close()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return errors.Join(err, l.file.Remove())
}

// CheckFree makes sure that path may be replaced: nothing is there, an empty file, or a socket on which nobody listens.
func CheckFree(path string) error {
	if len(path) > MaxPath {
		return fmt.Errorf("%w: %s has %d bytes, at most %d are possible", ErrPath, path, len(path), MaxPath)
	}
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	switch {
	case info.Mode().Type() == fs.ModeSocket:
	case info.Mode().IsRegular() && info.Size() == 0:
		return nil
	default:
		return fmt.Errorf("%w: %s is not a socket", ErrPath, path)
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		return errors.Join(fmt.Errorf("%w: %s", ErrInUse, path), c.Close())
	}
	if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
		return fmt.Errorf("%w: %s does not answer", ErrInUse, path)
	}
	return nil
}
