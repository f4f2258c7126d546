package transport

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// rawPeer is a ZMTP 3.0 peer made of nothing but TCP, so that tests control every byte and see what is really
// on the wire.
type rawPeer struct {
	net.Conn
	r     *bufio.Reader
	ready []byte // the server's READY body
}

const rawDeadline = 20 * time.Second

func rawGreeting() []byte {
	g := make([]byte, 64)
	g[0], g[9], g[10] = 0xff, 0x7f, 3
	copy(g[12:], "NULL")
	return g
}

func rawReady(socketType, identity string) []byte {
	body := []byte("\x05READY")
	for _, p := range [][2]string{{"Socket-Type", socketType}, {"Identity", identity}} {
		if p[1] == "" && p[0] == "Identity" {
			continue
		}
		body = append(body, byte(len(p[0])))
		body = append(body, p[0]...)
		body = binary.BigEndian.AppendUint32(body, uint32(len(p[1])))
		body = append(body, p[1]...)
	}
	return body
}

func newRawPeer(conn net.Conn) *rawPeer {
	return &rawPeer{Conn: conn, r: bufio.NewReaderSize(conn, 64<<10)}
}

// dialRaw connects and shakes hands as a socket of the given type.
func dialRaw(addr, socketType string, identity ...string) (*rawPeer, error) {
	conn, err := net.DialTimeout("tcp", strings.TrimPrefix(addr, "tcp://"), rawDeadline)
	if err != nil {
		return nil, err
	}
	p := newRawPeer(conn)
	if err := p.handshake(socketType, strings.Join(identity, "")); err != nil {
		conn.Close()
		return nil, err
	}
	return p, nil
}

func (p *rawPeer) handshake(socketType, identity string) error {
	if err := p.SetDeadline(time.Now().Add(rawDeadline)); err != nil {
		return err
	}
	if _, err := p.Write(rawGreeting()); err != nil {
		return err
	}
	greeting := make([]byte, 64)
	if _, err := io.ReadFull(p.r, greeting); err != nil {
		return fmt.Errorf("greeting: %w", err)
	}
	ready := rawReady(socketType, identity)
	if _, err := p.Write(append([]byte{4, byte(len(ready))}, ready...)); err != nil {
		return err
	}
	flags, body, err := p.readFrame()
	if err != nil {
		return fmt.Errorf("READY: %w", err)
	}
	if flags&4 == 0 {
		return errors.New("no READY")
	}
	p.ready = body
	return nil
}

func mustDialRaw(t testing.TB, addr, socketType string, identity ...string) *rawPeer {
	t.Helper()
	p, err := dialRaw(addr, socketType, identity...)
	if err != nil {
		t.Fatalf("raw %s peer: %v", socketType, err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// appendMessage appends the wire form of a message.
func appendMessage(dst []byte, frames ...[]byte) []byte {
	for i, f := range frames {
		var flags byte
		if i < len(frames)-1 {
			flags = 1
		}
		if len(f) > 255 {
			dst = append(dst, flags|2)
			dst = binary.BigEndian.AppendUint64(dst, uint64(len(f)))
		} else {
			dst = append(dst, flags, byte(len(f)))
		}
		dst = append(dst, f...)
	}
	return dst
}

func (p *rawPeer) send(frames ...[]byte) error {
	_, err := p.Write(appendMessage(nil, frames...))
	return err
}

func (p *rawPeer) readFrame() (flags byte, body []byte, err error) {
	if flags, err = p.r.ReadByte(); err != nil {
		return 0, nil, err
	}
	var size uint64
	if flags&2 != 0 {
		var b [8]byte
		if _, err = io.ReadFull(p.r, b[:]); err != nil {
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
	body = make([]byte, size)
	_, err = io.ReadFull(p.r, body)
	return flags, body, err
}

// recv reads one message.
func (p *rawPeer) recv() (frames [][]byte, err error) {
	for {
		flags, body, err := p.readFrame()
		if err != nil {
			return nil, err
		}
		frames = append(frames, body)
		if flags&1 == 0 {
			return frames, nil
		}
	}
}

// mustRecv reads one message or fails the test.
func (p *rawPeer) mustRecv(t testing.TB) [][]byte {
	t.Helper()
	if err := p.SetReadDeadline(time.Now().Add(rawDeadline)); err != nil {
		t.Fatal(err)
	}
	frames, err := p.recv()
	if err != nil {
		t.Fatalf("receive: %v", err)
	}
	return frames
}

// subscribe sends one subscription.
func (p *rawPeer) subscribe(t testing.TB, topic string) {
	t.Helper()
	if err := p.send(append([]byte{1}, topic...)); err != nil {
		t.Fatal(err)
	}
}
