package event

import (
	"io/fs"
	"os"
)

// makeDir makes sock_dir with its mode; one that is there keeps its own.
func makeDir(dir string, mode fs.FileMode) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, mode); err != nil {
		return err
	}
	return os.Chmod(dir, mode) // whatever the umask is
}
