package check

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// A ZMTP 3 client of one connection, for looking at a port: greeting, READY, one request. It uses no
// libzmq, because what is of interest is exactly what libzmq hides: who answers, and with what.

// maxPeerFrame bounds what is read from a stranger.
const maxPeerFrame = 1 << 20

// Flag bits of a frame.
const (
	frameMore    = 1
	frameLong    = 2
	frameCommand = 4
)

var errNotZMTP = errors.New("what answers does not speak ZeroMQ")

// peer is one open connection.
type peer struct {
	conn net.Conn
	r    *bufio.Reader
	kind string // the peer's Socket-Type
}

// dialPeer connects as a socket of the given type and shakes hands; timeout covers everything done with the
// connection.
func dialPeer(ctx context.Context, addr, socketType string, timeout time.Duration) (*peer, error) {
	d := net.Dialer{Timeout: timeout}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	p := &peer{conn: conn, r: bufio.NewReader(conn)}
	err = conn.SetDeadline(time.Now().Add(timeout))
	if err == nil {
		err = p.handshake(socketType)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return p, nil
}

func (p *peer) close() { p.conn.Close() }

func (p *peer) handshake(socketType string) error {
	greeting := make([]byte, 64)
	greeting[0], greeting[9], greeting[10] = 0xff, 0x7f, 3
	copy(greeting[12:], "NULL")
	if _, err := p.conn.Write(greeting); err != nil {
		return err
	}
	theirs := make([]byte, len(greeting))
	const signature = 10 // what tells a ZeroMQ peer from any other
	for rest := theirs; len(rest) > 0; {
		n, err := p.r.Read(rest)
		rest = rest[n:]
		got := len(theirs) - len(rest)
		if got > 0 && theirs[0] != 0xff || got >= signature && theirs[signature-1] != 0x7f {
			return errNotZMTP
		}
		if err != nil {
			return fmt.Errorf("no ZeroMQ greeting: %w", err)
		}
	}
	if name := strings.TrimRight(string(theirs[12:32]), "\x00"); name != "NULL" {
		return fmt.Errorf("the peer wants the security mechanism %q", name)
	}
	ready := []byte("\x05READY\x0bSocket-Type")
	ready = binary.BigEndian.AppendUint32(ready, uint32(len(socketType)))
	ready = append(ready, socketType...)
	if _, err := p.conn.Write(append([]byte{frameCommand, byte(len(ready))}, ready...)); err != nil {
		return err
	}
	flags, body, err := p.frame()
	if err != nil {
		return fmt.Errorf("no ZeroMQ handshake: %w", err)
	}
	if flags&frameCommand == 0 {
		return errNotZMTP
	}
	p.kind, err = socketTypeOf(body)
	return err
}

// socketTypeOf reads the Socket-Type of a READY command.
func socketTypeOf(body []byte) (string, error) {
	const ready = "\x05READY"
	rest, ok := strings.CutPrefix(string(body), ready)
	if !ok {
		return "", fmt.Errorf("the peer refuses the handshake: %.60q", body)
	}
	for rest != "" {
		n := int(rest[0])
		if len(rest) < 1+n+4 {
			return "", errNotZMTP
		}
		name, size := rest[1:1+n], binary.BigEndian.Uint32([]byte(rest[1+n:1+n+4]))
		rest = rest[1+n+4:]
		if uint64(size) > uint64(len(rest)) {
			return "", errNotZMTP
		}
		if strings.EqualFold(name, "Socket-Type") {
			return rest[:size], nil
		}
		rest = rest[size:]
	}
	return "", errNotZMTP
}

func (p *peer) frame() (flags byte, body []byte, err error) {
	if flags, err = p.r.ReadByte(); err != nil {
		return 0, nil, err
	}
	var size uint64
	if flags&frameLong != 0 {
		var b [8]byte
		if _, err := io.ReadFull(p.r, b[:]); err != nil {
			return 0, nil, err
		}
		size = binary.BigEndian.Uint64(b[:])
	} else {
		b, err := p.r.ReadByte()
		if err != nil {
			return 0, nil, err
		}
		size = uint64(b)
	}
	if size > maxPeerFrame {
		return 0, nil, fmt.Errorf("a frame of %d bytes", size)
	}
	body = make([]byte, size)
	_, err = io.ReadFull(p.r, body)
	return flags, body, err
}

// request sends one body as a REQ socket does and returns the body of the reply.
func (p *peer) request(body []byte) ([]byte, error) {
	msg := []byte{frameMore, 0}
	msg = append(msg, frameLong)
	msg = binary.BigEndian.AppendUint64(msg, uint64(len(body)))
	if _, err := p.conn.Write(append(msg, body...)); err != nil {
		return nil, err
	}
	const mostFrames = 8
	for range mostFrames {
		flags, frame, err := p.frame()
		if err != nil {
			return nil, fmt.Errorf("no reply: %w", err)
		}
		if flags&frameCommand != 0 || flags&frameMore != 0 {
			continue // a heartbeat, or the empty frame before the body
		}
		return frame, nil
	}
	return nil, errors.New("no reply among the frames that came")
}
