package master

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/saltern-io/saltern/pki"
)

// maxSyndics bounds the registry: a minion can claim to be a syndic, so the number of claims is
// limited.
const maxSyndics = 4096

// syndicRegistry knows which accepted ids are syndics. A file per syndic in `<cachedir>/syndics`
// tells the same to stock clients, which leave those ids out of "did not return"
// (spec: syndic §8, step 2).
type syndicRegistry struct {
	dir string
	mu  sync.RWMutex
	ids map[string]bool
}

func openSyndicRegistry(dir string) (*syndicRegistry, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the syndic registry: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read the syndic registry: %w", err)
	}
	s := &syndicRegistry{dir: dir, ids: map[string]bool{}}
	for _, e := range entries {
		if pki.CheckID(e.Name()) == nil && len(s.ids) < maxSyndics {
			s.ids[e.Name()] = true
		}
	}
	return s, nil
}

// add registers id as a syndic; adding a known one costs a map access.
func (s *syndicRegistry) add(id string) error {
	if s.has(id) {
		return nil
	}
	if err := pki.CheckID(id); err != nil {
		return err
	}
	s.mu.Lock()
	full := len(s.ids) >= maxSyndics
	if !full {
		s.ids[id] = true
	}
	s.mu.Unlock()
	if full {
		return fmt.Errorf("register syndic %q: already %d syndics", id, maxSyndics)
	}
	f, err := os.OpenFile(filepath.Join(s.dir, id), os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("register syndic %q: %w", id, err)
	}
	return f.Close()
}

func (s *syndicRegistry) has(id string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.ids[id]
}

// forget removes the mark, for an id whose key was deleted.
func (s *syndicRegistry) forget(id string) error {
	s.mu.Lock()
	known := s.ids[id]
	delete(s.ids, id)
	s.mu.Unlock()
	if !known {
		return nil
	}
	if err := os.Remove(filepath.Join(s.dir, id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
