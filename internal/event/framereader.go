package event

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Framing is how frames are told apart on a stream.
type Framing uint8

// The framings. FramingAuto is a wish, never what a connection has.
const (
	FramingAuto   Framing = iota
	FramingBare           // a concatenation of MessagePack maps
	FramingLength         // 4 bytes of length, big endian, before each map; 3006.26 and later 3006
)

// String is the word that the option event_bus_framing uses.
func (f Framing) String() string {
	switch f {
	case FramingBare:
		return "bare"
	case FramingLength:
		return "length"
	default:
		return "auto"
	}
}

// ParseFraming is the reverse of String; "" is FramingAuto.
func ParseFraming(s string) (Framing, error) {
	switch s {
	case "", "auto":
		return FramingAuto, nil
	case "bare":
		return FramingBare, nil
	case "length":
		return FramingLength, nil
	}
	return FramingAuto, fmt.Errorf("event_bus_framing %q: want auto, bare or length", s)
}

// DefaultMaxFrame is the limit that stock readers have.
const DefaultMaxFrame = 100 << 20

const (
	readStart = 4096     // first buffer of a connection
	keepMax   = 64 << 10 // largest buffer kept after a large frame
)

var errNoBody = errors.New("no body of text or bytes")

func badEvent(err error) error { return fmt.Errorf("%w: %w", ErrBadEvent, err) }

// FrameReader takes events off a stream whose frames arrive split and joined in any way. The framing is recognised
// from the first byte. Memory grows with the bytes that have arrived, never with a length that was only announced, and
// no byte is looked at twice while a frame is incomplete. For one goroutine.
type FrameReader struct {
	src      io.Reader
	maxFrame int
	framing  Framing
	buf      []byte // buf[pos:] is not yet consumed
	pos      int
	scan     scanner
	fail     error
}

// NewFrameReader reads frames of at most maxFrame bytes from src; 0 = DefaultMaxFrame.
func NewFrameReader(src io.Reader, maxFrame int) *FrameReader {
	if maxFrame <= 0 {
		maxFrame = DefaultMaxFrame
	}
	r := &FrameReader{src: src, maxFrame: maxFrame}
	r.scan.reset()
	return r
}

// Framing is what was recognised; FramingAuto before the first byte.
func (r *FrameReader) Framing() Framing { return r.framing }

// Next returns the next event.
//
// ErrBadEvent: a whole frame without a usable event was passed over, Next can be called again. ErrFrameSize, ErrFraming,
// io.ErrUnexpectedEOF (end inside a frame) and io.EOF are final. Any other error is src's; after one that was only a
// deadline Next goes on where it was.
func (r *FrameReader) Next() (Event, error) {
	if r.fail != nil {
		return Event{}, r.fail
	}
	for {
		frame, ok, err := r.frame()
		if err != nil {
			r.fail, r.buf = err, nil
			return Event{}, err
		}
		if ok {
			e, err := parseFrame(frame)
			r.shrink()
			return e, err
		}
		if err := r.fill(); err != nil {
			return Event{}, err
		}
	}
}

// frame returns the next whole frame if it is there.
func (r *FrameReader) frame() (frame []byte, ok bool, err error) {
	b := r.buf[r.pos:]
	if len(b) == 0 {
		return nil, false, nil
	}
	if r.framing == FramingAuto {
		if r.framing = recognise(b[0], r.maxFrame); r.framing == FramingAuto {
			return nil, false, fmt.Errorf("%w: 0x%02x", ErrFraming, b[0])
		}
	}
	if r.framing == FramingLength {
		return r.lengthFrame(b)
	}
	if !isMapByte(b[0]) {
		return nil, false, fmt.Errorf("%w: 0x%02x", ErrFraming, b[0])
	}
	done, err := r.scan.advance(b, r.maxFrame)
	if err != nil || !done {
		return nil, false, err
	}
	frame = b[:r.scan.pos]
	r.pos += r.scan.pos
	r.scan.reset()
	return frame, true, nil
}

func (r *FrameReader) lengthFrame(b []byte) (frame []byte, ok bool, err error) {
	if len(b) < lengthSize {
		return nil, false, nil
	}
	n := int64(binary.BigEndian.Uint32(b))
	if n > int64(r.maxFrame) {
		return nil, false, fmt.Errorf("%w: %d bytes announced", ErrFrameSize, n)
	}
	if n == 0 {
		return nil, false, fmt.Errorf("%w: empty frame", ErrFraming)
	}
	if int64(len(b)) < lengthSize+n {
		return nil, false, nil
	}
	r.pos += lengthSize + int(n)
	return b[lengthSize : lengthSize+n], true, nil
}

// recognise tells the framing from a connection's first byte. A length begins with the high byte of at most maxFrame.
func recognise(first byte, maxFrame int) Framing {
	switch {
	case isMapByte(first):
		return FramingBare
	case int64(first) <= int64(maxFrame)>>24:
		return FramingLength
	}
	return FramingAuto
}

func isMapByte(b byte) bool { return b&0xf0 == 0x80 || b == 0xde || b == 0xdf }

// fill reads once, growing the buffer by doubling only when it is full of unconsumed bytes.
func (r *FrameReader) fill() error {
	if r.pos == len(r.buf) {
		r.buf, r.pos = r.buf[:0], 0
	}
	if len(r.buf) == cap(r.buf) {
		rest := r.buf[r.pos:]
		if r.pos == 0 || len(rest) > cap(r.buf)/2 {
			grown := make([]byte, len(rest), max(readStart, 2*cap(r.buf)))
			copy(grown, rest)
			r.buf = grown
		} else {
			r.buf = r.buf[:copy(r.buf, rest)]
		}
		r.pos = 0
	}
	n, err := r.src.Read(r.buf[len(r.buf):cap(r.buf)])
	r.buf = r.buf[:len(r.buf)+n]
	switch {
	case n > 0:
		return nil // an error with bytes comes again without them
	case err == nil:
		return nil
	case errors.Is(err, io.EOF) && r.pos < len(r.buf):
		r.fail = io.ErrUnexpectedEOF
		return r.fail
	case errors.Is(err, io.EOF):
		r.fail = io.EOF
		return r.fail
	}
	return err
}

// shrink gives a large buffer back once it is read out.
func (r *FrameReader) shrink() {
	if r.pos == len(r.buf) && cap(r.buf) > keepMax {
		r.buf, r.pos = nil, 0
	}
}
