package swarm

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ZMTP 3.0 framing, the pure half: bytes in, values out, no socket
// (rfc.zeromq.org/spec/23; spec: transport §2.1, §4.2).
//
//	greeting  ff 00×7 01 7f | 03 00 | "NULL" 0×16 | 00 | 00×31      64 bytes
//	frame     flags | len (1 byte, or 8 when flags&2) | body
//	command   a frame with flags&4: name-length name data
//
// The minor version sent is 0: a 3.0 peer takes subscriptions as messages, which every libzmq accepts.

const (
	greetingLen = 64

	flagMore    = 0x01
	flagLong    = 0x02
	flagCommand = 0x04
	flagUnknown = 0xf8

	maxCommandBytes = 8 << 10 // READY with a few properties is under 100 bytes
	maxPingContext  = 16
)

// Errors of the framing layer. Each ends the connection: after one of them the stream has no known
// frame boundary.
var (
	ErrGreeting  = errors.New("not a ZMTP 3 greeting with NULL security")
	ErrFrame     = errors.New("malformed ZMTP frame")
	ErrFrameSize = errors.New("ZMTP frame larger than the limit")
	ErrCommand   = errors.New("malformed ZMTP command")
	ErrPeerType  = errors.New("peer socket type does not fit")
	ErrPeer      = errors.New("peer refused the connection")
)

// appendGreeting appends the 64 bytes every connection opens with.
func appendGreeting(dst []byte) []byte {
	var g [greetingLen]byte
	g[0], g[8], g[9] = 0xff, 0x01, 0x7f
	g[10], g[11] = 3, 0
	copy(g[12:32], "NULL")
	return append(dst, g[:]...)
}

// checkGreeting says whether b, greetingLen bytes, opens a connection we can hold.
func checkGreeting(b []byte) error {
	switch {
	case len(b) != greetingLen, b[0] != 0xff, b[9]&1 == 0:
		return ErrGreeting
	case b[10] < 3:
		return fmt.Errorf("%w: version %d", ErrGreeting, b[10])
	}
	mechanism := b[12:32]
	if string(mechanism[:5]) != "NULL\x00" {
		return fmt.Errorf("%w: another mechanism", ErrGreeting)
	}
	for _, c := range mechanism[5:] {
		if c != 0 {
			return fmt.Errorf("%w: another mechanism", ErrGreeting)
		}
	}
	return nil
}

// frameHeader is the fixed part in front of a frame body.
type frameHeader struct {
	More, Command bool
	Size          uint64 // body bytes, not checked against any limit
}

// maxHeaderLen is the longest encoded frameHeader.
const maxHeaderLen = 9

// parseFrameHeader reads a header from the front of b. n is the number of bytes it took; n == 0 with a
// nil error means b is too short.
func parseFrameHeader(b []byte) (h frameHeader, n int, err error) {
	if len(b) == 0 {
		return frameHeader{}, 0, nil
	}
	flags := b[0]
	if flags&flagUnknown != 0 || flags&(flagCommand|flagMore) == flagCommand|flagMore {
		return frameHeader{}, 0, fmt.Errorf("%w: flags %#02x", ErrFrame, flags)
	}
	h = frameHeader{More: flags&flagMore != 0, Command: flags&flagCommand != 0}
	if flags&flagLong == 0 {
		if len(b) < 2 {
			return frameHeader{}, 0, nil
		}
		h.Size = uint64(b[1])
		return h, 2, nil
	}
	if len(b) < maxHeaderLen {
		return frameHeader{}, 0, nil
	}
	h.Size = binary.BigEndian.Uint64(b[1:maxHeaderLen])
	if h.Size > 1<<63-1 {
		return frameHeader{}, 0, fmt.Errorf("%w: size %d", ErrFrame, h.Size)
	}
	return h, maxHeaderLen, nil
}

// appendFrame appends one frame; flags is 0, flagMore or flagCommand.
func appendFrame(dst []byte, flags byte, body []byte) []byte {
	if len(body) <= 255 {
		dst = append(dst, flags, byte(len(body)))
	} else {
		dst = append(dst, flags|flagLong)
		dst = binary.BigEndian.AppendUint64(dst, uint64(len(body)))
	}
	return append(dst, body...)
}

// appendRequest appends what a REQ socket sends for body: the empty delimiter and the body frame.
func appendRequest(dst, body []byte) []byte {
	dst = append(dst, flagMore, 0)
	return appendFrame(dst, 0, body)
}

// appendSubscribe appends the subscription message for one topic prefix.
func appendSubscribe(dst []byte, topic string) []byte {
	body := make([]byte, 0, 1+len(topic))
	body = append(body, 0x01)
	return appendFrame(dst, 0, append(body, topic...))
}

// appendReady appends our READY command. A REQ announces an empty identity as libzmq does; a SUB
// announces none.
func appendReady(dst []byte, socketType string) []byte {
	body := make([]byte, 0, 64)
	body = append(body, "\x05READY"...)
	body = appendProperty(body, "Socket-Type", socketType)
	if socketType == "REQ" {
		body = appendProperty(body, "Identity", "")
	}
	return appendFrame(dst, flagCommand, body)
}

func appendProperty(dst []byte, name, value string) []byte {
	dst = append(dst, byte(len(name)))
	dst = append(dst, name...)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(value)))
	return append(dst, value...)
}

// splitCommand separates the name of a command from its data.
func splitCommand(body []byte) (name string, data []byte, err error) {
	if len(body) == 0 || len(body) < 1+int(body[0]) || body[0] == 0 {
		return "", nil, fmt.Errorf("%w: no name", ErrCommand)
	}
	n := 1 + int(body[0])
	return string(body[1:n]), body[n:], nil
}

// readyProperty returns the value of one property of READY data; names compare without case, as the
// protocol says. The whole of data is checked even when the property comes early.
func readyProperty(data []byte, name string) (value string, err error) {
	for len(data) > 0 {
		n := int(data[0])
		if n == 0 || len(data) < 1+n+4 {
			return "", fmt.Errorf("%w: READY property name", ErrCommand)
		}
		key := string(data[1 : 1+n])
		size := binary.BigEndian.Uint32(data[1+n:])
		data = data[1+n+4:]
		if uint64(size) > uint64(len(data)) {
			return "", fmt.Errorf("%w: READY property value", ErrCommand)
		}
		if equalFoldASCII(key, name) {
			value = string(data[:size])
		}
		data = data[size:]
	}
	return value, nil
}

func equalFoldASCII(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		x, y := a[i], b[i]
		if 'A' <= x && x <= 'Z' {
			x += 'a' - 'A'
		}
		if 'A' <= y && y <= 'Z' {
			y += 'a' - 'A'
		}
		if x != y {
			return false
		}
	}
	return true
}

// appendPong appends the answer to the data of a PING command (two bytes time to live, then a context
// to echo). An over-long context is an error of the peer.
func appendPong(dst, ping []byte) ([]byte, error) {
	if len(ping) < 2 || len(ping) > 2+maxPingContext {
		return dst, fmt.Errorf("%w: PING of %d bytes", ErrCommand, len(ping))
	}
	body := make([]byte, 0, 5+maxPingContext)
	body = append(body, "\x04PONG"...)
	return appendFrame(dst, flagCommand, append(body, ping[2:]...)), nil
}
