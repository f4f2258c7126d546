package unixsocket

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// File is a file that this process has put into sock_dir.
type File struct {
	path string
	info fs.FileInfo
}

// Placeholder puts an empty file of mode 0600 where clients look for a socket that is elsewhere. Errors are those of Listen.
func Placeholder(path string) (*File, error) {
	if err := CheckFree(path); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".s") // mode 0600
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return nil, errors.Join(err, os.Remove(f.Name()))
	}
	return &File{path, info}, nil
}

// Remove deletes the file if it is still ours: a successor may have put its own in the place.
func (f *File) Remove() error {
	now, err := os.Lstat(f.path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(now, f.info) {
		return nil
	}
	if err != nil {
		return err
	}
	return os.Remove(f.path)
}
