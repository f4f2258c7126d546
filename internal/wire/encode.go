package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// ErrType is wrapped when a value of a Go type that Salt data are not made of is to be encoded.
var ErrType = errors.New("type cannot be encoded")

// ErrTooDeep is returned when a tree to be encoded is nested more than 256 deep, which a cycle would be.
var ErrTooDeep = errors.New("value nested too deeply to be encoded")

// Encode returns v in mode m. See Append.
func Encode(v any, m Mode) ([]byte, error) { return Append(nil, v, m) }

// Append appends v in mode m, in the shortest form that Salt itself writes. Besides the types of decoded trees it
// takes Go int, uint and their sized kinds, float32, []string, Null and Raw. A Go map is refused because it has
// no order. On an error (ErrType, ErrTooDeep) dst is returned as it was. Spec: transport §3.1.
func Append(dst []byte, v any, m Mode) ([]byte, error) {
	out, err := appendValue(dst, v, m, maxDepth)
	if err != nil {
		return dst, err
	}
	return out, nil
}

func appendValue(dst []byte, v any, m Mode, depth int) ([]byte, error) {
	switch v := v.(type) {
	case nil, Null:
		return AppendNil(dst), nil
	case bool:
		return AppendBool(dst, v), nil
	case string:
		return AppendStr(dst, v, m), nil
	case []byte:
		return AppendBytes(dst, v, m), nil
	case int64:
		return AppendInt(dst, v), nil
	case int:
		return AppendInt(dst, int64(v)), nil
	case uint64:
		return AppendUint(dst, v), nil
	case float64:
		return AppendFloat(dst, v), nil
	case Ext:
		return AppendExt(dst, v), nil
	case Raw:
		return append(dst, v...), nil
	case []any:
		return appendList(dst, v, m, depth)
	case *Map:
		return appendMap(dst, v, m, depth)
	}
	return appendRare(dst, v, m)
}

// appendRare encodes the Go types that never come out of a decoder.
func appendRare(dst []byte, v any, m Mode) ([]byte, error) {
	switch v := v.(type) {
	case []string:
		return AppendStrList(dst, v, m), nil
	case int8:
		return AppendInt(dst, int64(v)), nil
	case int16:
		return AppendInt(dst, int64(v)), nil
	case int32:
		return AppendInt(dst, int64(v)), nil
	case uint:
		return AppendUint(dst, uint64(v)), nil
	case uint8:
		return AppendUint(dst, uint64(v)), nil
	case uint16:
		return AppendUint(dst, uint64(v)), nil
	case uint32:
		return AppendUint(dst, uint64(v)), nil
	case float32:
		return AppendFloat(dst, float64(v)), nil
	}
	return dst, fmt.Errorf("%w: %T", ErrType, v)
}

func appendList(dst []byte, l []any, m Mode, depth int) ([]byte, error) {
	if depth == 0 {
		return dst, ErrTooDeep
	}
	dst = AppendListHeader(dst, len(l))
	var err error
	for _, e := range l {
		if dst, err = appendValue(dst, e, m, depth-1); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

func appendMap(dst []byte, v *Map, m Mode, depth int) ([]byte, error) {
	if depth == 0 {
		return dst, ErrTooDeep
	}
	dst = AppendMapHeader(dst, v.Len())
	if v == nil {
		return dst, nil
	}
	var err error
	for i := range v.entries {
		if dst, err = appendValue(dst, v.entries[i].key, m, 1); err != nil {
			return dst, err
		}
		if dst, err = appendValue(dst, v.entries[i].val, m, depth-1); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// AppendNil appends nil.
func AppendNil(dst []byte) []byte { return append(dst, 0xc0) }

// AppendBool appends a boolean.
func AppendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, 0xc3)
	}
	return append(dst, 0xc2)
}

// AppendInt appends an integer in its shortest form, unsigned from zero up.
func AppendInt(dst []byte, v int64) []byte {
	switch {
	case v >= 0:
		return AppendUint(dst, uint64(v))
	case v >= -32:
		return append(dst, byte(v))
	case v >= math.MinInt8:
		return append(dst, 0xd0, byte(v))
	case v >= math.MinInt16:
		return binary.BigEndian.AppendUint16(append(dst, 0xd1), uint16(v))
	case v >= math.MinInt32:
		return binary.BigEndian.AppendUint32(append(dst, 0xd2), uint32(v))
	}
	return binary.BigEndian.AppendUint64(append(dst, 0xd3), uint64(v))
}

// AppendUint appends an integer that is not negative in its shortest form.
func AppendUint(dst []byte, v uint64) []byte {
	switch {
	case v < 0x80:
		return append(dst, byte(v))
	case v <= math.MaxUint8:
		return append(dst, 0xcc, byte(v))
	case v <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, 0xcd), uint16(v))
	case v <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, 0xce), uint32(v))
	}
	return binary.BigEndian.AppendUint64(append(dst, 0xcf), v)
}

