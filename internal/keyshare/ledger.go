package keyshare

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// maxLedger bounds the ledger file that is read: 200,000 records of 64 nodes would be larger, those of a real fleet are
// 300 bytes each.
const maxLedger = 256 << 20

// ledgerFile is the ledger on disk.
type ledgerFile struct {
	Format    int                 `json:"saltern_key_ledger"`
	Node      string              `json:"node"`
	Place     string              `json:"place"` // host and directory for which node was made
	Keys      map[string]Record   `json:"keys"`
	Conflicts map[string]Conflict `json:"conflicts,omitempty"`
	Seen      uint64              `json:"seen,omitempty"`  // last change read from the Redis store
	Store     string              `json:"store,omitempty"` // and which store that was
}

const ledgerFormat = 1

// loadLedger reads the ledger of a directory; a missing one is a new one. A copy of another master's directory gets a
// node of its own: two masters that count under one name would take each other's decisions for known.
func loadLedger(path, place string) (*ledgerFile, error) {
	l := &ledgerFile{Format: ledgerFormat, Keys: map[string]Record{}}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("key ledger: %w", err)
	case info.Size() > maxLedger:
		return nil, fmt.Errorf("key ledger %s has %d bytes", path, info.Size())
	default:
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("key ledger: %w", err)
		}
		if err := json.Unmarshal(text, l); err != nil {
			return nil, fmt.Errorf("key ledger %s is damaged, move it away to begin anew: %w", path, err)
		}
		if l.Format != ledgerFormat {
			return nil, fmt.Errorf("key ledger %s has format %d, this release knows %d", path, l.Format, ledgerFormat)
		}
	}
	if l.Keys == nil {
		l.Keys = map[string]Record{}
	}
	if l.Place != place || !validNode(l.Node) {
		l.Node, l.Place = newNode(), place
	}
	return l, nil
}

func newNode() string {
	var b [nodeLen / 2]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

func (l *ledgerFile) save(path string) error {
	text, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("key ledger: %w", err)
	}
	return replaceFile(path, append(text, '\n'), 0o600)
}

// replaceFile writes a file in one step and returns when it is on the disk. As root it belongs to the owner of its
// directory, so that a daemon of another account can use it.
func replaceFile(path string, text []byte, mode fs.FileMode) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".saltern-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = ownLike(f.Name(), dir)
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(f.Name()))
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return errors.Join(d.Sync(), d.Close())
}

func ownLike(path, dir string) error {
	info, err := os.Stat(dir)
	if err != nil || os.Geteuid() != 0 {
		return err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != 0 {
		return os.Lchown(path, int(st.Uid), -1)
	}
	return nil
}
