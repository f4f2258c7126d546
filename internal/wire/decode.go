package wire

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// Mode is a dialect of MessagePack. Spec: transport §3.
type Mode uint8

// The two dialects.
const (
	// Wire is everything on the ports 4505 and 4506: text and bytes are both written raw, never with the codes d9 or
	// c4–c6, and are told apart on receipt by being valid UTF-8.
	Wire Mode = iota
	// Local is the event bus and files: text is str, bytes are bin.
	Local
)

// shareBelow is the size up to which all strings of a tree share one copy of the input: fewer allocations, and a string
// that is kept holds no more than this.
const shareBelow = 16 << 10

// Decode checks b and returns it as a tree that does not alias b. In Wire mode a string or bin is a Go string when it is
// valid UTF-8 and a []byte otherwise; in Local mode str is a string and bin a []byte. Of repeated keys the last value
// counts, at the place of the first. Errors are those of Check. Spec: transport §3.
func Decode(b []byte, m Mode, lim Limits) (any, error) {
	if err := Check(b, lim); err != nil {
		return nil, err
	}
	return decodeChecked(b, m), nil
}

// DecodeMap is Decode for a value that has to be a map; ErrNotMap otherwise.
func DecodeMap(b []byte, m Mode, lim Limits) (*Map, error) {
	if err := Check(b, lim); err != nil {
		return nil, err
	}
	if !IsMap(b) {
		return nil, ErrNotMap
	}
	v, _ := decodeChecked(b, m).(*Map)
	return v, nil
}

// decodeChecked decodes bytes that have passed Check, whose depth bounds the recursion.
func decodeChecked(b []byte, m Mode) any {
	d := decoder{b: b, mode: m}
	if len(b) <= shareBelow {
		d.shared = string(b)
	}
	return d.value()
}

type decoder struct {
	b      []byte
	shared string // a copy of b when b is small
	i      int
	mode   Mode
}

func (d *decoder) value() any {
	at := d.i
	k, n, next := head(d.b, at)
	switch k {
	case kindNil:
		d.i = next
		return nil
	case kindBool:
		d.i = next
		return d.b[at] == 0xc3
	case kindInt:
		d.i = next + n
		v, big, _ := intAt(d.b, at)
		if big {
			return uint64(v)
		}
		return v
	case kindFloat:
		d.i = next + n
		f, _ := floatAt(d.b, at)
		return f
	case kindStr, kindBin:
		d.i = next + n
		raw := d.b[next : next+n]
		if d.mode == Wire && utf8.Valid(raw) || d.mode == Local && k == kindStr {
			return d.text(next, n)
		}
		return bytes.Clone(raw)
	case kindExt:
		d.i = next + n
		return Ext{Code: int8(d.b[next-1]), Data: bytes.Clone(d.b[next : next+n])}
	case kindList:
		d.i = next
		l := make([]any, n)
		for j := range l {
			l[j] = d.value()
		}
		return l
	case kindMap:
		d.i = next
		return d.mapping(n)
	}
	panic(fmt.Sprintf("wire: unchecked code %02x", d.b[at]))
}

func (d *decoder) text(at, n int) string {
	if d.shared != "" {
		return d.shared[at : at+n]
	}
	return string(d.b[at : at+n])
}

func (d *decoder) mapping(n int) *Map {
	m := &Map{}
	if n > 0 {
		m.entries = make([]entry, 0, n)
	}
	for range n {
		k := d.value()
		m.Set(k, d.value())
	}
	return m
}
