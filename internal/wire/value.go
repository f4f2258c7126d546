package wire

import (
	"bytes"
	"fmt"
	"iter"
)

// Ext is a MessagePack extension value: code 78 is a date and time, 79 a Salt constant; others pass through untouched.
// Spec: transport §3.1.
type Ext struct {
	Code int8
	Data []byte
}

// Null is a nil that is present. Optional fields of type any use nil for "not there" and Null{} for "there and nil".
type Null struct{}

// Raw is one checked MessagePack value that the encoder copies as it is.
type Raw []byte

// indexFrom is the size from which a Map keeps an index; below it a walk is faster.
const indexFrom = 17

type entry struct{ key, val any }

// Map is an ordered map with keys of any scalar kind, as Salt's dictionaries are. Setting a key that exists
// keeps its place. The zero value and a nil *Map are empty; a nil *Map must not be written to. Many readers or one writer.
type Map struct {
	entries []entry
	index   map[any]int // nil while the map is small
}

type (
	bytesKey string
	extKey   struct {
		code int8
		data string
	}
)

// lookupKey turns a key into something comparable.
func lookupKey(k any) any {
	switch v := k.(type) {
	case []byte:
		return bytesKey(v)
	case Ext:
		return extKey{v.Code, string(v.Data)}
	case int:
		return int64(v)
	case Null:
		return nil
	case nil, string, bool, int64, uint64, float64:
		return k
	}
	panic(fmt.Sprintf("wire: map key of type %T", k))
}

// NewMap returns a map of the given keys and values in turn. It panics on an odd number or on a key that is no scalar:
// both are faults of the program.
func NewMap(kv ...any) *Map {
	if len(kv)%2 != 0 {
		panic("wire: NewMap needs pairs")
	}
	m := &Map{entries: make([]entry, 0, len(kv)/2)}
	for i := 0; i < len(kv); i += 2 {
		m.Set(kv[i], kv[i+1])
	}
	return m
}

// find returns the position of a normalised key or -1.
func (m *Map) find(key any) int {
	if m == nil {
		return -1
	}
	if m.index != nil {
		if i, ok := m.index[key]; ok {
			return i
		}
		return -1
	}
	if s, ok := key.(string); ok {
		return m.findStr(s)
	}
	for i := range m.entries {
		if lookupKey(m.entries[i].key) == key {
			return i
		}
	}
	return -1
}

func (m *Map) findStr(key string) int {
	if m == nil {
		return -1
	}
	if m.index != nil {
		if i, ok := m.index[key]; ok {
			return i
		}
		return -1
	}
	for i := range m.entries {
		if s, ok := m.entries[i].key.(string); ok && s == key {
			return i
		}
	}
	return -1
}

// Get returns the value of a string key.
func (m *Map) Get(key string) (any, bool) {
	if i := m.findStr(key); i >= 0 {
		return m.entries[i].val, true
	}
	return nil, false
}

// GetKey returns the value of a key of any scalar kind (int64 for integers).
func (m *Map) GetKey(key any) (any, bool) {
	if i := m.find(lookupKey(key)); i >= 0 {
		return m.entries[i].val, true
	}
	return nil, false
}

// Has tells whether a string key is there.
func (m *Map) Has(key string) bool { return m.findStr(key) >= 0 }

// Str returns the text of a string or byte value, "" when the key is missing or of another kind.
func (m *Map) Str(key string) string {
	v, _ := m.Get(key)
	switch v := v.(type) {
	case string:
		return v
	case []byte:
		return string(v)
	}
	return ""
}

// Bytes returns the content of a string or byte value, nil when the key is missing or of another kind.
func (m *Map) Bytes(key string) []byte {
	v, _ := m.Get(key)
	switch v := v.(type) {
	case []byte:
		return v
	case string:
		return []byte(v)
	}
	return nil
}

// Int returns an integer value, 0 when the key is missing, of another kind or above MaxInt64.
func (m *Map) Int(key string) int64 {
	v, _ := m.Get(key)
	switch v := v.(type) {
	case int64:
		return v
	case int:
		return int64(v)
	}
	return 0
}

// Bool returns a boolean value, false when the key is missing or of another kind.
func (m *Map) Bool(key string) bool {
	v, _ := m.Get(key)
	b, _ := v.(bool)
	return b
}

// List returns a list value, nil when the key is missing or of another kind.
func (m *Map) List(key string) []any {
	v, _ := m.Get(key)
	l, _ := v.([]any)
	return l
}

// Map returns a map value, nil (which reads as empty) when the key is missing or of another kind.
func (m *Map) Map(key string) *Map {
	v, _ := m.Get(key)
	s, _ := v.(*Map)
	return s
}

// Set stores a value; a key that exists keeps its place. Keys are nil, bool, integers, float64, string, []byte or Ext;
// any other type panics.
func (m *Map) Set(key, val any) {
	k := lookupKey(key)
	if i := m.find(k); i >= 0 {
		m.entries[i].val = val
		return
	}
	if n, ok := key.(int); ok {
		key = int64(n)
	}
	m.entries = append(m.entries, entry{key, val})
	switch n := len(m.entries); {
	case m.index != nil:
		m.index[k] = n - 1
	case n >= indexFrom:
		m.reindex()
	}
}

func (m *Map) reindex() {
	m.index = nil
	if len(m.entries) < indexFrom {
		return
	}
	m.index = make(map[any]int, len(m.entries))
	for i := range m.entries {
		m.index[lookupKey(m.entries[i].key)] = i
	}
}

// Delete removes a string key and keeps the order of the others.
func (m *Map) Delete(key string) {
	i := m.findStr(key)
	if i < 0 {
		return
	}
	m.entries = append(m.entries[:i], m.entries[i+1:]...)
	m.reindex()
}

// Len returns the number of keys.
func (m *Map) Len() int {
	if m == nil {
		return 0
	}
	return len(m.entries)
}

// At returns the pair at position i, 0 ≤ i < Len.
func (m *Map) At(i int) (key, val any) { return m.entries[i].key, m.entries[i].val }

// All ranges over the pairs in order.
func (m *Map) All() iter.Seq2[any, any] {
	return func(yield func(any, any) bool) {
		for i := 0; i < m.Len(); i++ {
			if !yield(m.entries[i].key, m.entries[i].val) {
				return
			}
		}
	}
}

// Clone returns a deep copy: maps, lists and byte strings are copied.
func (m *Map) Clone() *Map {
	if m == nil {
		return nil
	}
	c := &Map{entries: make([]entry, len(m.entries))}
	for i, e := range m.entries {
		c.entries[i] = entry{e.key, CloneValue(e.val)}
	}
	c.reindex()
	return c
}

// CloneValue returns a deep copy of a tree.
func CloneValue(v any) any {
	switch v := v.(type) {
	case *Map:
		return v.Clone()
	case []any:
		c := make([]any, len(v))
		for i := range v {
			c[i] = CloneValue(v[i])
		}
		return c
	case []byte:
		return bytes.Clone(v)
	case Raw:
		return Raw(bytes.Clone(v))
	case Ext:
		return Ext{v.Code, bytes.Clone(v.Data)}
	}
	return v
}
