package lifecycle

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// PIDFile is a file with this process's number, in Salt's form: decimal, no newline, mode 0644 (spec:
// config-and-daemons §6.2).
type PIDFile struct {
	path string
	pid  int
}

// WritePIDFile replaces the file at path. The caller holds the InstanceLock, so a file that is there
// belongs to a process that is gone.
func WritePIDFile(path string) (*PIDFile, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("make the directory of the pid file: %w", err)
	}
	p := &PIDFile{path: path, pid: os.Getpid()}
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return nil, fmt.Errorf("write the pid file: %w", err)
	}
	_, err = tmp.WriteString(strconv.Itoa(p.pid))
	if err := errors.Join(err, tmp.Chmod(0o644), tmp.Close()); err != nil {
		return nil, errors.Join(fmt.Errorf("write the pid file: %w", err), os.Remove(tmp.Name()))
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return nil, errors.Join(fmt.Errorf("write the pid file: %w", err), os.Remove(tmp.Name()))
	}
	return p, nil
}

// Chown gives the file to the daemon's account.
func (p *PIDFile) Chown(uid, gid int) error { return os.Chown(p.path, uid, gid) }

// Remove removes the file when it still holds this process's number; another instance's file stays
// (spec: config-and-daemons §6.6). A missing file is no error. After a privilege drop the directory
// may not allow removal; then the file is emptied instead, which readers take for no instance.
func (p *PIDFile) Remove() error {
	pid, err := ReadPIDFile(p.path)
	if errors.Is(err, fs.ErrNotExist) || (err == nil && pid != p.pid) {
		return nil
	}
	if err != nil {
		return err
	}
	err = os.Remove(p.path)
	if errors.Is(err, fs.ErrPermission) {
		if terr := os.Truncate(p.path, 0); terr == nil {
			return nil
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the pid file: %w", err)
	}
	return nil
}

// ReadPIDFile reads a process number; 0 when the file is empty or holds none.
func ReadPIDFile(path string) (int, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("read the pid file: %w", err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || n < 0 {
		return 0, nil
	}
	return n, nil
}
