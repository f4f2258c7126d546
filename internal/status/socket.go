package status

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Names in sock_dir.
const (
	MasterSocket = "saltern-master-status.sock"
	SyndicSocket = "saltern-syndic-status.sock"
	BrokerSocket = "saltern-broker-status.sock"
	RelaySocket  = "saltern-relay-status.sock"
)

// Errors of Listen.
var (
	ErrInUse = errors.New("somebody listens there already")
	ErrPath  = errors.New("not a usable socket path")
)

// maxPath is the longest name of a Unix socket that all systems take.
const maxPath = 103

// socket is a listening socket with the file that leads to it.
type socket struct {
	*net.UnixListener
	path string
	info fs.FileInfo
}

// listenSocket binds path with mode 0600. As the event bus does, it binds in a private directory and moves the
// socket into its place with the right mode, which also replaces a stale one in one step.
func listenSocket(path string) (*socket, error) {
	if err := checkFree(path); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), ".s")
	if err != nil {
		return nil, err
	}
	s, err := bindIn(dir, path)
	if rmErr := os.Remove(dir); rmErr != nil && err == nil {
		err = errors.Join(rmErr, s.Close())
	}
	if err != nil {
		return nil, fmt.Errorf("bind %s: %w", path, err)
	}
	return s, nil
}

func bindIn(dir, path string) (*socket, error) {
	temp := filepath.Join(dir, "p")
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: temp, Net: "unix"})
	if err != nil {
		return nil, err
	}
	ln.SetUnlinkOnClose(false) // the name it knows is not the one that counts
	s := &socket{UnixListener: ln, path: path}
	if err = os.Chmod(temp, 0o600); err == nil {
		s.info, err = os.Lstat(temp)
	}
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		return nil, errors.Join(err, ln.Close(), os.Remove(temp))
	}
	return s, nil
}

// Close stops listening and removes the file, unless a successor has put its own in the place.
func (s *socket) Close() error {
	err := s.UnixListener.Close()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	now, statErr := os.Lstat(s.path)
	switch {
	case errors.Is(statErr, fs.ErrNotExist), statErr == nil && !os.SameFile(now, s.info):
		return err
	case statErr != nil:
		return errors.Join(err, statErr)
	}
	return errors.Join(err, os.Remove(s.path))
}

// checkFree makes sure that path may be replaced: nothing is there, or a socket on which nobody listens.
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
	if info.Mode().Type() != fs.ModeSocket {
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
