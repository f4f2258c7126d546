package event

import (
	"fmt"
	"sort"
	"time"

	"github.com/saltern-io/saltern/internal/wire"
)

// Trimmed stands in the place of a value that made an event too large.
const Trimmed = "VALUE_TRIMMED"

// DefaultMaxEventSize is stock's max_event_size, in bytes.
const DefaultMaxEventSize = 1 << 20

// NewTrimmed is New with a limit on the packed data: above maxSize bytes the largest values, at any depth of nested
// maps, are replaced by the text VALUE_TRIMMED until it fits (spec: event-bus §2.2). maxSize 0 = DefaultMaxEventSize.
// It returns ErrEventSize when that does not help. data is not changed.
func NewTrimmed(tag string, data *wire.Map, now time.Time, maxSize int) (Event, error) {
	if maxSize <= 0 {
		maxSize = DefaultMaxEventSize
	}
	e, err := New(tag, data, now)
	if err != nil || len(e.Data) <= maxSize {
		return e, err
	}
	copied := data.Clone()
	leaves, err := collectLeaves(nil, copied, 0)
	if err != nil {
		return Event{}, fmt.Errorf("encode event %q: %w", tag, err)
	}
	sort.SliceStable(leaves, func(i, j int) bool { return leaves[i].size > leaves[j].size })
	size := len(e.Data)
	for _, l := range leaves {
		if size <= maxSize || l.size <= trimmedSize {
			break
		}
		l.in.Set(l.key, Trimmed)
		size -= l.size - trimmedSize
	}
	if size > maxSize {
		return Event{}, fmt.Errorf("%w: %q with %d bytes", ErrEventSize, tag, size)
	}
	return New(tag, copied, now)
}

// trimmedSize is Trimmed with its header.
const trimmedSize = 1 + len(Trimmed)

// leaf is a value that is no map, in the map that holds it.
type leaf struct {
	in   *wire.Map
	key  any
	size int
}

// leafDepth is as deep as event data can be nested.
const leafDepth = 256

func collectLeaves(dst []leaf, m *wire.Map, depth int) ([]leaf, error) {
	if depth > leafDepth {
		return nil, wire.ErrTooDeep
	}
	for k, v := range m.All() {
		if sub, ok := v.(*wire.Map); ok {
			var err error
			if dst, err = collectLeaves(dst, sub, depth+1); err != nil {
				return nil, err
			}
			continue
		}
		b, err := wire.Encode(v, wire.Local)
		if err != nil {
			return nil, err
		}
		dst = append(dst, leaf{m, k, len(b)})
	}
	return dst, nil
}
