package pki

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// DirOptions are the modes of what DirStore creates.
type DirOptions struct {
	FileMode fs.FileMode // of key files; 0 = 0644, which every release reads (3008 itself writes 0600)
	DirMode  fs.FileMode // of the state directories; 0 = 0755
	// MovedMode is given to files that Move takes to another state; 0 keeps the mode they have. 3008's
	// salt-key makes them 0600.
	MovedMode fs.FileMode
}

// DirStore is the key store of Salt on disk (spec: auth §8.1, key-management-cli §2): below pki_dir one directory per
// state, in it one file per id. The files are the truth: every call examines them again, so that an
// external salt-key takes effect at once; parsed accepted keys are cached by device, inode, size and times.
// Keys in other states are parsed at each use: strangers can make many of them, and use no memory.
// Symbolic links are not followed and count as absent.
//
// # Order of operations
//
// An id is never in two of minions, minions_pre and minions_rejected after a crash at any point, and never accepted with a key nobody
// accepted. Each step is one rename or unlink:
//
//	Move            unlink the id in the third directory, then rename from → to
//	Put accepted    unlink in the other two, then temp + rename; a crash between leaves the id unknown,
//	                and its minion asks again
//	Put pending,    rename the old file over, which keeps the id refused, then temp + rename the new
//	  rejected      text onto it
//	Put denied      temp + rename; other states are not touched
type DirStore struct {
	root string
	opts DirOptions

	// locks serialise changes of one id within the process; across processes each step is atomic.
	locks [64]sync.Mutex

	mu   sync.RWMutex
	keys map[string]*cachedKey // accepted keys by id; bounded by maxCachedKeys

	accepted listing
}

// maxCachedKeys bounds the memory for parsed keys, about 3 KiB each. Past it an arbitrary key is parsed anew
// at its next use.
const maxCachedKeys = 65536

type cachedKey struct {
	state   State
	stamp   fileStamp
	settled bool
	entry   Entry
	tok     tokMemory
}

var _ Store = (*DirStore)(nil)

// OpenDirStore opens the store below pkiDir and makes what is missing: pkiDir with mode 0700 (another mode
// than 0700 or 0750 is set to 0700), the state directories and minions_autosign with 0755.
func OpenDirStore(pkiDir string, opts DirOptions) (*DirStore, error) {
	if opts.FileMode == 0 {
		opts.FileMode = 0o644
	}
	if opts.DirMode == 0 {
		opts.DirMode = 0o755
	}
	if err := preparePKIDir(pkiDir); err != nil {
		return nil, err
	}
	for _, name := range []string{Accepted.Dir(), Pending.Dir(), Rejected.Dir(), Denied.Dir(), "minions_autosign"} {
		if err := makeDir(filepath.Join(pkiDir, name), opts.DirMode); err != nil {
			return nil, err
		}
	}
	return &DirStore{root: pkiDir, opts: opts, keys: make(map[string]*cachedKey)}, nil
}

func preparePKIDir(dir string) error {
	if err := makeDir(dir, 0o700); err != nil {
		return err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("pki_dir: %w", err)
	}
	if mode := info.Mode().Perm(); mode != 0o700 && mode != 0o750 {
		if err := os.Chmod(dir, 0o700); err != nil {
			return fmt.Errorf("pki_dir: %w", err)
		}
	}
	return nil
}

// makeDir makes dir with exactly mode, whatever the umask, unless it exists; missing parents get 0755.
func makeDir(dir string, mode fs.FileMode) error {
	if info, err := os.Stat(dir); err == nil {
		if !info.IsDir() {
			return fmt.Errorf("make directory %s: a file is in the way", dir)
		}
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	if err := os.Mkdir(dir, mode); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make directory: %w", err)
	}
	if err := os.Chmod(dir, mode); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	if err := ownLike(dir, filepath.Dir(dir)); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	return nil
}

func (d *DirStore) path(id string, s State) string { return d.root + "/" + s.Dir() + "/" + id }

// Lookup implements Store. An empty file in minions or minions_pre, what a power cut can leave of a new
// key, counts as absent; in minions_rejected it counts.
func (d *DirStore) Lookup(id string) (Entry, error) {
	cached, err := d.lookup(id)
	if err != nil {
		return Entry{}, err
	}
	if cached == nil {
		return Entry{ID: id}, nil
	}
	return cached.entry, nil
}

