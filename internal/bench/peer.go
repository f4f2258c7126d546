package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// replyTimeout bounds one request.
const replyTimeout = 60 * time.Second

// peer is a ZMTP 3.0 REQ peer on plain TCP: it costs this process as little as possible.
type peer struct {
	net.Conn
	r   *bufio.Reader
	out []byte
}

func dialPeer(addr string) (*peer, error) { return dialAs(addr, "REQ") }

// dialAs connects as a socket of another type of three letters.
func dialAs(addr, socketType string) (*peer, error) {
	conn, err := net.DialTimeout("tcp", addr, replyTimeout)
	if err != nil {
		return nil, err
	}
	p := &peer{Conn: conn, r: bufio.NewReaderSize(conn, 2<<10)}
	if err := p.handshake(socketType); err != nil {
		return nil, errors.Join(fmt.Errorf("handshake with %s: %w", addr, err), conn.Close())
	}
	return p, nil
}

func (p *peer) handshake(socketType string) error {
	if err := p.SetDeadline(time.Now().Add(replyTimeout)); err != nil {
		return err
	}
	hello := make([]byte, 64, 128)
	hello[0], hello[9], hello[10] = 0xff, 0x7f, 3
	copy(hello[12:], "NULL")
	hello = append(hello, "\x04\x26\x05READY\x0bSocket-Type\x00\x00\x00\x03"+socketType+"\x08Identity\x00\x00\x00\x00"...)
	if _, err := p.Write(hello); err != nil {
		return err
	}
	if _, err := io.CopyN(io.Discard, p.r, 64); err != nil {
		return fmt.Errorf("greeting: %w", err)
	}
	flags, _, err := p.frame()
	if err == nil && flags&4 == 0 {
		err = errors.New("no READY")
	}
	return err
}

// frame reads one frame.
func (p *peer) frame() (flags byte, body []byte, err error) {
	var head [9]byte
	if _, err := io.ReadFull(p.r, head[:2]); err != nil {
		return 0, nil, err
	}
	size := uint64(head[1])
	if head[0]&2 != 0 {
		if _, err := io.ReadFull(p.r, head[2:9]); err != nil {
			return 0, nil, err
		}
		size = binary.BigEndian.Uint64(head[1:9])
	}
	if size > 64<<20 {
		return 0, nil, fmt.Errorf("frame of %d bytes", size)
	}
	body = make([]byte, size)
	_, err = io.ReadFull(p.r, body)
	return head[0], body, err
}

// do sends a request and returns the reply.
func (p *peer) do(body []byte) ([]byte, error) {
	if err := p.SetDeadline(time.Now().Add(replyTimeout)); err != nil {
		return nil, err
	}
	p.out = append(p.out[:0], 1, 0, 2) // the empty frame, then one long frame
	p.out = binary.BigEndian.AppendUint64(p.out, uint64(len(body)))
	p.out = append(p.out, body...)
	if _, err := p.Write(p.out); err != nil {
		return nil, err
	}
	for {
		flags, body, err := p.frame()
		if err != nil {
			return nil, err
		}
		if flags&5 == 0 { // neither a command nor one of several frames
			return body, nil
		}
	}
}

func dialPeers(addr string, n int) (peers []*peer, err error) {
	for range n {
		p, err := dialPeer(addr)
		if err != nil {
			return nil, errors.Join(err, closePeers(peers))
		}
		peers = append(peers, p)
	}
	return peers, nil
}

func closePeers(peers []*peer) error {
	var errs []error
	for _, p := range peers {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}

// together runs one function per index at once and returns the first error.
func together(n int, run func(i int) error) error {
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() { errs[i] = run(i) })
	}
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			return fmt.Errorf("peer %d: %w", i, err)
		}
	}
	return nil
}
