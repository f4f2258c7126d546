package master

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/saltern-io/saltern/pki"
)

// maxSyndics bounds the registry: a minion can claim to be a syndic, so the number of claims is
// limited.
const maxSyndics = 4096

// syndicRegistry knows which accepted ids are syndics, and what each of them did. A file per syndic in
// `<cachedir>/syndics` tells the same to stock clients, which leave those ids out of "did not return"
// (spec: syndic §8, step 2).
type syndicRegistry struct {
	dir        string
	mu         sync.RWMutex
	ids        map[string]*syndicRecord
	generation uint64 // changes with the set of ids
}

// syndicRecord is what a master knows of one syndic; the registry's lock guards it.
type syndicRecord struct {
	seen    time.Time // last request; zero since the start
	started time.Time // last start event
	starts  int64     // start events
	returns int64     // returns taken from it, repeats left out
	events  int64     // events taken from it, repeats left out
	repeats int64     // events and returns that were here before
	asked   int64     // requests for missed publications
	fetched int64     // publications given for them
	epoch   string    // what it acknowledged with the last of them
	serial  uint64
}

func openSyndicRegistry(dir string) (*syndicRegistry, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the syndic registry: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read the syndic registry: %w", err)
	}
	s := &syndicRegistry{dir: dir, ids: map[string]*syndicRecord{}, generation: 1}
	for _, e := range entries {
		if pki.CheckID(e.Name()) == nil && len(s.ids) < maxSyndics {
			s.ids[e.Name()] = &syndicRecord{}
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
	if !full && s.ids[id] == nil {
		s.ids[id] = &syndicRecord{}
		s.generation++
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
	return s.ids[id] != nil
}

// heard notes a request of a known syndic; change, if given, enters what it was about.
func (s *syndicRegistry) heard(id string, now time.Time, change func(*syndicRecord)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.ids[id]
	if r == nil {
		return
	}
	r.seen = now
	if change != nil {
		change(r)
	}
}

// known lists the registered ids, sorted, with a number that changes when the set does.
func (s *syndicRegistry) known() ([]string, uint64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	ids := make([]string, 0, len(s.ids))
	for id := range s.ids {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids, s.generation
}

// snapshot returns the generation alone.
func (s *syndicRegistry) age() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.generation
}

// record returns a copy of what is known of a syndic.
func (s *syndicRegistry) record(id string) (syndicRecord, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if r := s.ids[id]; r != nil {
		return *r, true
	}
	return syndicRecord{}, false
}

// forget removes the mark, for an id whose key was deleted.
func (s *syndicRegistry) forget(id string) error {
	s.mu.Lock()
	known := s.ids[id] != nil
	if known {
		delete(s.ids, id)
		s.generation++
	}
	s.mu.Unlock()
	if !known {
		return nil
	}
	if err := os.Remove(filepath.Join(s.dir, id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
