package zmtp

// Encoded is the wire form of one message, the same for every peer and version, so that it is made once and shared
// by all who get it. Its memory must not be changed.
type Encoded struct {
	parts [][]byte
	small [1][]byte
	size  int
}

// copyBelow is the size up to which a frame is copied behind its header, so that the whole goes out as one piece.
// Larger frames are sent from where they are.
const copyBelow = 4 << 10

// Encode returns the wire form of a message of at least one frame. Large frames are not copied: they must not be
// changed as long as the result is in use.
func Encode(frames [][]byte) *Encoded {
	e := &Encoded{}
	small, pieces := 0, 1
	for _, f := range frames {
		small += longHeader
		if len(f) <= copyBelow {
			small += len(f)
		} else {
			pieces += 2
		}
	}
	if pieces == 1 {
		e.parts = e.small[:0]
	} else {
		e.parts = make([][]byte, 0, pieces)
	}
	buf, start := make([]byte, 0, small), 0
	for i, f := range frames {
		var flags byte
		if i < len(frames)-1 {
			flags = flagMore
		}
		buf = appendHeader(buf, flags, len(f))
		if len(f) <= copyBelow {
			buf = append(buf, f...)
			continue
		}
		e.parts = append(e.parts, buf[start:len(buf):len(buf)], f)
		start = len(buf)
	}
	if start < len(buf) {
		e.parts = append(e.parts, buf[start:])
	}
	for _, p := range e.parts {
		e.size += len(p)
	}
	return e
}

// encodedBytes wraps bytes that are already in wire form.
func encodedBytes(b []byte) *Encoded {
	e := &Encoded{size: len(b)}
	e.small[0] = b
	e.parts = e.small[:]
	return e
}

// Size returns the bytes on the wire.
func (e *Encoded) Size() int { return e.size }

// appendFrom appends the pieces from byte off on to dst.
func (e *Encoded) appendFrom(dst [][]byte, off int) [][]byte {
	for _, p := range e.parts {
		if off >= len(p) {
			off -= len(p)
			continue
		}
		dst = append(dst, p[off:])
		off = 0
	}
	return dst
}
