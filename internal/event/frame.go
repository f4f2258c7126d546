package event

import (
	"encoding/binary"

	"github.com/saltern-io/saltern/internal/wire"
)

// separator stands between tag and data in a frame's body.
const separator = "\n\n"

// lengthSize is the size of the length before a frame in FramingLength.
const lengthSize = 4

// AppendFrame appends e as one bare frame (spec: event-bus §2), the same bytes that every stock release writes:
// {"head": {}, "body": bin(tag "\n\n" data)}.
func AppendFrame(dst []byte, e Event) []byte {
	dst = wire.AppendMapHeader(dst, 2)
	dst = wire.AppendStr(dst, "head", wire.Local)
	dst = wire.AppendMapHeader(dst, 0)
	dst = wire.AppendStr(dst, "body", wire.Local)
	n := len(e.Tag) + len(separator) + len(e.Data)
	// The header of a bin, for a body that is not in one piece.
	switch {
	case n <= 0xff:
		dst = append(dst, 0xc4, byte(n))
	case n <= 0xffff:
		dst = binary.BigEndian.AppendUint16(append(dst, 0xc5), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint32(append(dst, 0xc6), uint32(n))
	}
	dst = append(dst, e.Tag...)
	dst = append(dst, separator...)
	return append(dst, e.Data...)
}

// AppendLengthFrame appends e as a frame with its length before it (spec: newer-salt, last section).
func AppendLengthFrame(dst []byte, e Event) []byte {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = AppendFrame(dst, e)
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start-lengthSize))
	return dst
}

// frameSize is the size of AppendLengthFrame's output, or a few bytes more.
func frameSize(e Event) int {
	return lengthSize + 1 + 5 + 1 + 5 + 5 + len(e.Tag) + len(separator) + len(e.Data)
}

// parseFrame reads one complete bare frame.
func parseFrame(frame []byte) (Event, error) {
	if err := wire.Check(frame, wire.OuterLimits); err != nil {
		return Event{}, badEvent(err)
	}
	raw, ok := wire.Field(frame, "body")
	if !ok {
		return Event{}, badEvent(errNoBody)
	}
	body, ok := wire.Bytes(raw)
	if !ok {
		return Event{}, badEvent(errNoBody)
	}
	return parseBody(body)
}
