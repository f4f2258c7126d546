package relay

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"github.com/saltern-io/saltern/internal/outbox"
)

// cursor is how far a follower is, on its own disk.
type cursor struct {
	Life string            `json:"life"` // of the stream; "" = nothing read yet
	Last string            `json:"last"` // id of the last entry that was dealt with
	Seqs map[string]uint64 `json:"seqs"` // tap → number of its last entry seen

	Order order `json:"order"`
}

// maxTaps bounds the taps that a cursor remembers; names come from the stream.
const maxTaps = 64

// seenLife is how long copies are remembered; a stream keeps no longer by default.
const seenLife = 24 * time.Hour

// recent is how many copies are remembered in memory, beside the disk.
const recent = 20_000

// memory is the cursor of one follower and the copies that it has seen, on disk and as far as needed in memory.
type memory struct {
	store  *outbox.Store
	prefix string
	at     cursor

	keys map[string]uint64 // recent copies → their number among those that went out, 0 = it did not
	ring []string
	next int
	warn func(error)
}

func openMemory(store *outbox.Store, name string, warn func(error)) (*memory, error) {
	m := &memory{store: store, prefix: "follow\x00" + name + "\x00", keys: map[string]uint64{}, ring: make([]string, recent), warn: warn}
	value, ok, err := store.Fact(m.prefix + "cursor")
	if err != nil {
		return nil, fmt.Errorf("position in stream %s: %w", name, err)
	}
	if ok {
		if err := json.Unmarshal(value, &m.at); err != nil {
			return nil, fmt.Errorf("position in stream %s: %w", name, err)
		}
	}
	if m.at.Seqs == nil {
		m.at.Seqs = map[string]uint64{}
	}
	m.at.Order.revived(time.Now())
	return m, nil
}

// seen reports whether a copy was here, and its number among those that went out, 0 when it was dealt with otherwise. A disk
// that cannot be read says no: twice is better than never.
func (m *memory) seen(key string) (number uint64, ok bool) {
	if key == "" {
		return 0, false
	}
	if number, ok = m.keys[key]; ok {
		return number, true
	}
	value, ok, err := m.store.Fact(m.prefix + "seen\x00" + key)
	if err != nil {
		m.warn(err)
	}
	if len(value) == 8 {
		number = binary.BigEndian.Uint64(value)
	}
	return number, ok
}

// note remembers copies, in memory at once and on disk with commit. What is remembered already stays as it is.
func (m *memory) note(unit *outbox.Unit, number uint64, keys ...string) {
	for _, key := range keys {
		if key == "" {
			continue
		}
		if _, ok := m.keys[key]; ok {
			continue
		}
		delete(m.keys, m.ring[m.next])
		m.ring[m.next] = key
		m.next = (m.next + 1) % len(m.ring)
		m.keys[key] = number
		unit.Facts = append(unit.Facts, outbox.Fact{Key: m.prefix + "seen\x00" + key, Value: binary.BigEndian.AppendUint64(nil, number), TTL: seenLife})
	}
}

// commit stores what was noted, with the cursor. It does not wait: after a crash the last entries come again.
func (m *memory) commit(unit outbox.Unit) {
	fact, err := m.fact()
	if err != nil {
		m.warn(err)
		return
	}
	unit.Facts = append(unit.Facts, fact)
	m.store.Commit(unit, func(outcomes []outbox.Outcome) {
		for _, o := range outcomes {
			if o.Err != nil {
				m.warn(o.Err)
			}
		}
	})
}

func (m *memory) fact() (outbox.Fact, error) {
	value, err := json.Marshal(m.at)
	return outbox.Fact{Key: m.prefix + "cursor", Value: value}, err
}

// sync is commit that waits for the disk.
func (m *memory) sync() error {
	fact, err := m.fact()
	if err != nil {
		return err
	}
	return m.store.SetFact(fact.Key, fact.Value)
}

// count takes the number of an entry and returns how many of its tap's are missing before it.
func (m *memory) count(e *Entry) (missing uint64) {
	last, known := m.at.Seqs[e.Tap]
	if !known && len(m.at.Seqs) >= maxTaps {
		for tap := range m.at.Seqs { // any: more taps than that do not write one stream
			delete(m.at.Seqs, tap)
			break
		}
	}
	if known && e.Seq > last+1 {
		missing = e.Seq - last - 1
		m.at.Order.breaks(e.Tap)
	}
	m.at.Seqs[e.Tap] = max(last, e.Seq)
	return missing
}
