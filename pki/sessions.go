package pki

import (
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"os"
	"sync"
	"time"
)

// Limits of Sessions.
const (
	// DefaultSessionGrace is how long a replaced session key opens boxes.
	DefaultSessionGrace = 60 * time.Second
	// maxSessions bounds the ciphers kept in memory, about 3 KiB each. Past it an arbitrary one is read
	// from its file at its next use, and its previous key is forgotten.
	maxSessions = 32768
)

// Sessions keeps the session key of each minion in one file per id, mode 0600, 76 characters without a
// newline, its age the file's mtime: the layout of stock Salt, usable by either (spec: auth §3).
// The files are the truth and are examined on every call, so that a deleted one ends the session at once.
// Safe for concurrent use.
type Sessions struct {
	dir string
	ttl time.Duration

	grace time.Duration
	now   func() time.Time

	locks [64]sync.Mutex // per id: make and renew
	mu    sync.RWMutex
	known map[string]*session // bounded by maxSessions
}

type session struct {
	stamp    fileStamp
	current  *Cipher
	previous *Cipher // nil, or good until retired
	retired  time.Time
}

// OpenSessions opens the directory <cachedir>/sessions and makes it, mode 0700, when it is missing. ttl is publish_session:
// a key whose file is older is replaced at the next sign-in; 0 or less means never.
func OpenSessions(dir string, ttl time.Duration) (*Sessions, error) {
	if err := makeDir(dir, 0o700); err != nil {
		return nil, fmt.Errorf("sessions: %w", err)
	}
	return &Sessions{
		dir: dir, ttl: ttl, grace: DefaultSessionGrace, now: time.Now,
		known: make(map[string]*session),
	}, nil
}

// Cipher returns the session key of id for a sign-in: it makes one when there is none, and replaces one
// that is older than the ttl or damaged. The caller has checked that the key of id is accepted.
func (s *Sessions) Cipher(id string) (*Cipher, error) {
	if err := CheckID(id); err != nil {
		return nil, err
	}
	mu := &s.locks[maphash.String(lockSeed, id)%uint64(len(s.locks))]
	mu.Lock()
	defer mu.Unlock()
	old, err := s.load(id)
	if err != nil && !errors.Is(err, ErrKeyString) && !errors.Is(err, errLinkedFile) {
		return nil, err
	}
	if old != nil && !s.expired(old) {
		return old.current, nil
	}
	fresh, err := NewCipher(NewKeyString())
	if err != nil {
		return nil, err
	}
	path := s.path(id)
	if err := writeFile(path, []byte(fresh.KeyString()), modeSecret, crashSafe); err != nil {
		return nil, fmt.Errorf("session key: %w", err)
	}
	stamp, err := stampFile(path)
	if err != nil {
		return nil, fmt.Errorf("session key: %w", err)
	}
	made := &session{stamp: stamp, current: fresh}
	if old != nil {
		made.previous, made.retired = old.current, s.now().Add(s.grace)
	}
	s.keep(id, s.memory(id), made)
	return fresh, nil
}

// Lookup returns the session key of id and, within the grace period after a renewal, the one before it
// (nil otherwise). It never makes one: ok is false when id is invalid, has no session, or when its key
// has outlived the ttl, and the minion must sign in again.
func (s *Sessions) Lookup(id string) (current, previous *Cipher, ok bool) {
	if CheckID(id) != nil {
		return nil, nil, false
	}
	found, err := s.load(id)
	if err != nil || found == nil || s.expired(found) {
		return nil, nil, false
	}
	if found.previous != nil && s.now().Before(found.retired) {
		previous = found.previous
	}
	return found.current, previous, true
}

// Delete ends the session of id: file and memory. No session is no error.
func (s *Sessions) Delete(id string) error {
	if err := CheckID(id); err != nil {
		return err
	}
	mu := &s.locks[maphash.String(lockSeed, id)%uint64(len(s.locks))]
	mu.Lock()
	defer mu.Unlock()
	s.forget(id)
	if err := os.Remove(s.path(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete session key: %w", err)
	}
	return nil
}

func (s *Sessions) path(id string) string { return s.dir + "/" + id }

func (s *Sessions) expired(found *session) bool {
	return s.ttl > 0 && s.now().UnixNano()-found.stamp.mtime > int64(s.ttl)
}

var errLinkedFile = errors.New("not a regular file")

// load returns the session of id from memory or from its file, nil when there is none.
func (s *Sessions) load(id string) (*session, error) {
	path := s.path(id)
	stamp, err := stampFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if s.memory(id) != nil { // strangers' ids never take the write lock
			s.forget(id)
		}
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("session key: %w", err)
	}
	known := s.memory(id)
	if known != nil && known.stamp == stamp {
		return known, nil
	}
	if !stamp.regular() {
		return nil, fmt.Errorf("session key of %q: %w", id, errLinkedFile)
	}
	if stamp.size != KeyStringLen {
		return nil, fmt.Errorf("session key of %q: %d bytes: %w", id, stamp.size, ErrKeyString)
	}
	text, err := readRegular(path, KeyStringLen)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("session key: %w", err)
	}
	c, err := NewCipher(string(text))
	if err != nil {
		return nil, fmt.Errorf("session key of %q: %w", id, err)
	}
	found := &session{stamp: stamp, current: c}
	if known != nil && known.current.keyString == c.keyString {
		// Only touched: the expanded key and the previous one stay.
		found.current, found.previous, found.retired = known.current, known.previous, known.retired
	}
	s.keep(id, known, found)
	return found, nil
}

func (s *Sessions) memory(id string) *session {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.known[id]
}

// keep replaces what the caller saw before; when another goroutine was faster, its word stands.
func (s *Sessions) keep(id string, before, found *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known[id] != before {
		return
	}
	if _, have := s.known[id]; !have && len(s.known) >= maxSessions {
		for victim := range s.known {
			delete(s.known, victim)
			break
		}
	}
	s.known[id] = found
}

func (s *Sessions) forget(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.known, id)
}
