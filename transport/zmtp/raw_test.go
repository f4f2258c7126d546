package zmtp

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// rawPeer is plain TCP with helpers, so that tests control every byte.
type rawPeer struct {
	net.Conn
	t testing.TB
}

func dialRaw(t testing.TB, l *Listener) *rawPeer {
	t.Helper()
	c, err := net.DialTimeout("tcp", strings.TrimPrefix(l.Addr(), "tcp://"), patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return &rawPeer{c, t}
}

// say writes hex with spaces between, and text in quotes (no spaces inside): `00 02 "ab"`.
func (p *rawPeer) say(wire string) {
	p.t.Helper()
	if _, err := p.Write(wireBytes(wire)); err != nil {
		p.t.Fatal(err)
	}
}

// hear reads exactly these bytes.
func (p *rawPeer) hear(wire string) {
	p.t.Helper()
	want := wireBytes(wire)
	got := make([]byte, len(want))
	n, err := io.ReadFull(p, got)
	if err != nil || !bytes.Equal(got, want) {
		p.t.Fatalf("heard % x, %v\nwant  % x", got[:n], err, want)
	}
}

// cut waits for the end of the connection.
func (p *rawPeer) cut() {
	p.t.Helper()
	buf := make([]byte, 4096)
	for {
		if _, err := p.Read(buf); err != nil {
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				p.t.Fatal("connection not cut")
			}
			return
		}
	}
}

func wireBytes(wire string) (b []byte) {
	for _, word := range strings.Fields(wire) {
		if strings.HasPrefix(word, `"`) {
			b = append(b, strings.Trim(word, `"`)...)
			continue
		}
		for i := 0; i+1 < len(word); i += 2 {
			var x byte
			for _, c := range word[i : i+2] {
				x = x<<4 | byte(strings.IndexRune("0123456789abcdef", c))
			}
			b = append(b, x)
		}
	}
	return b
}

// Greetings and handshakes as libzmq sends them.
const (
	signature   = `ff0000000000000001 7f`
	greeting31  = signature + ` 03 01 "NULL" 00000000000000000000000000000000 00 00000000000000000000000000000000000000000000000000000000000000`
	greeting30  = signature + ` 03 00 "NULL" 00000000000000000000000000000000 00 00000000000000000000000000000000000000000000000000000000000000`
	readyREQ    = `04 26 05 "READY" 0b "Socket-Type" 00000003 "REQ" 08 "Identity" 00000000`
	readyROUTER = `04 29 05 "READY" 0b "Socket-Type" 00000006 "ROUTER" 08 "Identity" 00000000`
	readyDEALER = `04 29 05 "READY" 0b "Socket-Type" 00000006 "DEALER" 08 "Identity" 00000000`
	readySUB    = `04 19 05 "READY" 0b "Socket-Type" 00000003 "SUB"`
	readyPUB    = `04 19 05 "READY" 0b "Socket-Type" 00000003 "PUB"`
	readyXPUB   = `04 1a 05 "READY" 0b "Socket-Type" 00000004 "XPUB"`
)

// shake does the handshake of a ZMTP 3.1 peer.
func (p *rawPeer) shake(ready, want string) {
	p.t.Helper()
	p.say(greeting31 + " " + ready)
	p.hear(greeting31 + " " + want)
}
