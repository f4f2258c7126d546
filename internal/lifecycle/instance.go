package lifecycle

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
)

// Exit statuses of the daemons (spec: config-and-daemons §6.5).
const (
	ExitOK          = 0
	ExitGeneric     = 1
	ExitBusy        = 4 // ports taken, or another instance runs
	ExitUsage       = 64
	ExitNoUser      = 67
	ExitUnavailable = 69 // logging cannot be set up
	ExitCantCreate  = 73
	ExitTempFail    = 75
	ExitNoPerm      = 77
)

// ErrInstance is a second instance on the same state directory; the exit status is ExitBusy.
var ErrInstance = errors.New("another instance is running")

// InstanceLock is the lock one daemon holds on its state directory, so that two never share a cache.
type InstanceLock struct{ lock *flock.Flock }

// LockInstance takes the lock file <dir>/saltern/<name>.lock, making the directory. It returns
// ErrInstance, in the words stock Salt uses for busy ports, when another process holds it. The kernel
// releases the lock when the process ends, however it ends; the file stays, because removing it would
// let two processes hold locks on two files of one name.
func LockInstance(dir, name string) (*InstanceLock, error) {
	path := filepath.Join(dir, "saltern", name+".lock")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("lock the state directory: %w", err)
	}
	l := flock.New(path, flock.SetPermissions(0o600))
	ok, err := l.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock the state directory: %s: %w", path, err)
	}
	if !ok {
		return nil, fmt.Errorf("%w: %s is held; Is there another %s running?", ErrInstance, path, name)
	}
	return &InstanceLock{lock: l}, nil
}

// Chown gives the lock file to the daemon's account, which must open it after a restart without root.
func (l *InstanceLock) Chown(uid, gid int) error { return os.Chown(l.lock.Path(), uid, gid) }

// Release gives the lock up.
func (l *InstanceLock) Release() error {
	if err := l.lock.Unlock(); err != nil {
		return fmt.Errorf("release the instance lock: %w", err)
	}
	return nil
}