// Read returns the key of id in state s alone, also in Denied; State None when there is none.
func (d *DirStore) Read(id string, s State) (Entry, error) {
	if err := CheckID(id); err != nil {
		return Entry{}, err
	}
	if s.Dir() == "" {
		return Entry{ID: id}, nil
	}
	stamp, ok, err := d.examine(id, s)
	if err != nil || !ok {
		return Entry{ID: id}, err
	}
	cached, err := d.load(id, s, stamp)
	if err != nil || cached == nil {
		return Entry{ID: id}, err
	}
	return cached.entry, nil
}

// Text returns the stored text of id's key in state s without parsing it, also in Denied; nil when there
// is none.
func (d *DirStore) Text(id string, s State) ([]byte, error) {
	if err := CheckID(id); err != nil {
		return nil, err
	}
	if s.Dir() == "" {
		return nil, nil
	}
	stamp, ok, err := d.examine(id, s)
	if err != nil || !ok {
		return nil, err
	}
	text, err := readRegular(d.path(id, s), min(maxKeyText, stamp.size+1))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("key of %q: %w", id, err)
	}
	if text == nil {
		text = []byte{}
	}
	return text, nil
}

// Sync makes the moves into and out of the given states, and deletions there, survive a power cut.
func (d *DirStore) Sync(states ...State) error {
	var errs []error
	for _, s := range states {
		if err := syncDir(filepath.Join(d.root, s.Dir())); err != nil {
			errs = append(errs, fmt.Errorf("sync keys: %w", err))
		}
	}
	return errors.Join(errs...)
}

func (d *DirStore) lookup(id string) (*cachedKey, error) {
	if err := CheckID(id); err != nil {
		return nil, err
	}
	for _, s := range [...]State{Rejected, Accepted, Pending} {
		stamp, ok, err := d.examine(id, s)
		if err != nil {
			return nil, err
		}
		if !ok || stamp.size == 0 && s != Rejected {
			continue
		}
		d.mu.RLock()
		cached := d.keys[id]
		d.mu.RUnlock()
		if s == Accepted && cached != nil && cached.settled && cached.stamp == stamp {
			return cached, nil
		}
		loaded, err := d.load(id, s, stamp)
		if err != nil {
			return nil, err
		}
		if loaded == nil {
			continue // gone between the two calls
		}
		if s == Accepted {
			d.remember(id, cached, loaded)
		}
		return loaded, nil
	}
	d.forget(id)
	return nil, nil
}

func (d *DirStore) examine(id string, s State) (fileStamp, bool, error) {
	stamp, err := stampFile(d.path(id, s))
	if errors.Is(err, fs.ErrNotExist) {
		return stamp, false, nil
	}
	if err != nil {
		return stamp, false, fmt.Errorf("key of %q: %w", id, err)
	}
	return stamp, stamp.regular(), nil
}

// load reads and parses one key file. It returns nil when the file is gone.
func (d *DirStore) load(id string, s State, stamp fileStamp) (*cachedKey, error) {
	settled := stamp.settled(time.Now())
	text, err := readRegular(d.path(id, s), maxKeyText)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("key of %q: %w", id, err)
	}
	key := &cachedKey{state: s, stamp: stamp, settled: settled, entry: Entry{ID: id, State: s, PEM: text}}
	d.mu.RLock()
	old := d.keys[id]
	d.mu.RUnlock()
	if old != nil && bytes.Equal(old.entry.PEM, text) {
		// Touched or moved, or read again within the clock tick: the parse and the tok stay good.
		key.entry.Key, key.entry.KeyErr = old.entry.Key, old.entry.KeyErr
		key.tok.copy(&old.tok)
		return key, nil
	}
	key.entry.Key, err = ParsePublicKey(text)
	if err != nil {
		key.entry.KeyErr = fmt.Errorf("key of %q (%s): %w", id, s.Dir(), err)
	}
	return key, nil
}

func (d *DirStore) forget(id string) {
	d.mu.RLock()
	_, have := d.keys[id]
	d.mu.RUnlock()
	if have { // ids nobody knows never take the write lock
		d.mu.Lock()
		delete(d.keys, id)
		d.mu.Unlock()
	}
}

// remember puts a parsed key into the cache unless another goroutine was faster.
func (d *DirStore) remember(id string, before, key *cachedKey) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now := d.keys[id]; now != before {
		return
	}
	if before == nil && len(d.keys) >= maxCachedKeys {
		for victim := range d.keys {
			delete(d.keys, victim)
			break
		}
	}
	d.keys[id] = key
}
