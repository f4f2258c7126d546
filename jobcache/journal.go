package jobcache

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// Publication is one entry of the journal: what a master sent to everybody, in the order of sending.
//
// Epochs are the lives of the master's shared key; serials grow within one. The journal numbers the epochs in the order
// in which it hears of them, so that one scan reads entries in the order of sending across epochs.
type Publication struct {
	Epoch  string // at most MaxName bytes without a zero byte; "" keeps no entry
	Serial uint64
	Time   time.Time // of sending; milliseconds are kept
	Load   []byte    // opaque
}

// Position is a place in the journal: behind the publication Serial of Epoch.
type Position struct {
	Epoch  string
	Serial uint64
}

// maxEpochs bounds what is remembered of epochs; with more the oldest are forgotten, names and entries.
const maxEpochs = 4096

// journal is what the store knows of its journal without reading. Writes are the committer's.
type journal struct {
	most int

	mu       sync.Mutex
	ordinals map[string]uint32
	names    map[uint32]string
	oldest   uint32 // ordinal of the oldest epoch remembered
	newest   uint32 // of the newest; 0 without any
	entries  int
	dropped  place // the last entry that is no longer kept
}

// place is a position in the order of sending.
type place struct {
	ordinal uint32
	serial  uint64
}

func (p place) before(q place) bool {
	return p.ordinal < q.ordinal || p.ordinal == q.ordinal && p.serial < q.serial
}

func appendEntryKey(dst []byte, p place) []byte {
	dst = binary.BigEndian.AppendUint32(append(dst, prefixEntry...), p.ordinal)
	return binary.BigEndian.AppendUint64(dst, p.serial)
}

func appendEpochKey(dst []byte, ordinal uint32) []byte {
	return binary.BigEndian.AppendUint32(append(dst, prefixEpoch...), ordinal)
}

func parseEntryKey(key []byte) (place, bool) {
	rest, ok := bytes.CutPrefix(key, []byte(prefixEntry))
	if !ok || len(rest) != 12 {
		return place{}, false
	}
	return place{binary.BigEndian.Uint32(rest), binary.BigEndian.Uint64(rest[4:])}, true
}

// openJournal reads what is remembered in memory.
func (s *Store) openJournal() error {
	j := &s.journal
	j.most = s.opts.JournalMax
	j.ordinals, j.names = map[string]uint32{}, map[uint32]string{}
	lower, upper := prefixBounds(prefixEpoch)
	err := s.scan(lower, upper, func(it *pebble.Iterator) error {
		v, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		rest := it.Key()[len(prefixEpoch):]
		if len(rest) != 4 || len(v) < 2 || v[0] != recordVersion {
			return fmt.Errorf("%w: epoch of the journal", ErrRecord)
		}
		j.remember(binary.BigEndian.Uint32(rest), string(v[1:]))
		return nil
	})
	if err != nil {
		return err
	}
	v, closer, err := s.db.Get([]byte(journalDroppedKey))
	switch {
	case errors.Is(err, pebble.ErrNotFound):
	case err != nil:
		return err
	default:
		if len(v) == 13 && v[0] == recordVersion {
			j.dropped = place{binary.BigEndian.Uint32(v[1:]), binary.BigEndian.Uint64(v[5:])}
		}
		if err := closer.Close(); err != nil {
			return err
		}
	}
	lower, upper = prefixBounds(prefixEntry)
	return s.scan(lower, upper, func(*pebble.Iterator) error {
		j.entries++
		return nil
	})
}

func (j *journal) remember(ordinal uint32, epoch string) {
	j.ordinals[epoch], j.names[ordinal] = ordinal, epoch
	if j.oldest == 0 {
		j.oldest = ordinal
	}
	j.newest = max(j.newest, ordinal)
}

