package logfmt

import (
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
)

// Sink is the handle on where a logger writes: the daemon reopens it at SIGHUP, changes levels at a
// reload and closes it last. It is never nil; without a log file the file operations do nothing.
// Safe for concurrent use.
type Sink struct {
	file         target // nil = none
	consoleLevel slog.LevelVar
	fileLevel    slog.LevelVar
	granular     atomic.Pointer[granular] // nil: no levels by logger name
}

// target is what records of the file level are written to: a file, or a syslog collector.
type target interface {
	io.Writer
	Reopen() error
	Lost() uint64
	Chown(uid, gid int) error
	Close() error
}

func openTarget(path string) (target, error) {
	if isURL(path) {
		return openSyslog(path)
	}
	return openFile(path)
}

// Reopen opens the log file's name anew at once. On an error the old file stays in use.
func (s *Sink) Reopen() error {
	if s.file == nil {
		return nil
	}
	return s.file.Reopen()
}

// SetLevels changes both levels by name; nothing changes when one is unknown.
func (s *Sink) SetLevels(console, file string) error {
	c, err := ParseLevel(console)
	if err != nil {
		return fmt.Errorf("console log level: %w", err)
	}
	f, err := ParseLevel(file)
	if err != nil {
		return fmt.Errorf("log file level: %w", err)
	}
	s.consoleLevel.Set(c)
	s.fileLevel.Set(f)
	return nil
}

// Lost counts records that could not be written to the log file.
func (s *Sink) Lost() uint64 {
	if s.file == nil {
		return 0
	}
	return s.file.Lost()
}

// Chown gives the log file to an account, before privileges are dropped.
func (s *Sink) Chown(uid, gid int) error {
	if s.file == nil {
		return nil
	}
	return s.file.Chown(uid, gid)
}

// Close closes the log file; later records are dropped.
func (s *Sink) Close() error {
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}
