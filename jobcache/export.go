package jobcache

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// Change is one entry of the export log: what was stored, in the order of the commits. The bodies are not repeated in
// it: read them with Job and Return.
type Change struct {
	Seq      uint64    // grows by one; starts anew in an empty log after Open
	Stored   time.Time // when; of the commit
	JID      string
	MinionID string // whose return; "" for the job itself: its load, or a list of minions a syndic reported
}

// ExportStats is a snapshot of the export log.
type ExportStats struct {
	Waiting  int64     // changes not acknowledged
	Capacity int64     // Options.ExportMax
	Dropped  uint64    // changes that gave way to newer ones, since Open
	Oldest   time.Time // when the oldest waiting change was stored; zero when none waits
}

// exportLog is what the store knows of its export log without reading. The log is written by the committer, in the
// batch of what it tells of: it costs no sync of its own and is never ahead of or behind the jobs.
type exportLog struct {
	most int64
	wake chan struct{}

	mu      sync.Mutex
	next    uint64 // of the next change
	first   uint64 // the oldest one that waits
	dropped uint64
}

func appendChangeKey(dst []byte, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, prefixChange...), seq)
}

func parseChangeKey(key []byte) (uint64, bool) {
	rest, ok := bytes.CutPrefix(key, []byte(prefixChange))
	if !ok || len(rest) != 8 {
		return 0, false
	}
	return binary.BigEndian.Uint64(rest), true
}

func appendChange(dst []byte, at time.Time, jid, minionID string) []byte {
	dst = append(dst, recordVersion)
	dst = binary.BigEndian.AppendUint64(dst, uint64(at.UnixNano()))
	dst = append(dst, jid...)
	return append(append(dst, 0), minionID...)
}

func decodeChange(seq uint64, v []byte) (Change, error) {
	if len(v) < 10 || v[0] != recordVersion {
		return Change{}, fmt.Errorf("%w: export log", ErrRecord)
	}
	jid, minionID, ok := strings.Cut(string(v[9:]), "\x00")
	if !ok || jid == "" {
		return Change{}, fmt.Errorf("%w: export log", ErrRecord)
	}
	at := time.Unix(0, int64(binary.BigEndian.Uint64(v[1:]))).UTC()
	return Change{Seq: seq, Stored: at, JID: jid, MinionID: minionID}, nil
}

// openExport finds both ends of the log. Without ExportMax what an earlier life left is dropped: whoever switches the
// export on again later does not want what nobody waits for any more.
func (s *Store) openExport() error {
	e := &s.export
	e.most, e.wake, e.next, e.first = int64(s.opts.ExportMax), make(chan struct{}, 1), 1, 1
	lower, upper := prefixBounds(prefixChange)
	if e.most <= 0 {
		return s.db.DeleteRange(lower, upper, pebble.NoSync)
	}
	first := func(into *uint64) func(*pebble.Iterator) error {
		return func(it *pebble.Iterator) error {
			seq, ok := parseChangeKey(it.Key())
			if !ok {
				return fmt.Errorf("%w: export log", ErrRecord)
			}
			*into = seq
			return ErrStop
		}
	}
	last := uint64(0)
	if err := errors.Join(s.scan(lower, upper, first(&e.first)), s.scanBack(lower, upper, first(&last))); err != nil {
		return err
	}
	if last > 0 {
		e.next = last + 1
		e.signal()
	}
	return nil
}

func (e *exportLog) signal() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// note writes one change into the group's batch. With a full log the oldest sixteenth goes.
func (e *exportLog) note(g *group, jid, minionID string) error {
	if e == nil || e.most <= 0 {
		return nil
	}
	e.mu.Lock()
	seq := e.next
	e.next++
	var cut uint64
	if int64(e.next-e.first) > e.most {
		drop := uint64(max(e.most/16, 1))
		e.first += drop
		e.dropped += drop
		cut = e.first
	}
	e.mu.Unlock()
	if cut > 0 {
		if err := g.batch.DeleteRange([]byte(prefixChange), appendChangeKey(nil, cut), nil); err != nil {
			return err
		}
	}
	g.key = appendChangeKey(g.key[:0], seq)
	g.change = appendChange(g.change[:0], g.now, jid, minionID)
	g.noted = true
	return g.batch.Set(g.key, g.change, nil)
}

// Changes calls fn for at most n waiting changes behind a sequence number, the oldest first. It ends early as Returns does.
func (s *Store) Changes(after uint64, n int, fn func(Change) error) error {
	_, upper := prefixBounds(prefixChange)
	s.export.mu.Lock()
	lower := appendChangeKey(nil, max(after+1, s.export.first)) // past what deletions left behind
	s.export.mu.Unlock()
	return s.scan(lower, upper, func(it *pebble.Iterator) error {
		if n--; n < 0 {
			return ErrStop
		}
		seq, ok := parseChangeKey(it.Key())
		if !ok {
			return fmt.Errorf("%w: export log", ErrRecord)
		}
		v, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		c, err := decodeChange(seq, v)
		if err != nil {
			return err
		}
		return fn(c)
	})
}

// ChangesDone forgets all changes up to a sequence number. It waits for no sync: after a crash changes of the last calls may
// be offered again. Each call leaves a trace in the engine until a compaction: once a second is often enough.
func (s *Store) ChangesDone(upTo uint64) error {
	if err := errors.Join(s.log.err(), s.read()); err != nil {
		return err
	}
	defer s.endRead()
	e := &s.export
	e.mu.Lock()
	defer e.mu.Unlock()
	if upTo < e.first {
		return nil
	}
	e.first = min(upTo+1, e.next)
	if err := s.db.DeleteRange([]byte(prefixChange), appendChangeKey(nil, e.first), pebble.NoSync); err != nil {
		return fmt.Errorf("acknowledge exported changes: %w", err)
	}
	return nil
}

// ChangesWake delivers a token when changes were stored since the last token, and after Open when some wait.
func (s *Store) ChangesWake() <-chan struct{} { return s.export.wake }

// ExportStats returns a snapshot of the export log.
func (s *Store) ExportStats() ExportStats {
	e := &s.export
	e.mu.Lock()
	st := ExportStats{Waiting: int64(e.next - e.first), Capacity: e.most, Dropped: e.dropped}
	e.mu.Unlock()
	if st.Waiting == 0 {
		return st
	}
	_ = s.Changes(0, 1, func(c Change) error { // a store that is closed has no oldest one
		st.Oldest = c.Stored
		return nil
	})
	return st
}
