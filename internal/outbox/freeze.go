package outbox

import (
	"errors"
	"io/fs"
	"os"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// freezeFS stands between an engine and the disk. The first write, sync or creation that fails marks the engine broken,
// and from then on nothing of this engine changes the disk any more, while it is told that all goes well. So the files
// stay as a power cut at that moment would leave them, and the engine comes to an end: with errors it would end
// the process (when a log cannot be made or closed), repeat a flush as fast as it can, and make the committer wait for it
// for ever. The committer looks at the mark after every commit, so nothing is promised that was not written.
//
//	works:   engine ──► disk
//	broken:  engine ──► disk (reads)        writes to open files vanish
//	               └──► shadow, in memory   files made since
type freezeFS struct {
	vfs.FS
	e      *engine
	shadow *vfs.MemFS
}

func newFreezeFS(disk vfs.FS, e *engine) freezeFS {
	return freezeFS{FS: disk, e: e, shadow: vfs.NewMem()}
}

func (f freezeFS) Unwrap() vfs.FS { return f.FS }

func (f freezeFS) frozen() bool { return f.e.err() != nil }

// create makes a file on disk, or else in the shadow.
func (f freezeFS) create(name string, onDisk func() (vfs.File, error)) (vfs.File, error) {
	if !f.frozen() {
		file, err := onDisk()
		if err == nil {
			return &freezeFile{File: file, e: f.e}, nil
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		f.e.fail(classify(err))
	}
	if err := f.shadow.MkdirAll(f.PathDir(name), 0o700); err != nil {
		return nil, err
	}
	return f.shadow.Create(name, vfs.WriteCategoryUnspecified)
}

func (f freezeFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return f.create(name, func() (vfs.File, error) { return f.FS.Create(name, category) })
}

func (f freezeFS) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return f.create(newname, func() (vfs.File, error) { return f.FS.ReuseForWrite(oldname, newname, category) })
}

func (f freezeFS) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	return f.create(name, func() (vfs.File, error) { return f.FS.OpenReadWrite(name, category, opts...) })
}

func (f freezeFS) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	if f.frozen() {
		if file, err := f.shadow.Open(name, opts...); err == nil {
			return file, nil
		}
	}
	return f.FS.Open(name, opts...)
}

func (f freezeFS) Stat(name string) (vfs.FileInfo, error) {
	if f.frozen() {
		if info, err := f.shadow.Stat(name); err == nil {
			return info, nil
		}
	}
	return f.FS.Stat(name)
}

func (f freezeFS) OpenDir(name string) (vfs.File, error) {
	dir, err := f.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &freezeFile{File: dir, e: f.e}, nil
}

func (f freezeFS) Link(oldname, newname string) error {
	return f.e.try(func() error { return f.FS.Link(oldname, newname) })
}

func (f freezeFS) Rename(oldname, newname string) error {
	return f.e.try(func() error { return f.FS.Rename(oldname, newname) })
}

func (f freezeFS) MkdirAll(dir string, perm os.FileMode) error {
	return f.e.try(func() error { return f.FS.MkdirAll(dir, perm) })
}

// Remove leaves a failure to the engine, which tries again.
func (f freezeFS) Remove(name string) error {
	if f.frozen() {
		return nil
	}
	return f.FS.Remove(name)
}

func (f freezeFS) RemoveAll(name string) error {
	if f.frozen() {
		return nil
	}
	return f.FS.RemoveAll(name)
}

// try does one thing unless the engine is broken, and marks it broken when that fails.
func (e *engine) try(do func() error) error {
	if e.err() != nil {
		return nil
	}
	err := do()
	if errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err != nil {
		e.fail(classify(err))
	}
	return nil
}

// freezeFile is an open file of a freezeFS.
type freezeFile struct {
	vfs.File
	e *engine
}

func (f *freezeFile) Write(p []byte) (int, error) {
	n := len(p) // the engine may change p while it is written
	return n, f.e.try(func() error {
		_, err := f.File.Write(p)
		return err
	})
}

func (f *freezeFile) WriteAt(p []byte, at int64) (int, error) {
	n := len(p)
	return n, f.e.try(func() error {
		_, err := f.File.WriteAt(p, at)
		return err
	})
}

func (f *freezeFile) Sync() error { return f.e.try(f.File.Sync) }

func (f *freezeFile) SyncData() error { return f.e.try(f.File.SyncData) }

func (f *freezeFile) SyncTo(length int64) (full bool, err error) {
	err = f.e.try(func() (err error) {
		full, err = f.File.SyncTo(length)
		return err
	})
	return full, err
}

func (f *freezeFile) Preallocate(offset, length int64) error {
	return f.e.try(func() error { return f.File.Preallocate(offset, length) })
}

func (f *freezeFile) Close() error {
	if err := f.File.Close(); err != nil {
		f.e.fail(classify(err))
	}
	return nil
}