// SavePublication stores a job as SaveLoad does and its entry in the journal with it: both are durable when it returns
// nil. With JournalMax entries in the journal the oldest give way. Without a load, or when no journal is kept, the
// journal remembers only that the publication is gone.
func (s *Store) SavePublication(ctx context.Context, job Job, pub Publication) error {
	if err := checkJID(job.JID); err != nil {
		return err
	}
	if job.Load == nil {
		job.Load = []byte{}
	}
	record := appendJob(nil, &job)
	var entry []byte
	if pub.Epoch != "" {
		if !validName(pub.Epoch) {
			return fmt.Errorf("save publication of job %q: %w: epoch", job.JID, ErrName)
		}
		entry = appendEntry(nil, pub)
	}
	err := s.do(ctx, len(record)+len(entry), func(g *group) error {
		if _, err := g.putJob(job.JID, record, replaceLoad); err != nil || entry == nil {
			return err
		}
		return s.putEntry(g, pub, entry)
	})
	if err != nil {
		return fmt.Errorf("save publication of job %q: %w", job.JID, err)
	}
	return nil
}

func appendEntry(dst []byte, pub Publication) []byte {
	dst = append(dst, recordVersion)
	dst = binary.BigEndian.AppendUint64(dst, uint64(pub.Time.UnixMilli()))
	return append(dst, pub.Load...)
}

func decodeEntry(v []byte) (at time.Time, load []byte, err error) {
	if len(v) < 9 || v[0] != recordVersion {
		return time.Time{}, nil, fmt.Errorf("%w: journal", ErrRecord)
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(v[1:]))).UTC(), v[9:], nil
}

func (s *Store) putEntry(g *group, pub Publication, entry []byte) error {
	ordinal, err := s.putEpoch(g, pub.Epoch)
	if err != nil {
		return err
	}
	j := &s.journal
	if j.most <= 0 || len(pub.Load) == 0 {
		return s.markDropped(g, place{ordinal, pub.Serial})
	}
	j.mu.Lock()
	full := j.entries >= j.most
	j.entries++
	j.mu.Unlock()
	if full {
		// A sixteenth at once, so that few publications pay for it.
		if _, err := s.dropEntries(g, time.Time{}, max(j.most/16, 1)); err != nil {
			return err
		}
	}
	g.key = appendEntryKey(g.key[:0], place{ordinal, pub.Serial})
	return g.batch.Set(g.key, entry, nil)
}

