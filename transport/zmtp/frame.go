package zmtp

import (
	"encoding/binary"
	"fmt"
)

// Flags of a frame. ZMTP 2.0 has the same without commands.
const (
	flagMore    = 0x01
	flagLong    = 0x02
	flagCommand = 0x04
	flagsKnown  = flagMore | flagLong | flagCommand
)

const (
	shortHeader = 2
	longHeader  = 9
	maxShort    = 255
	maxFrame    = 1<<63 - 1 // sizes are 63 bit numbers
)

// frameHeader is the start of a frame.
type frameHeader struct {
	flags byte
	size  uint64
}

// parseHeader reads a frame header; n is its length, 0 when b does not hold all of it.
func parseHeader(b []byte, v2 bool) (h frameHeader, n int, err error) {
	if len(b) == 0 {
		return h, 0, nil
	}
	h.flags = b[0]
	bad := h.flags&^flagsKnown != 0 || h.flags&flagCommand != 0 && (v2 || h.flags&flagMore != 0)
	if bad {
		return h, 0, fmt.Errorf("%w: flags %#02x", ErrFrame, h.flags)
	}
	if h.flags&flagLong == 0 {
		if len(b) < shortHeader {
			return h, 0, nil
		}
		h.size = uint64(b[1])
		return h, shortHeader, nil
	}
	if len(b) < longHeader {
		return h, 0, nil
	}
	h.size = binary.BigEndian.Uint64(b[1:])
	if h.size > maxFrame {
		return h, 0, fmt.Errorf("%w: size %#x", ErrFrame, h.size)
	}
	return h, longHeader, nil
}

// appendHeader appends the header of a frame of size bytes in its shortest form.
func appendHeader(dst []byte, flags byte, size int) []byte {
	if size <= maxShort {
		return append(dst, flags, byte(size))
	}
	return binary.BigEndian.AppendUint64(append(dst, flags|flagLong), uint64(size))
}

// appendFrame appends a whole frame.
func appendFrame(dst []byte, flags byte, body []byte) []byte {
	return append(appendHeader(dst, flags, len(body)), body...)
}
