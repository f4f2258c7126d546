package config

import (
	"fmt"
	"iter"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// Value is one node of a configuration tree with its origin.
//
// Data is nil, bool, int64, *big.Int (beyond int64), float64, string, []byte (!!binary), []*Value or
// *Map. File is "" for values from the command line or the option table; Line starts at 1.
type Value struct {
	Data any
	File string
	Line int
}

// Pos says where the value comes from: "file:line", or "" when no file gave it.
func (v *Value) Pos() string {
	if v == nil || v.File == "" {
		return ""
	}
	return v.File + ":" + strconv.Itoa(v.Line)
}

// Text is the value as Python's str() would print it, as far as options need it: numbers become
// digits, true becomes True, null is the empty string. ok is false for lists, maps and null.
func (v *Value) Text() (s string, ok bool) {
	if v == nil {
		return "", false
	}
	switch d := v.Data.(type) {
	case string:
		return d, true
	case []byte:
		return string(d), true
	case bool:
		if d {
			return "True", true
		}
		return "False", true
	case int64:
		return strconv.FormatInt(d, 10), true
	case *big.Int:
		return d.String(), true
	case float64:
		return pythonFloat(d), true
	}
	return "", false
}

// List returns the elements of a list value, nil for anything else.
func (v *Value) List() []*Value {
	if v == nil {
		return nil
	}
	l, _ := v.Data.([]*Value)
	return l
}

// Map returns the value as a map, nil for anything else. A nil *Map is empty and safe to read.
func (v *Value) Map() *Map {
	if v == nil {
		return nil
	}
	m, _ := v.Data.(*Map)
	return m
}

// Any returns the value without positions: maps become []Pair in file order, lists []any. It is a
// deep copy, meant for encoding and printing.
func (v *Value) Any() any {
	if v == nil {
		return nil
	}
	switch d := v.Data.(type) {
	case []*Value:
		out := make([]any, len(d))
		for i, e := range d {
			out[i] = e.Any()
		}
		return out
	case *Map:
		out := make([]Pair, 0, d.Len())
		for k, e := range d.All() {
			out = append(out, Pair{k, e.Any()})
		}
		return out
	case []byte:
		return slices.Clone(d)
	}
	return v.Data
}

// Pair is one entry of a map returned by Value.Any.
type Pair struct{ Key, Value any }

// typeName is the Python name of the value's type, as stock Salt's type warning prints it.
func (v *Value) typeName() string {
	switch v.Data.(type) {
	case nil:
		return "NoneType"
	case bool:
		return "bool"
	case int64, *big.Int:
		return "int"
	case float64:
		return "float"
	case string:
		return "str"
	case []byte:
		return "bytes"
	case []*Value:
		return "list"
	}
	return "dict"
}

// Map is an ordered map with scalar keys of any type; keys are equal when type and value are equal
// (spec: config-and-daemons §2.3). The zero value and nil are empty maps; nil must not be set.
type Map struct {
	keys  []any
	vals  []*Value
	index map[any]int
}

// bytesKey and bigKey make uncomparable keys comparable without colliding with strings.
type (
	bytesKey string
	bigKey   string
)

func indexKey(k any) any {
	switch k := k.(type) {
	case []byte:
		return bytesKey(k)
	case *big.Int:
		return bigKey(k.String())
	case int:
		return int64(k)
	}
	return k
}

// Len is the number of entries.
func (m *Map) Len() int {
	if m == nil {
		return 0
	}
	return len(m.keys)
}

// Get returns the value under a key (a string, or any scalar), nil when absent.
func (m *Map) Get(key any) *Value {
	if m == nil {
		return nil
	}
	if i, ok := m.index[indexKey(key)]; ok {
		return m.vals[i]
	}
	return nil
}

// Has reports whether the key is present, which null values are.
func (m *Map) Has(key any) bool { return m.Get(key) != nil }

// All walks the entries in order.
func (m *Map) All() iter.Seq2[any, *Value] {
	return func(yield func(any, *Value) bool) {
		if m == nil {
			return
		}
		for i, k := range m.keys {
			if !yield(k, m.vals[i]) {
				return
			}
		}
	}
}

// set adds an entry or replaces the value of an existing one, keeping its place.
func (m *Map) set(key any, v *Value) {
	if m.index == nil {
		m.index = make(map[any]int)
	}
	ik := indexKey(key)
	if i, ok := m.index[ik]; ok {
		m.vals[i] = v
		return
	}
	m.index[ik] = len(m.keys)
	m.keys = append(m.keys, key)
	m.vals = append(m.vals, v)
}

// clone copies the top level; values are shared.
func (m *Map) clone() *Map {
	c := &Map{}
	for k, v := range m.All() {
		c.set(k, v)
	}
	return c
}

// replaceAll is the merge between groups of files: whole values are replaced.
func (m *Map) replaceAll(from *Map) {
	for k, v := range from.All() {
		m.set(k, v)
	}
}

// mergeDeep is the merge inside one group of files: maps are merged, lists joined (spec:
// config-and-daemons §2.2). Shared values are never modified.
func (m *Map) mergeDeep(from *Map) {
	for k, v := range from.All() {
		m.set(k, joinValues(m.Get(k), v))
	}
}

func joinValues(old, v *Value) *Value {
	if old == nil {
		return v
	}
	switch d := v.Data.(type) {
	case *Map:
		if om := old.Map(); om != nil {
			c := om.clone()
			c.mergeDeep(d)
			return &Value{Data: c, File: v.File, Line: v.Line}
		}
	case []*Value:
		if ol, ok := old.Data.([]*Value); ok {
			return &Value{Data: slices.Concat(ol, d), File: v.File, Line: v.Line}
		}
	}
	return v
}

// pythonFloat prints a float the way Python does for the values that occur in options.
func pythonFloat(f float64) string {
	s := strconv.FormatFloat(f, 'g', -1, 64)
	if f == float64(int64(f)) && !strings.ContainsAny(s, "eE") {
		return s + ".0"
	}
	switch s {
	case "+Inf":
		return "inf"
	case "-Inf":
		return "-inf"
	case "NaN":
		return "nan"
	}
	return s
}

// String prints the value for messages and listings; long ones are the caller's to cut.
func (v *Value) String() string {
	if v == nil || v.Data == nil {
		return "None"
	}
	if s, ok := v.Text(); ok {
		return s
	}
	var b strings.Builder
	switch d := v.Data.(type) {
	case []*Value:
		b.WriteByte('[')
		for i, e := range d {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(e.String())
		}
		b.WriteByte(']')
	case *Map:
		b.WriteByte('{')
		sep := ""
		for k, e := range d.All() {
			fmt.Fprintf(&b, "%s%v: %s", sep, k, e.String())
			sep = ", "
		}
		b.WriteByte('}')
	}
	return b.String()
}
