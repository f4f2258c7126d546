package swarm

import (
	"net"
	"testing"
	"time"
)

// zmtpPeer is the bound side of ZMTP, enough for tests of this package.
type zmtpPeer struct {
	l          net.Listener
	addr       string
	port       int
	socketType string
}

func listenZMTP(t testing.TB, socketType string) *zmtpPeer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return &zmtpPeer{l: l, addr: l.Addr().String(), port: l.Addr().(*net.TCPAddr).Port, socketType: socketType}
}

func (p *zmtpPeer) accept(t testing.TB) *zmtpConn {
	t.Helper()
	c, err := p.tryAccept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func (p *zmtpPeer) tryAccept() (*zmtpConn, error) {
	nc, err := p.l.Accept()
	if err != nil {
		return nil, err
	}
	return p.greet(nc)
}

func (p *zmtpPeer) greet(nc net.Conn) (*zmtpConn, error) {
	_ = nc.SetDeadline(time.Now().Add(20 * time.Second))
	c := &zmtpConn{nc: nc, maxFrame: 1 << 20}
	greeting := make([]byte, greetingLen)
	if _, err := nc.Write(appendReady(appendGreeting(nil), p.socketType)); err != nil {
		return nil, err
	}
	if err := c.readFull(greeting); err != nil {
		return nil, err
	}
	_, _, err := c.readFrame(nil) // READY
	_ = nc.SetDeadline(time.Time{})
	return c, err
}