// AppendFloat appends a 64 bit float.
func AppendFloat(dst []byte, v float64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, 0xcb), math.Float64bits(v))
}

// AppendStr appends text: raw in Wire mode, str in Local mode. Longer than 4 GiB panics.
func AppendStr(dst []byte, s string, m Mode) []byte {
	return append(appendStrHeader(dst, len(s), m), s...)
}

// AppendBytes appends bytes: raw in Wire mode, bin in Local mode. Longer than 4 GiB panics.
func AppendBytes(dst, b []byte, m Mode) []byte {
	if m == Wire {
		return append(appendStrHeader(dst, len(b), m), b...)
	}
	return append(appendHeader(dst, len(b), 0xc4, 0xc5, 0xc6), b...)
}

// AppendStrList appends a list of texts.
func AppendStrList(dst []byte, l []string, m Mode) []byte {
	dst = AppendListHeader(dst, len(l))
	for _, s := range l {
		dst = AppendStr(dst, s, m)
	}
	return dst
}

// AppendListHeader appends the header of a list; n elements have to follow.
func AppendListHeader(dst []byte, n int) []byte {
	if n < 16 {
		return append(dst, 0x90|byte(n))
	}
	return appendHeader(dst, n, 0, 0xdc, 0xdd)
}

// AppendMapHeader appends the header of a map; n keys, each with its value, have to follow.
func AppendMapHeader(dst []byte, n int) []byte {
	if n < 16 {
		return append(dst, 0x80|byte(n))
	}
	return appendHeader(dst, n, 0, 0xde, 0xdf)
}

// AppendExt appends an extension value.
func AppendExt(dst []byte, e Ext) []byte {
	switch len(e.Data) {
	case 1:
		dst = append(dst, 0xd4)
	case 2:
		dst = append(dst, 0xd5)
	case 4:
		dst = append(dst, 0xd6)
	case 8:
		dst = append(dst, 0xd7)
	case 16:
		dst = append(dst, 0xd8)
	default:
		dst = appendHeader(dst, len(e.Data), 0xc7, 0xc8, 0xc9)
	}
	return append(append(dst, byte(e.Code)), e.Data...)
}

func appendStrHeader(dst []byte, n int, m Mode) []byte {
	switch {
	case n < 32:
		return append(dst, 0xa0|byte(n))
	case m == Wire:
		return appendHeader(dst, n, 0, 0xda, 0xdb)
	}
	return appendHeader(dst, n, 0xd9, 0xda, 0xdb)
}

// appendHeader appends the shortest of three headers; c8 is 0 where there is no form with an 8 bit length.
func appendHeader(dst []byte, n int, c8, c16, c32 byte) []byte {
	switch {
	case c8 != 0 && n <= math.MaxUint8:
		return append(dst, c8, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, c16), uint16(n))
	case uint64(n) <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, c32), uint32(n))
	}
	panic(fmt.Sprintf("wire: %d bytes or elements do not fit MessagePack", n))
}
