package logfmt

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// checkEvery is how long a look at the file's name is trusted: one stat per second at most, however
// much is logged.
const checkEvery = time.Second

// logFile is a log file that follows its name: after a rename or removal the next write, at most
// checkEvery later, goes to a new file of that name. The file is opened for appending, so a
// truncation by copytruncate needs nothing. Safe for concurrent use.
type logFile struct {
	path string
	now  func() time.Time
	made []string // directories that did not exist before, the deepest first

	mu      sync.Mutex
	file    *os.File
	id      fileID
	checked time.Time
	lost    uint64 // records that could not be written
	closed  bool
}

type fileID struct{ dev, ino uint64 }

// openFile opens path for appending with mode 0640, making its directory with mode 0750 (spec:
// config-and-daemons §3).
func openFile(path string) (*logFile, error) {
	s := &logFile{path: path, now: time.Now}
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(dir); err == nil || dir == filepath.Dir(dir) {
			break
		}
		s.made = append(s.made, dir)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("make the log directory: %w", err)
	}
	if err := s.open(); err != nil {
		return nil, err
	}
	return s, nil
}

// open replaces the file; s.mu is held or s is not shared yet.
func (s *logFile) open() error {
	f, err := os.OpenFile(s.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
	if err != nil {
		return fmt.Errorf("open the log file: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return fmt.Errorf("open the log file: %w", err)
	}
	if s.file != nil {
		s.file.Close()
	}
	s.file, s.id, s.checked = f, idOf(info), s.now()
	return nil
}

func idOf(info fs.FileInfo) fileID {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return fileID{dev: uint64(st.Dev), ino: st.Ino} //nolint:unconvert // Dev differs by platform
	}
	return fileID{}
}

// Write appends one record. When the name points to another file now, that one is opened first; when
// that fails the old file keeps receiving records, so nothing is lost while a disk is full.
func (s *logFile) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, os.ErrClosed
	}
	if now := s.now(); now.Sub(s.checked) >= checkEvery || now.Before(s.checked) {
		s.checked = now
		if info, err := os.Stat(s.path); err != nil || idOf(info) != s.id {
			if err := s.open(); err != nil {
				s.lost++ // counted, not logged: this is the logger
			}
		}
	}
	n, err := s.file.Write(p)
	if err != nil {
		s.lost++
	}
	return n, err
}

// Reopen opens the name anew at once, for SIGHUP. On an error the old file stays in use.
func (s *logFile) Reopen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return os.ErrClosed
	}
	return s.open()
}

// Lost counts failed writes and failed reopenings since the start.
func (s *logFile) Lost() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lost
}

// Chown gives the file, and the directories that were made for it, to an account before privileges are dropped: one that
// may not enter the directory could never open the file anew after its rotation.
func (s *logFile) Chown(uid, gid int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return os.ErrClosed
	}
	for _, dir := range s.made {
		if err := os.Chown(dir, uid, gid); err != nil {
			return fmt.Errorf("give away the log directory: %w", err)
		}
	}
	return s.file.Chown(uid, gid)
}

// Close closes the file; later writes fail with os.ErrClosed.
func (s *logFile) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	return s.file.Close()
}
