package durable

import (
	"encoding/binary"
	"time"
)

// Reader takes fields off a record. After the first fault every field is zero, Rest is empty and Bad is set, so that a
// decoder checks once, at its end.
type Reader struct {
	Rest []byte // what was not taken yet
	Bad  bool
}

// Fail notes a fault that the caller found.
func (r *Reader) Fail() { r.Bad, r.Rest = true, nil }

// Version takes the first byte, which has to be this one.
func (r *Reader) Version(want byte) {
	if r.Byte() != want {
		r.Fail()
	}
}

// Byte takes one byte.
func (r *Reader) Byte() byte {
	if len(r.Rest) == 0 {
		r.Fail()
		return 0
	}
	b := r.Rest[0]
	r.Rest = r.Rest[1:]
	return b
}

// Uint64 takes eight bytes, big endian.
func (r *Reader) Uint64() uint64 {
	if len(r.Rest) < 8 {
		r.Fail()
		return 0
	}
	n := binary.BigEndian.Uint64(r.Rest)
	r.Rest = r.Rest[8:]
	return n
}

// Time takes nanoseconds of Unix time, eight bytes; the zero time after a fault.
func (r *Reader) Time() time.Time {
	n := r.Uint64()
	if r.Bad {
		return time.Time{}
	}
	return time.Unix(0, int64(n)).UTC()
}

// Uvarint takes a number of variable length.
func (r *Reader) Uvarint() uint64 {
	n, size := binary.Uvarint(r.Rest)
	if size <= 0 {
		r.Fail()
		return 0
	}
	r.Rest = r.Rest[size:]
	return n
}

// Count is a Uvarint that fits an int64.
func (r *Reader) Count() int64 {
	n := int64(r.Uvarint())
	if n < 0 {
		r.Fail()
		return 0
	}
	return n
}

// Bytes takes a length and as many bytes; they alias the record.
func (r *Reader) Bytes() []byte {
	n := r.Uvarint()
	if n > uint64(len(r.Rest)) {
		r.Fail()
		return nil
	}
	b := r.Rest[:n]
	r.Rest = r.Rest[n:]
	return b
}

// List takes a number and as many texts, nil for none. The number is believed only as far as the bytes that are left could
// hold it.
func (r *Reader) List() []string {
	n := r.Uvarint()
	if n > uint64(len(r.Rest)) {
		r.Fail()
		return nil
	}
	if n == 0 {
		return nil
	}
	list := make([]string, 0, n)
	for range n {
		list = append(list, string(r.Bytes()))
		if r.Bad {
			return nil
		}
	}
	return list
}

// Whole reports whether there was no fault and nothing is left.
func (r *Reader) Whole() bool { return !r.Bad && len(r.Rest) == 0 }
