package lifecycle

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// Dir is a directory a daemon needs.
type Dir struct {
	Path string
	Mode fs.FileMode // of a new directory; an existing one keeps its mode
}

// PrepareDirs makes the directories and, when root starts a daemon for another account, gives them and
// everything below to that account (spec: config-and-daemons §4 verify_env). It runs before
// DropPrivileges. Symbolic links are not followed and files with several names are left alone, so the
// account cannot use a start as root to take over files outside.
func PrepareDirs(dirs []Dir, a *Account) error {
	var errs []error
	for _, d := range dirs {
		if d.Path == "" {
			continue
		}
		if err := os.MkdirAll(d.Path, d.Mode); err != nil {
			errs = append(errs, fmt.Errorf("make directory: %w", err))
			continue
		}
		if a == nil || os.Geteuid() != 0 || a.Current() {
			continue
		}
		if err := giveTree(d.Path, a); err != nil {
			errs = append(errs, fmt.Errorf("give %s to user %s: %w", d.Path, a.Name, err))
		}
	}
	return errors.Join(errs...)
}

// giveTree changes the owner below path through directory descriptors, which cannot be led out of the
// tree by a link put there in the meantime.
func giveTree(path string, a *Account) error {
	root, err := os.OpenRoot(path)
	if err != nil {
		return err
	}
	defer root.Close()
	return fs.WalkDir(root.FS(), ".", func(name string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := root.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // gone since it was listed
		}
		if err != nil {
			return err
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		if !ok || int(st.Uid) == a.UID || !(info.IsDir() || (info.Mode().IsRegular() && st.Nlink == 1)) {
			return nil
		}
		return root.Lchown(name, a.UID, a.GID)
	})
}
