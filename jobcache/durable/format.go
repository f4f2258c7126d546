package durable

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// ErrFormat says that a later release wrote the store.
var ErrFormat = errors.New("store of a format that this release does not know")

// CheckFormat compares the format that a store has under key with the one that this release writes; an empty store gets it,
// synced. Another one gives ErrFormat with what was found.
func CheckFormat(db *pebble.DB, key, value string) error {
	v, closer, err := db.Get([]byte(key))
	if errors.Is(err, pebble.ErrNotFound) {
		return db.Set([]byte(key), []byte(value), pebble.Sync)
	}
	if err != nil {
		return err
	}
	found := string(v)
	if err := closer.Close(); err != nil {
		return err
	}
	if found != value {
		return fmt.Errorf("%w: %q", ErrFormat, found)
	}
	return nil
}
