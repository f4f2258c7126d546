package wire

import (
	"errors"
	"fmt"
)

const (
	// KeyOrigin is the key of an item of `_minion_event`, beside tag and data, that holds its Origin.
	KeyOrigin = "origin"
	// KeyEventOrigin is the key in the data of an event under which a master hands an Origin on.
	KeyEventOrigin = "saltern_origin"
	// KwargPath is the keyword of a publish request that holds the path of the publication.
	KwargPath = "__saltern_path"
	// KeyPath is the key of a publication's load that holds its path; stock minions and syndics do not look at it.
	KeyPath = "saltern_path"
	// MaxPath is the longest path of a publication or an event.
	MaxPath = 32

	maxPathID = 255
)

// ErrPath says that a path is longer than MaxPath or holds something else than ids.
var ErrPath = errors.New("unusable path")

// Origin tells where a forwarded event was forwarded first, so that no master takes it twice.
type Origin struct {
	ID   string   // the first syndic
	N    int64    // a number that this syndic has never given before, in no earlier run either
	Path []string // the syndics it went through, the first one first
	Copy bool     // in the data of an event only: the second form of one event; forward the other one
}

// Map is the origin as it stands in an item or in event data.
func (o Origin) Map() *Map {
	path := make([]any, len(o.Path))
	for i, id := range o.Path {
		path[i] = id
	}
	m := NewMap("id", o.ID, "n", o.N, "path", path)
	if o.Copy {
		m.Set("copy", true)
	}
	return m
}

// ParseOrigin reads the value of KeyOrigin or KeyEventOrigin. Errors wrap ErrField or ErrPath.
func ParseOrigin(v any) (Origin, error) {
	m, ok := v.(*Map)
	if !ok {
		return Origin{}, errKind(KeyOrigin, "a map")
	}
	o := Origin{ID: m.Str("id"), N: m.Int("n"), Copy: m.Bool("copy")}
	if o.ID == "" || len(o.ID) > maxPathID {
		return Origin{}, errMissing("id of the origin")
	}
	if n, _ := m.Get("n"); n != o.N {
		return Origin{}, errKind("n of the origin", "a number")
	}
	path, _ := m.Get("path")
	var err error
	o.Path, err = ParsePath(path)
	return o, err
}

// ParsePath reads a list of ids; nil is the empty path. Errors wrap ErrPath.
func ParsePath(v any) ([]string, error) {
	if v == nil {
		return nil, nil
	}
	list, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf("%w: %T", ErrPath, v)
	}
	if len(list) > MaxPath {
		return nil, fmt.Errorf("%w: %d stations, at most %d", ErrPath, len(list), MaxPath)
	}
	path := make([]string, len(list))
	for i, one := range list {
		id, ok := one.(string)
		if !ok || id == "" || len(id) > maxPathID {
			return nil, fmt.Errorf("%w: station %d is no id", ErrPath, i)
		}
		path[i] = id
	}
	return path, nil
}
