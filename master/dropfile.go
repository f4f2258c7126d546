package master

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/fsnotify/fsnotify"
)

// dropfileName is the rotation flag below cachedir that every salt-key writes (spec: key-management-cli §4.6).
const dropfileName = ".dfn"

// flagThere reports whether a valid rotation flag lies at path. Valid is a regular file of mode 0400 that belongs to
// this process's account or root; what it says does not matter: 3006 writes nothing, 3007 and 3008 the master's id, and a
// flag that nobody takes blocks every later writer.
func (m *Master) flagThere(path string) (bool, error) {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at the rotation flag: %w", err)
	}
	if !info.Mode().IsRegular() || info.Mode().Perm() != 0o400 {
		m.limited.Warn("Rotation flag has the wrong mode, ignored", "file", path, "mode", info.Mode().String())
		return false, nil
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != 0 && int(st.Uid) != os.Geteuid() {
		m.limited.Warn("Rotation flag belongs to another account, ignored", "file", path, "uid", st.Uid)
		return false, nil
	}
	return true, nil
}

// watchDropfile sends a note to maintain as soon as the flag appears. The periodic look of maintain stays the
// truth: a directory that cannot be watched, or was replaced, costs the delay of one loop_interval and no rotation.
func (m *Master) watchDropfile(ctx context.Context) error {
	dir := m.cfg.Load().CacheDir
	watcher, err := fsnotify.NewWatcher()
	if err == nil {
		err = watcher.Add(dir)
	}
	if err != nil {
		if watcher != nil {
			err = errors.Join(err, watcher.Close())
		}
		m.log.Warn("Rotation flag not watched, looked at every loop_interval", "dir", dir, "err", err)
		<-ctx.Done()
		return nil
	}
	defer watcher.Close()
	m.noteFlag() // it may be older than the watch
	for {
		select {
		case <-ctx.Done():
			return nil
		case err, open := <-watcher.Errors:
			if !open {
				return nil
			}
			m.limited.Warn("Rotation flag: watching failed", "dir", dir, "err", err)
			continue
		case e, open := <-watcher.Events:
			if !open {
				return nil
			}
			if filepath.Base(e.Name) != dropfileName || e.Op&(fsnotify.Create|fsnotify.Chmod|fsnotify.Write) == 0 {
				continue
			}
			m.noteFlag()
		}
	}
}

// noteFlag has maintain look at the flag now.
func (m *Master) noteFlag() {
	select {
	case m.flagged <- struct{}{}:
	default: // the note before is not read yet
	}
}
