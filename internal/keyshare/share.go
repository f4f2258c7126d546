package keyshare

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"github.com/saltern-io/saltern/pki"
)

// DefaultKeep is how long tombstones are kept.
const DefaultKeep = 180 * 24 * time.Hour

// subdir of pki_dir holds the ledger and the pinned keys of the peers. No release of stock Salt looks into it.
const subdir = "saltern-share"

// Options of a Share.
type Options struct {
	PKIDir string
	Name   string // of this master, for people
	Keep   time.Duration
	Now    func() time.Time
	// Revoked is called for every key that another master deleted or rejected and that was accepted here: its session
	// has to end. It must not call the Share.
	Revoked func(id string) error
}

// Share is the shared keys of one pki_dir. Every call looks at the directory first, so that what a key tool of any make
// did meanwhile counts. Safe for concurrent use, also from several processes.
type Share struct {
	opts  Options
	store *pki.DirStore
	place string
	lock  *flock.Flock

	mu    sync.Mutex
	files map[string]seenFile
}

// Open opens the shared keys of a pki_dir and makes what is missing.
func Open(opts Options) (*Share, error) {
	if opts.Keep <= 0 {
		opts.Keep = DefaultKeep
	}
	store, err := pki.OpenDirStore(opts.PKIDir, pki.DirOptions{})
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(opts.PKIDir, subdir)
	for _, d := range []string{dir, filepath.Join(dir, peerDir)} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, fmt.Errorf("shared keys: %w", err)
		}
		if err := ownLike(d, opts.PKIDir); err != nil {
			return nil, fmt.Errorf("shared keys: %w", err)
		}
	}
	real, err := filepath.EvalSymlinks(opts.PKIDir)
	if err != nil {
		return nil, fmt.Errorf("shared keys: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("shared keys: %w", err)
	}
	s := &Share{opts: opts, store: store, place: host + ":" + real, files: map[string]seenFile{}}
	s.lock = flock.New(filepath.Join(dir, "lock"), flock.SetPermissions(0o600))
	return s, nil
}

func (s *Share) now() time.Time {
	if s.opts.Now != nil {
		return s.opts.Now()
	}
	return time.Now()
}

func (s *Share) ledgerPath() string { return filepath.Join(s.opts.PKIDir, subdir, "ledger.json") }

// with runs change on the ledger, after what happened in the directory is in it, and saves what has changed.
func (s *Share) with(change func(*ledgerFile) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.lock.Lock(); err != nil {
		return fmt.Errorf("lock the shared keys: %w", err)
	}
	err := s.locked(change)
	return errors.Join(err, s.lock.Unlock())
}

func (s *Share) locked(change func(*ledgerFile) error) error {
	l, err := loadLedger(s.ledgerPath(), s.place)
	if err != nil {
		return err
	}
	before := *l
	before.Keys, before.Conflicts = maps.Clone(l.Keys), maps.Clone(l.Conflicts)
	seen, err := s.scan()
	if err != nil {
		return err
	}
	now := s.now()
	l.Keys, _ = Observe(l.Keys, seen, l.Node, now.Unix())
	l.Keys = Expire(l.Keys, now.Add(-s.opts.Keep).Unix())
	failed := change(l)
	// What was carried out before a failure stays; the ledger must know of it.
	if l.unchanged(&before) {
		return failed
	}
	return errors.Join(failed, l.save(s.ledgerPath()))
}

// unchanged reports whether l is what before was.
func (l *ledgerFile) unchanged(before *ledgerFile) bool {
	return l.Node == before.Node && l.Place == before.Place && l.Seen == before.Seen && l.Store == before.Store &&
		maps.EqualFunc(l.Keys, before.Keys, func(a, b Record) bool { return a.same(b) && a.Time == b.Time && maps.Equal(a.Version, b.Version) }) &&
		maps.EqualFunc(l.Conflicts, before.Conflicts, func(a, b Conflict) bool {
			return a.Theirs.State == b.Theirs.State && a.Theirs.Pub == b.Theirs.Pub && maps.Equal(a.Theirs.Version, b.Theirs.Version) &&
				maps.Equal(a.Ours.Version, b.Ours.Version)
		})
}