// putEpoch gives an epoch its ordinal.
func (s *Store) putEpoch(g *group, epoch string) (uint32, error) {
	j := &s.journal
	j.mu.Lock()
	ordinal, known := j.ordinals[epoch]
	j.mu.Unlock()
	if known {
		return ordinal, nil
	}
	ordinal = j.newest + 1
	g.key = appendEpochKey(g.key[:0], ordinal)
	if err := g.batch.Set(g.key, append([]byte{recordVersion}, epoch...), nil); err != nil {
		return 0, err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.remember(ordinal, strings.Clone(epoch))
	if len(j.names) <= maxEpochs {
		return ordinal, nil
	}
	old := j.oldest
	delete(j.ordinals, j.names[old])
	delete(j.names, old)
	j.oldest++
	g.key = appendEpochKey(g.key[:0], old)
	return ordinal, g.batch.Delete(g.key, nil)
}

// BeginEpoch makes an epoch known before it has an entry: a Position in it is then no unknown one.
func (s *Store) BeginEpoch(ctx context.Context, epoch string) error {
	if !validName(epoch) {
		return fmt.Errorf("begin epoch: %w", ErrName)
	}
	err := s.do(ctx, len(epoch), func(g *group) error {
		_, err := s.putEpoch(g, epoch)
		return err
	})
	if err != nil {
		return fmt.Errorf("begin epoch: %w", err)
	}
	return nil
}

// TrimJournal drops entries sent before a time and returns how many.
func (s *Store) TrimJournal(ctx context.Context, before time.Time) (n int, err error) {
	result := make(chan int, 1)
	err = s.do(ctx, 0, func(g *group) error {
		n, err := s.dropEntries(g, before, 0)
		result <- n
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("trim journal: %w", err)
	}
	return <-result, nil
}

// dropEntries drops from the oldest on: at least the given number, and all that were sent before a time. Entries of the
// same group are not seen yet and stay.
func (s *Store) dropEntries(g *group, before time.Time, number int) (n int, err error) {
	var last place
	lower, upper := prefixBounds(prefixEntry)
	err = s.scan(lower, upper, func(it *pebble.Iterator) error {
		p, ok := parseEntryKey(it.Key())
		if !ok {
			return fmt.Errorf("%w: journal", ErrRecord)
		}
		if n >= number {
			v, err := it.ValueAndErr()
			if err != nil {
				return err
			}
			at, _, err := decodeEntry(v)
			switch {
			case err != nil:
				return err
			case !at.Before(before):
				return ErrStop
			}
		}
		n++
		last = p
		return nil
	})
	if err != nil || n == 0 {
		return 0, err
	}
	end := appendEntryKey(nil, place{last.ordinal, last.serial + 1})
	if err := g.batch.DeleteRange(lower, end, nil); err != nil {
		return 0, err
	}
	s.journal.mu.Lock()
	s.journal.entries -= n
	s.journal.mu.Unlock()
	return n, s.markDropped(g, last)
}

// markDropped remembers that nothing up to p is whole any more.
func (s *Store) markDropped(g *group, p place) error {
	j := &s.journal
	j.mu.Lock()
	later := j.dropped.before(p)
	if later {
		j.dropped = p
	}
	j.mu.Unlock()
	if !later {
		return nil
	}
	mark := binary.BigEndian.AppendUint32([]byte{recordVersion}, p.ordinal)
	mark = binary.BigEndian.AppendUint64(mark, p.serial)
	return g.batch.Set([]byte(journalDroppedKey), mark, nil)
}

// Publications calls fn for the entries behind a position, in the order of sending; the load is valid during the call
// only. known is false when the journal has not heard of the epoch; fn is not called then. trimmed tells that entries
// behind the position are gone. It ends early as Returns does.
func (s *Store) Publications(after Position, fn func(Publication) error) (known, trimmed bool, err error) {
	j := &s.journal
	j.mu.Lock()
	ordinal, known := j.ordinals[after.Epoch]
	from := place{ordinal, after.Serial}
	trimmed = known && from.before(j.dropped)
	j.mu.Unlock()
	if !known {
		return false, false, nil
	}
	from.serial++
	if from.serial == 0 {
		from = place{ordinal + 1, 0}
	}
	return true, trimmed, s.publicationsFrom(appendEntryKey(nil, from), fn)
}

// PublicationsSince calls fn for the entries sent at a time or later, as Publications does.
func (s *Store) PublicationsSince(t time.Time, fn func(Publication) error) error {
	var start []byte
	lower, upper := prefixBounds(prefixEntry)
	err := s.scanBack(lower, upper, func(it *pebble.Iterator) error {
		v, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		at, _, err := decodeEntry(v)
		switch {
		case err != nil:
			return err
		case at.Before(t):
			return ErrStop
		}
		start = append(start[:0], it.Key()...)
		return nil
	})
	if err != nil || start == nil {
		return err
	}
	return s.publicationsFrom(start, fn)
}

func (s *Store) publicationsFrom(lower []byte, fn func(Publication) error) error {
	_, upper := prefixBounds(prefixEntry)
	return s.scan(lower, upper, func(it *pebble.Iterator) error {
		p, ok := parseEntryKey(it.Key())
		if !ok {
			return fmt.Errorf("%w: journal", ErrRecord)
		}
		v, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		at, load, err := decodeEntry(v)
		if err != nil {
			return err
		}
		s.journal.mu.Lock()
		epoch := s.journal.names[p.ordinal]
		s.journal.mu.Unlock()
		if epoch == "" {
			return nil // an epoch so old that its name is gone
		}
		return fn(Publication{Epoch: epoch, Serial: p.serial, Time: at, Load: load})
	})
}
