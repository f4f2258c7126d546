package pki

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// listing is the cached content of one state directory.
type listing struct {
	mu         sync.Mutex
	stamp      fileStamp
	valid      bool // the stamp was old enough when the directory was read
	ids        []string
	generation uint64
}

// List implements Store: regular files whose name is a valid id without a leading dot, links left out.
func (d *DirStore) List(s State) ([]string, error) {
	if s.Dir() == "" {
		return nil, fmt.Errorf("list keys: state %s has no directory", s)
	}
	entries, err := os.ReadDir(filepath.Join(d.root, s.Dir()))
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	ids := make([]string, 0, len(entries))
	for _, entry := range entries {
		if entry.Type().IsRegular() && listed(entry.Name()) {
			ids = append(ids, entry.Name())
		}
	}
	SortIDs(ids)
	return ids, nil
}

// SortIDs sorts in place, without regard to case; equal ones by bytes, so that the order is always the same.
func SortIDs(ids []string) {
	type folded struct{ key, id string }
	pairs := make([]folded, len(ids))
	for i, id := range ids {
		pairs[i] = folded{strings.ToLower(id), id}
	}
	slices.SortFunc(pairs, func(a, b folded) int {
		if c := strings.Compare(a.key, b.key); c != 0 {
			return c
		}
		return strings.Compare(a.id, b.id)
	})
	for i, p := range pairs {
		ids[i] = p.id
	}
}

// AcceptedIDs returns the accepted ids sorted without regard to case, and a number that changes exactly
// when the list does. The slice is shared: read only. One examination of the directory when nothing
// changed; a directory that changed within the last tick of the file system's clock is read each time.
func (d *DirStore) AcceptedIDs() ([]string, uint64, error) {
	l := &d.accepted
	l.mu.Lock()
	defer l.mu.Unlock()
	stamp, err := stampFile(filepath.Join(d.root, Accepted.Dir()))
	if err != nil {
		return nil, 0, fmt.Errorf("list keys: %w", err)
	}
	if l.valid && l.stamp == stamp {
		return l.ids, l.generation, nil
	}
	// Taken before the directory is read: a change during the read makes the next call read again.
	settled := stamp.settled(time.Now())
	ids, err := d.List(Accepted)
	if err != nil {
		return nil, 0, err
	}
	if l.generation == 0 || !slices.Equal(ids, l.ids) {
		l.ids = ids
		l.generation++
	}
	l.stamp, l.valid = stamp, settled
	return l.ids, l.generation, nil
}
