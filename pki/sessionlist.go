package pki

import (
	"fmt"
	"os"
)

// IDs lists the ids that have a session file, whatever the state of their keys: a master drops the
// sessions of keys that were deleted behind its back. Files whose names cannot be ids are left out.
func (s *Sessions) IDs() ([]string, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, fmt.Errorf("list session keys: %w", err)
	}
	ids := make([]string, 0, len(entries))
	for _, e := range entries {
		if e.Type().IsRegular() && CheckID(e.Name()) == nil {
			ids = append(ids, e.Name())
		}
	}
	return ids, nil
}
