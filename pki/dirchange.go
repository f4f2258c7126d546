package pki

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"os"
	"sync"
)

var lockSeed = maphash.MakeSeed()

// lock serialises changes of one id; the caller unlocks.
func (d *DirStore) lock(id string) *sync.Mutex {
	mu := &d.locks[maphash.String(lockSeed, id)%uint64(len(d.locks))]
	mu.Lock()
	return mu
}

// Put implements Store; see DirStore for the order of its steps.
func (d *DirStore) Put(id string, s State, pub []byte) error {
	if err := checkChange(id, s); err != nil {
		return err
	}
	if len(pub) > maxKeyText {
		return fmt.Errorf("put key of %q: %d bytes: %w", id, len(pub), ErrKeyFormat)
	}
	defer d.lock(id).Unlock()
	if s == Denied {
		return d.write(id, s, pub)
	}
	found := false // an old file was renamed to its new place, or is there already
	if s != Accepted {
		found = d.present(id, s)
	}
	// Accepted first: whatever happens next, the id is refused from here on.
	for _, other := range [...]State{Accepted, Rejected, Pending} {
		if other == s {
			continue
		}
		if s == Accepted || found {
			if err := d.unlink(id, other); err != nil && !errors.Is(err, ErrNotFound) {
				return err
			}
			continue
		}
		err := d.rename(id, other, s)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		found = err == nil
	}
	return d.write(id, s, pub)
}

// Move implements Store; see DirStore for the order of its steps.
func (d *DirStore) Move(id string, from, to State) error {
	if err := errors.Join(checkChange(id, from), checkChange(id, to)); err != nil {
		return err
	}
	defer d.lock(id).Unlock()
	stamp, ok, err := d.examine(id, from)
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("move key of %q from %s: %w", id, from.Dir(), ErrNotFound)
	}
	if from == to {
		return nil
	}
	if to != Denied {
		for _, third := range [...]State{Accepted, Rejected, Pending} {
			if third == from || third == to {
				continue
			}
			if err := d.unlink(id, third); err != nil && !errors.Is(err, ErrNotFound) {
				return err
			}
		}
	}
	// Before the rename: a crash between leaves the key where it was.
	if mode := d.opts.MovedMode; mode != 0 && stamp.perm() != mode {
		if err := os.Chmod(d.path(id, from), mode); err != nil {
			return fmt.Errorf("move key: %w", err)
		}
	}
	return d.rename(id, from, to)
}

// Delete implements Store.
func (d *DirStore) Delete(id string, s State) error {
	if err := checkChange(id, s); err != nil {
		return err
	}
	defer d.lock(id).Unlock()
	return d.unlink(id, s)
}

func checkChange(id string, s State) error {
	if s.Dir() == "" {
		return fmt.Errorf("key of %q: state %s has no directory", id, s)
	}
	return CheckID(id)
}

func (d *DirStore) present(id string, s State) bool {
	_, ok, err := d.examine(id, s)
	return ok && err == nil
}

func (d *DirStore) write(id string, s State, pub []byte) error {
	path := d.path(id, s)
	if stamp, err := stampFile(path); err == nil && stamp.regular() && stamp.size == int64(len(pub)) {
		if text, err := readRegular(path, maxKeyText); err == nil && bytes.Equal(text, pub) {
			return nil
		}
	}
	return writeFile(path, pub, d.opts.FileMode, crashSafe)
}

func (d *DirStore) rename(id string, from, to State) error {
	err := os.Rename(d.path(id, from), d.path(id, to))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("key of %q in %s: %w", id, from.Dir(), ErrNotFound)
	}
	if err != nil {
		return fmt.Errorf("move key: %w", err)
	}
	return nil
}

func (d *DirStore) unlink(id string, s State) error {
	err := os.Remove(d.path(id, s))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("key of %q in %s: %w", id, s.Dir(), ErrNotFound)
	}
	if err != nil {
		return fmt.Errorf("delete key: %w", err)
	}
	return nil
}
