package jobcache

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"
)

// Expire removes jobs whose jid file was last changed longer than keep before now, and returns how many
// (spec: job-cache §2.1); keep 0 = never. Stock goes by the inode's change time, and so does this.
//
// It removes only what has the shape of a job: <2 hex>/<hex> directories, and in them files by their known
// names. Anything else is left where it is, with the directories around it. Symbolic links are never followed.
// A directory without jid file may just be in the making: it goes when it is itself older than keep.
func (d LocalDir) Expire(now time.Time, keep time.Duration) (n int, err error) {
	if keep <= 0 {
		return 0, nil
	}
	root, err := os.OpenRoot(d.Root)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("expire job directories: %w", err)
	}
	x := expirer{root: root, cutoff: now.Add(-keep)}
	err = errors.Join(x.run(), root.Close())
	if err != nil {
		return x.removed, fmt.Errorf("expire job directories: %w", err)
	}
	return x.removed, nil
}

type expirer struct {
	root    *os.Root
	cutoff  time.Time
	removed int
}

func (x *expirer) run() error {
	top, err := x.list(".")
	if err != nil {
		return err
	}
	for _, two := range top {
		if !two.IsDir() || !hexName(two.Name(), 2) {
			continue
		}
		jobs, err := x.list(two.Name())
		if err != nil {
			return err
		}
		for _, job := range jobs {
			if job.IsDir() && hexName(job.Name(), len(job.Name())) {
				if err := x.job(two.Name() + "/" + job.Name()); err != nil {
					return err
				}
			}
		}
		if err := x.removeEmpty(two.Name()); err != nil {
			return err
		}
	}
	return nil
}

// job removes the directory of one job if it is due.
func (x *expirer) job(dir string) error {
	info, err := x.root.Lstat(dir + "/" + fileJID)
	if errors.Is(err, fs.ErrNotExist) {
		info, err = x.root.Lstat(dir)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil // somebody else cleans, too
	}
	if err != nil {
		return err
	}
	if !changeTime(info).Before(x.cutoff) {
		return nil
	}
	entries, err := x.list(dir)
	if err != nil {
		return err
	}
	if !jobShaped(entries) {
		return nil
	}
	// jid last: while anything is left, the directory still counts as a job and is tried again.
	for _, e := range entries {
		path := dir + "/" + e.Name()
		switch {
		case e.IsDir():
			err = x.minionDir(path)
		case e.Name() != fileJID:
			err = x.remove(path)
		}
		if err != nil {
			return err
		}
	}
	left, err := x.list(dir)
	if err != nil || len(left) > 1 || len(left) == 1 && left[0].Name() != fileJID {
		return err
	}
	if err := x.remove(dir + "/" + fileJID); err != nil {
		return err
	}
	if err := x.remove(dir); err != nil {
		return err
	}
	x.removed++
	return nil
}

// jobShaped tells whether all files have names that a job directory has.
func jobShaped(entries []fs.DirEntry) bool {
	for _, e := range entries {
		name := e.Name()
		switch {
		case e.IsDir():
		case !e.Type().IsRegular():
			return false
		case name == fileJID, name == fileNoCache, name == fileLoad, name == fileMinions, name == fileEndTime:
		case minionsFile(name), strings.HasPrefix(name, prefixTemp):
		default:
			return false
		}
	}
	return true
}

// minionDir removes a minion's directory if it holds nothing but a return.
func (x *expirer) minionDir(dir string) error {
	entries, err := x.list(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || e.Name() != fileReturn && e.Name() != fileOut {
			return nil
		}
	}
	for _, e := range entries {
		if err := x.remove(dir + "/" + e.Name()); err != nil {
			return err
		}
	}
	return x.remove(dir)
}

// removeEmpty removes an empty two-letter directory that is old enough; a new one may be about to be filled.
func (x *expirer) removeEmpty(dir string) error {
	entries, err := x.list(dir)
	if err != nil || len(entries) > 0 {
		return err
	}
	info, err := x.root.Lstat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || !changeTime(info).Before(x.cutoff) {
		return err
	}
	return x.remove(dir)
}

// list is empty for a directory that is gone.
func (x *expirer) list(dir string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(x.root.FS(), dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return entries, err
}

// remove is content when the file is gone already, or a directory got filled again in this moment.
func (x *expirer) remove(path string) error {
	err := x.root.Remove(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTEMPTY) {
		return nil
	}
	return err
}

func hexName(s string, size int) bool {
	return len(s) == size && strings.Trim(s, "0123456789abcdef") == ""
}
