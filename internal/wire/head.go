package wire

import (
	"encoding/binary"
	"math"
)

type kind uint8

const (
	kindBad   kind = iota // c1
	kindShort             // the header itself is cut off
	kindNil
	kindBool
	kindInt
	kindFloat
	kindStr // fixraw, str8/raw8, raw16, raw32
	kindBin // bin8, bin16, bin32
	kindExt
	kindList
	kindMap
)

// shape describes the codes c0 … df: what they are, how many bytes the length field has, and the fixed
// number of payload bytes when there is no length field.
var shape = [32]struct {
	kind  kind
	field uint8
	fixed uint8
}{
	{kindNil, 0, 0},
	{kindBad, 0, 0},
	{kindBool, 0, 0},
	{kindBool, 0, 0},
	{kindBin, 1, 0},
	{kindBin, 2, 0},
	{kindBin, 4, 0},
	{kindExt, 1, 0},
	{kindExt, 2, 0},
	{kindExt, 4, 0},
	{kindFloat, 0, 4},
	{kindFloat, 0, 8},
	{kindInt, 0, 1},
	{kindInt, 0, 2},
	{kindInt, 0, 4},
	{kindInt, 0, 8},
	{kindInt, 0, 1},
	{kindInt, 0, 2},
	{kindInt, 0, 4},
	{kindInt, 0, 8},
	{kindExt, 0, 1},
	{kindExt, 0, 2},
	{kindExt, 0, 4},
	{kindExt, 0, 8},
	{kindExt, 0, 16},
	{kindStr, 1, 0},
	{kindStr, 2, 0},
	{kindStr, 4, 0},
	{kindList, 2, 0},
	{kindList, 4, 0},
	{kindMap, 2, 0},
	{kindMap, 4, 0},
}

// head reads the header at b[i]. n is the number of payload bytes (ext: without the type byte), for lists the number
// of elements, for maps the number of pairs; next is where the payload or the first element begins (ext: after
// the type byte). It does not test whether the payload is there.
func head(b []byte, i int) (k kind, n, next int) {
	if i < 0 || i >= len(b) {
		return kindShort, 0, i
	}
	c := b[i]
	switch {
	case c < 0x80, c >= 0xe0:
		return kindInt, 0, i + 1
	case c < 0x90:
		return kindMap, int(c & 0x0f), i + 1
	case c < 0xa0:
		return kindList, int(c & 0x0f), i + 1
	case c < 0xc0:
		return kindStr, int(c & 0x1f), i + 1
	}
	s := shape[c-0xc0]
	next = i + 1
	n = int(s.fixed)
	switch s.field {
	case 1:
		if len(b)-next < 1 {
			return kindShort, 0, i
		}
		n = int(b[next])
		next++
	case 2:
		if len(b)-next < 2 {
			return kindShort, 0, i
		}
		n = int(binary.BigEndian.Uint16(b[next:]))
		next += 2
	case 4:
		if len(b)-next < 4 {
			return kindShort, 0, i
		}
		n = int(binary.BigEndian.Uint32(b[next:]))
		next += 4
	}
	if s.kind == kindExt {
		next++ // the type byte
	}
	return s.kind, n, next
}

// skip returns the offset after the value at b[i], or -1 when it is not complete. It needs no stack: only the number
// of values still to come matters.
func skip(b []byte, i int) int {
	for rem := 1; rem > 0; rem-- {
		if i < 0 || i >= len(b) {
			return -1
		}
		switch c := b[i]; {
		case c < 0x80, c >= 0xe0:
			i++
		case c < 0x90:
			rem += int(c&0x0f) * 2
			i++
		case c < 0xa0:
			rem += int(c & 0x0f)
			i++
		case c < 0xc0:
			i += 1 + int(c&0x1f)
		default:
			k, n, next := head(b, i)
			switch k {
			case kindBad, kindShort:
				return -1
			case kindList:
				rem, i = rem+n, next
			case kindMap:
				rem, i = rem+2*n, next
			default:
				i = next + n
			}
		}
	}
	if i > len(b) {
		return -1
	}
	return i
}

func isNaN(b []byte, i int) bool {
	f, ok := floatAt(b, i)
	return ok && math.IsNaN(f)
}

// floatAt reads the float32 or float64 at b[i].
func floatAt(b []byte, i int) (float64, bool) {
	switch {
	case len(b)-i >= 5 && b[i] == 0xca:
		return float64(math.Float32frombits(binary.BigEndian.Uint32(b[i+1:]))), true
	case len(b)-i >= 9 && b[i] == 0xcb:
		return math.Float64frombits(binary.BigEndian.Uint64(b[i+1:])), true
	}
	return 0, false
}

// intAt reads the integer at b[i]. When big is true the value is above MaxInt64 and v holds its bits.
func intAt(b []byte, i int) (v int64, big, ok bool) {
	k, n, next := head(b, i)
	if k != kindInt || len(b)-next < n {
		return 0, false, false
	}
	p := b[next:]
	switch c := b[i]; c {
	case 0xcc:
		return int64(p[0]), false, true
	case 0xcd:
		return int64(binary.BigEndian.Uint16(p)), false, true
	case 0xce:
		return int64(binary.BigEndian.Uint32(p)), false, true
	case 0xcf:
		u := binary.BigEndian.Uint64(p)
		return int64(u), u > math.MaxInt64, true
	case 0xd0:
		return int64(int8(p[0])), false, true
	case 0xd1:
		return int64(int16(binary.BigEndian.Uint16(p))), false, true
	case 0xd2:
		return int64(int32(binary.BigEndian.Uint32(p))), false, true
	case 0xd3:
		return int64(binary.BigEndian.Uint64(p)), false, true
	default:
		return int64(int8(c)), false, true
	}
}
