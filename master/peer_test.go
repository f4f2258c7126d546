package master_test

import (
	"bufio"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/master/mastertest"
	"github.com/saltern-io/saltern/pki"
)

// peerTimeout bounds every step of a raw peer: a request without an answer fails after it.
const peerTimeout = 30 * time.Second

// rawPeer is a ZMTP 3.0 peer made of nothing but TCP, so that a test controls every byte.
type rawPeer struct {
	net.Conn
	r *bufio.Reader
}

// zmtpHello is the greeting and READY of a socket type, as one write.
func zmtpHello(socketType string) []byte {
	b := make([]byte, 64, 128)
	b[0], b[9], b[10] = 0xff, 0x7f, 3
	copy(b[12:], "NULL")
	ready := append([]byte("\x05READY\x0bSocket-Type\x00\x00\x00"), byte(len(socketType)))
	ready = append(ready, socketType...)
	b = append(b, 4, byte(len(ready)))
	return append(b, ready...)
}

// zmtpMessage is the wire form of a message.
func zmtpMessage(frames ...[]byte) []byte {
	var b []byte
	for i, f := range frames {
		flags := byte(2)
		if i < len(frames)-1 {
			flags |= 1
		}
		b = append(b, flags)
		b = binary.BigEndian.AppendUint64(b, uint64(len(f)))
		b = append(b, f...)
	}
	return b
}

// dialPeer connects to a port of m and shakes hands as a socket of the given type.
func dialPeer(m *mastertest.Running, port int, socketType string) (*rawPeer, error) {
	conn, err := net.DialTimeout("tcp", net.JoinHostPort(m.Host, strconv.Itoa(port)), peerTimeout)
	if err != nil {
		return nil, err
	}
	p := &rawPeer{Conn: conn, r: bufio.NewReader(conn)}
	err = errors.Join(p.SetDeadline(time.Now().Add(peerTimeout)), p.handshake(socketType))
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return p, nil
}

func mustPeer(t testing.TB, m *mastertest.Running, port int, socketType string) *rawPeer {
	t.Helper()
	p, err := dialPeer(m, port, socketType)
	if err != nil {
		t.Fatalf("%s peer: %v", socketType, err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func (p *rawPeer) handshake(socketType string) error {
	if _, err := p.Write(zmtpHello(socketType)); err != nil {
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

func (p *rawPeer) frame() (flags byte, body []byte, err error) {
	var head [9]byte
	if _, err := io.ReadFull(p.r, head[:2]); err != nil {
		return 0, nil, err
	}
	size := uint64(head[1])
	if head[0]&2 != 0 {
		if _, err := io.ReadFull(p.r, head[2:]); err != nil {
			return 0, nil, err
		}
		size = binary.BigEndian.Uint64(head[1:])
	}
	if size > 64<<20 {
		return 0, nil, fmt.Errorf("frame of %d bytes", size)
	}
	body = make([]byte, size)
	_, err = io.ReadFull(p.r, body)
	return head[0], body, err
}

// do sends one request as a REQ socket does and returns the body of the answer.
func (p *rawPeer) do(body []byte) ([]byte, error) {
	if err := p.SetDeadline(time.Now().Add(peerTimeout)); err != nil {
		return nil, err
	}
	if _, err := p.Write(zmtpMessage(nil, body)); err != nil {
		return nil, err
	}
	for {
		flags, answer, err := p.frame()
		if err != nil {
			return nil, fmt.Errorf("no answer: %w", err)
		}
		if flags&5 == 0 {
			return answer, nil
		}
	}
}

// member is one minion that does by hand what the swarm does by itself.
type member struct {
	*rawPeer
	id      string
	key     *pki.PrivateKey
	tok     []byte
	shared  *pki.Cipher
	session *pki.Cipher
}

// join signs a new minion in.
func join(t testing.TB, m *mastertest.Running, id string) *member {
	t.Helper()
	key, err := pki.GenerateKey(2048)
	if err != nil {
		t.Fatal(err)
	}
	tok, err := pki.Tok(key)
	if err != nil {
		t.Fatal(err)
	}
	c := &member{rawPeer: mustPeer(t, m, m.RetPort, "REQ"), id: id, key: key, tok: tok}
	c.signIn(t)
	return c
}

func (c *member) signIn(t testing.TB) {
	t.Helper()
	body, err := wire.AuthRequest{ID: c.id, Nonce: nonce(), Pub: c.key.Public().Clean(), Level: 3}.AppendEnvelope(nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := c.do(body)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := wire.ParseAuthReply(raw)
	if err != nil || reply.Accept == nil {
		t.Fatalf("sign-in of %s: %+v, %v", c.id, reply, err)
	}
	open := func(block []byte) *pki.Cipher {
		text, err := c.key.Decrypt(pki.OAEPSHA1, block)
		if err != nil {
			t.Fatal(err)
		}
		cipher, err := pki.NewCipher(string(text))
		if err != nil {
			t.Fatal(err)
		}
		return cipher
	}
	c.shared, c.session = open(reply.Accept.AES), open(reply.Accept.Session)
}

func (c *member) cipher(level wire.Level) *pki.Cipher {
	if level >= 3 {
		return c.session
	}
	return c.shared
}

// seal makes the body of an encrypted request from any load, also one that is no map.
func (c *member) seal(t testing.TB, level wire.Level, load any) []byte {
	t.Helper()
	raw, err := wire.Encode(load, wire.Wire)
	if err != nil {
		t.Fatal(err)
	}
	env := wire.Envelope{Enc: "aes", Level: level, Load: c.cipher(level).Seal(nil, wire.AppendPlain(nil, "", raw))}
	if level >= 3 {
		env.ID = c.id
	}
	return env.Append(nil)
}

// opens reports whether the answer is sealed for this minion and carries the nonce.
func (c *member) opens(level wire.Level, answer []byte, nonce string) bool {
	box, ok := wire.Bytes(answer)
	if !ok {
		return false
	}
	plain, err := c.cipher(level).Open(nil, box)
	if err != nil {
		return false
	}
	_, err = wire.SplitReply(plain, nonce)
	return err == nil
}

// proven adds to a load what makes it a good request of the minion.
func (c *member) proven(load *wire.Map, nonce string) *wire.Map {
	load.Set("id", c.id)
	load.Set("tok", c.tok)
	load.Set("ts", time.Now().Unix())
	load.Set("nonce", nonce)
	return load
}

func nonce() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
