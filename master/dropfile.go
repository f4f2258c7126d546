package master

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/saltern-io/saltern/pki"
)

// dropfileName is the rotation flag below cachedir that every salt-key writes (spec: key-management-cli §4.6).
const dropfileName = ".dfn"

// flagGap is the least time between two rotations by flag: a script that deletes a hundred keys one by one must
// not have the whole fleet sign in a hundred times. The flag that came meanwhile is taken at its end.
const flagGap = time.Second

// rotateIfDue rotates on the flag, on a key that was given up, and by age (spec: auth-and-crypto §3.1).
func (m *Master) rotateIfDue() error {
	cfg := m.cfg.Load()
	dropped, err := m.takeDropfile(filepath.Join(cfg.CacheDir, dropfileName))
	if err != nil {
		return err
	}
	switch {
	case dropped || m.revoked.Swap(false):
		// A key was deleted: its holder must not go on reading with the previous AES key.
		return m.rotate(pki.RotateOptions{DropPrevious: true}, "a key was deleted or rejected")
	case cfg.PublishSession > 0 && m.now().Sub(m.shared.Current().Created) >= cfg.PublishSession:
		return m.rotate(pki.RotateOptions{}, "publish_session is over")
	}
	return nil
}

// rotateIfFlagged is rotateIfDue for the flag alone.
func (m *Master) rotateIfFlagged() error {
	dropped, err := m.takeDropfile(filepath.Join(m.cfg.Load().CacheDir, dropfileName))
	if err != nil || !dropped {
		return err
	}
	return m.rotate(pki.RotateOptions{DropPrevious: true}, "a key was deleted or rejected")
}

// takeDropfile reports whether a valid rotation flag was there, and removes it. Valid is a regular file of mode
// 0400 that belongs to this process's account or root; what it says does not matter: 3006 writes nothing, 3007
// and 3008 the master's id, and a flag that nobody takes blocks every later writer.
func (m *Master) takeDropfile(path string) (bool, error) {
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
	if err := os.Remove(path); err != nil {
		return false, fmt.Errorf("remove the rotation flag: %w", err)
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
	again := time.NewTimer(0)
	defer again.Stop()
	var last time.Time
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
		case <-again.C: // also once at the start: the flag may be older than the watch
		}
		if wait := flagGap - time.Since(last); !last.IsZero() && wait > 0 {
			again.Reset(wait)
			continue
		}
		if _, err := os.Lstat(filepath.Join(dir, dropfileName)); err != nil {
			continue
		}
		last = time.Now()
		select {
		case m.flagged <- struct{}{}:
		default: // the note before is not read yet
		}
	}
}
