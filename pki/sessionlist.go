package pki

import (
	"fmt"
	"os"
	"strings"
)

// IDs lists the ids that have a session file, whatever the state of their keys: a master drops the
// sessions of keys that were deleted behind its back. Files whose names cannot be ids are left out, and
// those of a write under way: whoever took one for a session would delete it under a minion that signs in.
func (s *Sessions) IDs() ([]string, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, fmt.Errorf("list session keys: %w", err)
	}
	ids := make([]string, 0, len(entries))
	for _, e := range entries {
		if e.Type().IsRegular() && CheckID(e.Name()) == nil && !strings.HasPrefix(e.Name(), tempPrefix) {
			ids = append(ids, e.Name())
		}
	}
	return ids, nil
}
