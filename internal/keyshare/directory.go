package keyshare

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/saltern-io/saltern/pki"
)

// Applied is one decision of another master that was carried out here.
type Applied struct {
	Entry  Entry
	From   string // who told
	Denied bool   // a pending key of the id, another one, was put aside as denied
}

// seenFile remembers the hash of one key file by what the file system says about it.
type seenFile struct {
	size, mtime int64
	ino         uint64
	hash        string
}

// scan reads which keys are accepted and rejected, with their hashes. Files that are no keys are left out: they are not
// shared, and a decision of another master about the id replaces them.
func (s *Share) scan() (map[string]Record, error) {
	seen := map[string]Record{}
	files := make(map[string]seenFile, len(s.files))
	// Rejected last: of an id that a crash left in both, that is what counts (spec: auth-and-crypto §8.1).
	for _, state := range []State{Accepted, Rejected} {
		dir := filepath.Join(s.opts.PKIDir, state.dir())
		names, err := os.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("look through the keys: %w", err)
		}
		for _, d := range names {
			id := d.Name()
			if !d.Type().IsRegular() || strings.HasPrefix(id, ".") || pki.CheckID(id) != nil {
				continue
			}
			path := filepath.Join(dir, id)
			file, err := s.hashFile(path, d)
			if errors.Is(err, fs.ErrNotExist) {
				continue // gone meanwhile
			}
			if err != nil {
				return nil, fmt.Errorf("look through the keys: %w", err)
			}
			files[path] = file
			if file.hash != "" {
				seen[id] = Record{State: state, Key: file.hash}
			}
			if len(seen) > maxEntries {
				return nil, fmt.Errorf("more than %d keys", maxEntries)
			}
		}
	}
	s.files = files
	return seen, nil
}

// hashFile is the hash of a key file; "" when it holds no key. A file that looks as it did is not read again.
func (s *Share) hashFile(path string, d fs.DirEntry) (seenFile, error) {
	info, err := d.Info()
	if err != nil {
		return seenFile{}, err
	}
	file := seenFile{size: info.Size(), mtime: info.ModTime().UnixNano()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		file.ino = st.Ino
	}
	old, ok := s.files[path]
	// A file written within the clock tick of the last look may change again without showing it.
	settled := s.now().UnixNano()-file.mtime > int64(3e9)
	if ok && settled && old.size == file.size && old.mtime == file.mtime && old.ino == file.ino {
		return old, nil
	}
	text, err := readKey(path)
	if err != nil {
		return seenFile{}, err
	}
	if text != "" {
		file.hash = keyHash(text)
	}
	return file, nil
}

// readKey is the cleaned text of a key file; "" when it is not a public key.
func readKey(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPub+1))
	if err != nil {
		return "", err
	}
	if len(text) > maxPub {
		return "", nil
	}
	if _, err := pki.ParsePublicKey(text); err != nil {
		return "", nil
	}
	return pki.CleanKey(string(text)), nil
}

func (s State) dir() string { return s.pki().Dir() }

func (s State) pki() pki.State {
	if s == Rejected {
		return pki.Rejected
	}
	return pki.Accepted
}

// carryOut does to the directory what a newer decision says.
func (s *Share) carryOut(e Entry, from string) (Applied, error) {
	done := Applied{Entry: e, From: from}
	if e.State == Deleted {
		for _, state := range []pki.State{pki.Accepted, pki.Rejected} {
			if err := s.store.Delete(e.ID, state); err != nil && !errors.Is(err, pki.ErrNotFound) {
				return done, err
			}
		}
		return done, nil
	}
	pending, err := s.store.Read(e.ID, pki.Pending)
	if err != nil {
		return done, err
	}
	if pending.State == pki.Pending && pki.CleanKey(string(pending.PEM)) != e.Pub {
		// Somebody else's claim to the id: it must not vanish unseen, nor stand in the way.
		if err := s.store.Move(e.ID, pki.Pending, pki.Denied); err != nil && !errors.Is(err, pki.ErrNotFound) {
			return done, err
		}
		done.Denied = true
	}
	return done, s.store.Put(e.ID, e.State.pki(), []byte(e.Pub))
}
