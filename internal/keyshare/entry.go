package keyshare

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/saltern-io/saltern/pki"
)

// Bounds of what is taken from others.
const (
	maxEntries = 200_000
	maxPub     = 16 << 10
	maxName    = 255
)

// State is a decision about the key of one id.
type State string

// The decisions.
const (
	Accepted State = "accepted"
	Rejected State = "rejected"
	Deleted  State = "deleted"
)

// Entry is one decision as it travels.
type Entry struct {
	ID      string  `json:"id"`
	State   State   `json:"state"`
	Pub     string  `json:"pub,omitempty"` // cleaned PEM; "" when deleted
	Version Version `json:"version"`
	Time    int64   `json:"time"` // Unix seconds of the decision; for people, never compared
}

// ErrEntry is returned for an entry that no master makes.
var ErrEntry = errors.New("not an entry of shared keys")

// Check is nil for an entry that may be stored.
func (e *Entry) Check() error {
	if err := pki.CheckID(e.ID); err != nil {
		return fmt.Errorf("%w: %w", ErrEntry, err)
	}
	if strings.HasPrefix(e.ID, ".") {
		return fmt.Errorf("%w: %q would not be listed", ErrEntry, e.ID)
	}
	if !e.Version.valid() {
		return fmt.Errorf("%w: version of %q", ErrEntry, e.ID)
	}
	switch e.State {
	case Deleted:
		if e.Pub != "" {
			return fmt.Errorf("%w: %q is deleted and has a key", ErrEntry, e.ID)
		}
		return nil
	case Accepted, Rejected:
	default:
		return fmt.Errorf("%w: state of %q", ErrEntry, e.ID)
	}
	if len(e.Pub) > maxPub {
		return fmt.Errorf("%w: key of %q has %d bytes", ErrEntry, e.ID, len(e.Pub))
	}
	if pki.CleanKey(e.Pub) != e.Pub {
		return fmt.Errorf("%w: key of %q is not in clean form", ErrEntry, e.ID)
	}
	if _, err := pki.ParsePublicKey([]byte(e.Pub)); err != nil {
		return fmt.Errorf("%w: key of %q: %w", ErrEntry, e.ID, err)
	}
	return nil
}

// KeyHash names the key of the entry as records do; "" without one.
func (e *Entry) KeyHash() string { return keyHash(e.Pub) }

// Record is what the ledger keeps of one id.
type Record struct {
	State   State   `json:"state"`
	Key     string  `json:"key,omitempty"` // SHA-256 of the cleaned PEM
	Version Version `json:"version"`
	Time    int64   `json:"time"`
}

// record is the entry as the ledger keeps it.
func (e *Entry) record() Record {
	return Record{State: e.State, Key: keyHash(e.Pub), Version: e.Version, Time: e.Time}
}

// same reports whether two records decide the same.
func (r Record) same(o Record) bool { return r.State == o.State && r.Key == o.Key }

// When is the time of the decision.
func (r Record) When() time.Time { return time.Unix(r.Time, 0) }

func keyHash(pub string) string {
	if pub == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(pub))
	return hex.EncodeToString(sum[:])
}