// entries are the decisions after the id after, at most most of them, in the order of ids.
func (s *Share) entries(l *ledgerFile, after string, most int) ([]Entry, error) {
	ids := slices.Sorted(maps.Keys(l.Keys))
	at, found := slices.BinarySearch(ids, after)
	if found {
		at++
	}
	if after == "" {
		at = 0
	}
	var list []Entry
	for _, id := range ids[at:] {
		if len(list) == most {
			break
		}
		r := l.Keys[id]
		e := Entry{ID: id, State: r.State, Version: r.Version, Time: r.Time}
		if r.State != Deleted {
			pub, err := readKey(filepath.Join(s.opts.PKIDir, r.State.dir(), id))
			if err != nil {
				return nil, fmt.Errorf("key of %q: %w", id, err)
			}
			if keyHash(pub) != r.Key {
				continue // changed since the look: the next one tells it
			}
			e.Pub = pub
		}
		list = append(list, e)
	}
	return list, nil
}

// Report is what a merge came to.
type Report struct {
	From      string
	Taken     int // entries looked at
	Applied   []Applied
	Conflicts []Conflict // all that are open, also older ones
}

// merge takes the entries of one source; they must be checked.
func (s *Share) merge(l *ledgerFile, from string, theirs []Entry) (Report, error) {
	report := Report{From: from, Taken: len(theirs)}
	theirs = slices.DeleteFunc(slices.Clone(theirs), func(e Entry) bool {
		_, known := l.Keys[e.ID]
		return !known && s.expired(e)
	})
	m := Merge(l.Keys, l.Conflicts, theirs, from)
	done := map[string]bool{}
	var failed error
	for _, e := range m.Apply {
		before := l.Keys[e.ID]
		applied, err := s.carryOut(e, from)
		if err == nil && before.State == Accepted && (e.State != Accepted || keyHash(e.Pub) != before.Key) && s.opts.Revoked != nil {
			err = s.opts.Revoked(e.ID)
		}
		if err != nil {
			failed = fmt.Errorf("carry out the decision about %q: %w", e.ID, err)
			break
		}
		done[e.ID] = true
		if e.State != Deleted || before.State != "" {
			report.Applied = append(report.Applied, applied)
		}
	}
	if failed != nil { // the ledger may not know of what was not done
		for _, e := range m.Apply {
			if done[e.ID] {
				l.Keys[e.ID] = e.record()
			}
		}
		return report, failed
	}
	l.Keys, l.Conflicts = m.Ledger, m.Conflicts
	report.Conflicts = sortedConflicts(l.Conflicts)
	return report, nil
}

// expired reports whether e is a tombstone that nobody keeps any more.
func (s *Share) expired(e Entry) bool {
	return e.State == Deleted && e.Time < s.now().Add(-s.opts.Keep).Unix()
}

func sortedConflicts(all map[string]Conflict) []Conflict {
	list := slices.Collect(maps.Values(all))
	slices.SortFunc(list, func(a, b Conflict) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return list
}

// Status is the state of the shared keys.
type Status struct {
	Node      string
	Counts    map[State]int
	Conflicts []Conflict
}

// Status looks at directory and ledger.
func (s *Share) Status() (Status, error) {
	st := Status{Counts: map[State]int{}}
	err := s.with(func(l *ledgerFile) error {
		st.Node, st.Conflicts = l.Node, sortedConflicts(l.Conflicts)
		for _, r := range l.Keys {
			st.Counts[r.State]++
		}
		return nil
	})
	return st, err
}

// ErrNoConflict is returned by Resolve for an id without an open conflict.
var ErrNoConflict = errors.New("no conflict is open about this id")

// Resolve ends a conflict: the decision, ours or theirs, becomes a new one that knows both.
func (s *Share) Resolve(id string, theirs bool) error {
	return s.with(func(l *ledgerFile) error {
		c, ok := l.Conflicts[id]
		if !ok {
			return fmt.Errorf("%q: %w", id, ErrNoConflict)
		}
		ours := l.Keys[id]
		next := ours
		if theirs {
			if _, err := s.carryOut(c.Theirs, c.From); err != nil {
				return err
			}
			if ours.State == Accepted && s.opts.Revoked != nil {
				if err := s.opts.Revoked(id); err != nil {
					return err
				}
			}
			next = c.Theirs.record()
		}
		next.Version = ours.Version.Join(c.Theirs.Version).Next(l.Node)
		next.Time = s.now().Unix()
		l.Keys[id] = next
		delete(l.Conflicts, id)
		return nil
	})
}
