package event

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Errors of Listen.
var (
	ErrInUse = errors.New("somebody listens there already")
	ErrPath  = errors.New("not a usable socket path")
)

// maxPath is the longest name of a Unix socket that all systems take.
const maxPath = 103

// socketFile is a file that this process has put into sock_dir.
type socketFile struct {
	path string
	info fs.FileInfo
}

// remove deletes the file if it is still ours: a successor may have put its own in the place.
func (f *socketFile) remove() error {
	now, err := os.Lstat(f.path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(now, f.info) {
		return nil
	}
	if err != nil {
		return err
	}
	return os.Remove(f.path)
}

func makeDir(dir string, mode fs.FileMode) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, mode); err != nil {
		return err
	}
	return os.Chmod(dir, mode) // whatever the umask is
}

// listenUnix binds path with the given mode. The socket is made in a private directory, gets its mode, and is then moved
// into its place: nobody can connect before the mode is right, and a stale file is replaced in one step. (Changing the
// umask instead would change it for every file that other goroutines make at that moment.)
func listenUnix(path string, mode fs.FileMode) (net.Listener, *socketFile, error) {
	if err := checkFree(path); err != nil {
		return nil, nil, err
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), ".s")
	if err != nil {
		return nil, nil, err
	}
	ln, f, err := bindIn(dir, path, mode)
	if rmErr := os.Remove(dir); rmErr != nil && err == nil {
		err = errors.Join(rmErr, ln.Close(), f.remove())
	}
	if err != nil {
		return nil, nil, fmt.Errorf("bind %s: %w", path, err)
	}
	return ln, f, nil
}

func bindIn(dir, path string, mode fs.FileMode) (net.Listener, *socketFile, error) {
	temp := filepath.Join(dir, "p")
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: temp, Net: "unix"})
	if err != nil {
		return nil, nil, err
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
		return nil, nil, errors.Join(err, ln.Close(), os.Remove(temp))
	}
	return &namedListener{ln, path}, &socketFile{path, info}, nil
}

// namedListener tells the name under which a socket can be reached.
type namedListener struct {
	*net.UnixListener
	path string
}

// Addr is the path in sock_dir.
func (l *namedListener) Addr() net.Addr { return &net.UnixAddr{Name: l.path, Net: "unix"} }

// makePlaceholder puts an empty file where stock clients look for a socket.
func makePlaceholder(path string) (*socketFile, error) {
	if err := checkFree(path); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".s") // mode 0600
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return nil, errors.Join(err, os.Remove(f.Name()))
	}
	return &socketFile{path, info}, nil
}

// checkFree makes sure that path may be replaced: nothing there, a placeholder, or a socket on which nobody listens.
func checkFree(path string) error {
	if len(path) > maxPath {
		return fmt.Errorf("%w: %s has %d bytes, at most %d are possible", ErrPath, path, len(path), maxPath)
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
