package wire

import "errors"

// ErrNotMap is returned where a map was needed and the value is something else.
var ErrNotMap = errors.New("value is not a map")

// ErrNotList is returned where a list was needed and the value is something else.
var ErrNotList = errors.New("value is not a list")

// mapIter walks the top level of a map without allocating.
type mapIter struct {
	b      []byte
	i, n   int
	rawKey []byte // the key with its header
	key    []byte // the text of a string key, nil for other keys
	val    []byte // the value with its header
}

// iterate starts a walk; ok is false when b does not begin with a map.
func iterate(b []byte) (it mapIter, ok bool) {
	k, n, next := head(b, 0)
	return mapIter{b: b, i: next, n: n}, k == kindMap
}

// next moves to the following pair; false at the end or when the bytes are cut off.
func (it *mapIter) next() bool {
	if it.n <= 0 {
		return false
	}
	it.n--
	k, n, body := head(it.b, it.i)
	v := skip(it.b, it.i)
	end := skip(it.b, v)
	if end < 0 {
		it.n = 0
		return false
	}
	it.rawKey = it.b[it.i:v:v]
	it.key = nil
	if k == kindStr || k == kindBin {
		it.key = it.b[body : body+n : body+n]
	}
	it.val = it.b[v:end:end]
	it.i = end
	return true
}

// ScanMap calls fn for each pair of the top level of b, a checked map, in wire order. key is the text of a string key
// without its header (nil for a key of another kind), val the raw span of the value; both alias b. Repeated keys are
// reported each time: the last one counts. An error of fn ends the walk and is returned; ErrNotMap when b is no map.
func ScanMap(b []byte, fn func(key, val []byte) error) error {
	it, ok := iterate(b)
	if !ok {
		return ErrNotMap
	}
	for it.next() {
		if err := fn(it.key, it.val); err != nil {
			return err
		}
	}
	return nil
}

// ScanList calls fn with the raw span of each element of b, a checked list. An error of fn ends the walk and is
// returned; ErrNotList when b is no list.
func ScanList(b []byte, fn func(val []byte) error) error {
	k, n, i := head(b, 0)
	if k != kindList {
		return ErrNotList
	}
	for ; n > 0; n-- {
		end := skip(b, i)
		if end < 0 {
			return ErrTruncated
		}
		if err := fn(b[i:end:end]); err != nil {
			return err
		}
		i = end
	}
	return nil
}

// Field returns the raw span of one top-level field of b, a checked map. When the key repeats the last value
// counts, as it does in Salt. ok is false when there is no such key or b is no map.
func Field(b []byte, key string) (val []byte, ok bool) {
	it, isMap := iterate(b)
	for isMap && it.next() {
		if it.key != nil && string(it.key) == key {
			val, ok = it.val, true
		}
	}
	return val, ok
}

// IsMap tells whether raw begins a map.
func IsMap(raw []byte) bool {
	k, _, _ := head(raw, 0)
	return k == kindMap
}

// IsList tells whether raw begins a list.
func IsList(raw []byte) bool {
	k, _, _ := head(raw, 0)
	return k == kindList
}

// IsNil tells whether raw is nil.
func IsNil(raw []byte) bool { return len(raw) == 1 && raw[0] == 0xc0 }

// Len returns the number of elements of a raw list or of pairs of a raw map, 0 for anything else.
func Len(raw []byte) int {
	k, n, _ := head(raw, 0)
	if k != kindList && k != kindMap {
		return 0
	}
	return n
}

// Bytes returns the content of a raw string or bin; the result aliases raw.
func Bytes(raw []byte) ([]byte, bool) {
	k, n, i := head(raw, 0)
	if k != kindStr && k != kindBin || n > len(raw)-i {
		return nil, false
	}
	return raw[i : i+n : i+n], true
}

// Str returns a copy of the content of a raw string or bin as a string; it need not be UTF-8.
func Str(raw []byte) (string, bool) {
	b, ok := Bytes(raw)
	return string(b), ok
}

// Int returns the value of a raw integer. ok is false for anything else and for values above MaxInt64.
func Int(raw []byte) (int64, bool) {
	v, big, ok := intAt(raw, 0)
	return v, ok && !big
}

// Bool returns the value of a raw boolean.
func Bool(raw []byte) (v, ok bool) {
	if len(raw) == 0 || raw[0] != 0xc2 && raw[0] != 0xc3 {
		return false, false
	}
	return raw[0] == 0xc3, true
}

// Float returns the value of a raw float or integer.
func Float(raw []byte) (float64, bool) {
	if f, ok := floatAt(raw, 0); ok {
		return f, true
	}
	v, big, ok := intAt(raw, 0)
	if big {
		return float64(uint64(v)), ok
	}
	return float64(v), ok
}
