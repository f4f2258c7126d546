package zmtp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"
)

// Names of commands.
const (
	commandReady     = "READY"
	commandError     = "ERROR"
	commandPing      = "PING"
	commandPong      = "PONG"
	commandSubscribe = "SUBSCRIBE"
	commandCancel    = "CANCEL"
)

const (
	maxCommandBytes = 8 << 10 // READY with a few properties is below 100 bytes; a SUBSCRIBE has its own limit
	maxPingContext  = 16
	maxIdentity     = 255
	ttlUnit         = 100 * time.Millisecond
)

// splitCommand separates the name of a command from its data.
func splitCommand(body []byte) (name, data []byte, err error) {
	if len(body) == 0 || body[0] == 0 || len(body) < 1+int(body[0]) {
		return nil, nil, fmt.Errorf("%w: no name", ErrCommand)
	}
	n := 1 + int(body[0])
	return body[1:n], body[n:], nil
}

// appendCommand appends a command as a frame.
func appendCommand(dst []byte, name string, data []byte) []byte {
	dst = appendHeader(dst, flagCommand, 1+len(name)+len(data))
	dst = append(dst, byte(len(name)))
	dst = append(dst, name...)
	return append(dst, data...)
}

// appendReady appends the READY command of a role, with an identity if the role has one.
func appendReady(dst []byte, role Role, identity []byte) []byte {
	data := appendProperty(nil, "Socket-Type", []byte(role.String()))
	if roles[role].identity || len(identity) > 0 {
		data = appendProperty(data, "Identity", identity)
	}
	return appendCommand(dst, commandReady, data)
}

func appendProperty(dst []byte, name string, value []byte) []byte {
	dst = append(dst, byte(len(name)))
	dst = append(dst, name...)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(value)))
	return append(dst, value...)
}

// ready is what a READY command says.
type ready struct {
	role     Role
	identity []byte
}

// parseReady reads the data of READY. Property names compare without case; unknown ones are skipped.
func parseReady(data []byte) (r ready, err error) {
	var socketType []byte
	for len(data) > 0 {
		n := int(data[0])
		if n == 0 || len(data) < 1+n+4 {
			return r, fmt.Errorf("%w: READY property name", ErrCommand)
		}
		name, size := data[1:1+n], binary.BigEndian.Uint32(data[1+n:])
		data = data[1+n+4:]
		if uint64(size) > uint64(len(data)) {
			return r, fmt.Errorf("%w: READY property value", ErrCommand)
		}
		value := data[:size]
		data = data[size:]
		switch {
		case bytes.EqualFold(name, []byte("Socket-Type")):
			socketType = value
		case bytes.EqualFold(name, []byte("Identity")):
			if len(value) > maxIdentity {
				return r, fmt.Errorf("%w: identity of %d bytes", ErrCommand, len(value))
			}
			r.identity = bytes.Clone(value)
		}
	}
	role, ok := roleNamed(socketType)
	if !ok {
		return r, fmt.Errorf("%w: %q", ErrPeerType, clip(socketType, 16))
	}
	r.role = role
	return r, nil
}

// parsePing reads the data of PING: how long the sender may be silent from now on (0 = for ever) and the context
// to echo.
func parsePing(data []byte) (ttl time.Duration, context []byte, err error) {
	if len(data) < 2 || len(data) > 2+maxPingContext {
		return 0, nil, fmt.Errorf("%w: PING of %d bytes", ErrCommand, len(data))
	}
	return time.Duration(binary.BigEndian.Uint16(data)) * ttlUnit, data[2:], nil
}

// appendPing appends a PING; ttl is cut to what fits.
func appendPing(dst []byte, ttl time.Duration) []byte {
	units := min(max(ttl/ttlUnit, 0), 0xffff)
	return appendCommand(dst, commandPing, binary.BigEndian.AppendUint16(nil, uint16(units)))
}

// parseError reads the data of ERROR: a length and a reason, of which old peers leave the length out.
func parseError(data []byte) error {
	if len(data) > 0 && int(data[0]) == len(data)-1 {
		data = data[1:]
	}
	return fmt.Errorf("%w: %q", ErrPeer, clip(data, 64))
}

// clip cuts a peer's bytes to what an error text may carry.
func clip(b []byte, n int) []byte { return b[:min(n, len(b))] }
