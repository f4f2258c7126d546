package swarm

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

func TestParseFrameHeader(t *testing.T) {
	long := append([]byte{flagLong}, binary.BigEndian.AppendUint64(nil, 70000)...)
	for _, c := range []struct {
		name string
		in   []byte
		want frameHeader
		n    int
		err  error
	}{
		{"nothing", nil, frameHeader{}, 0, nil},
		{"flags only", []byte{0}, frameHeader{}, 0, nil},
		{"short", []byte{0, 5, 'x'}, frameHeader{Size: 5}, 2, nil},
		{"more", []byte{flagMore, 0}, frameHeader{More: true}, 2, nil},
		{"command", []byte{flagCommand, 9}, frameHeader{Command: true, Size: 9}, 2, nil},
		{"long", long, frameHeader{Size: 70000}, 9, nil},
		{"long cut", long[:8], frameHeader{}, 0, nil},
		{"negative size", []byte{flagLong, 0x80, 0, 0, 0, 0, 0, 0, 0}, frameHeader{}, 0, ErrFrame},
		{"unknown flag", []byte{0x08, 0}, frameHeader{}, 0, ErrFrame},
		{"command with more", []byte{flagCommand | flagMore, 0}, frameHeader{}, 0, ErrFrame},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, n, err := parseFrameHeader(c.in)
			if h != c.want || n != c.n || !errors.Is(err, c.err) {
				t.Fatalf("got %+v, %d, %v; want %+v, %d, %v", h, n, err, c.want, c.n, c.err)
			}
		})
	}
}

func TestAppendFrame_roundTrip(t *testing.T) {
	for _, size := range []int{0, 1, 255, 256, 70000} {
		body := bytes.Repeat([]byte{'x'}, size)
		b := appendFrame(nil, flagMore, body)
		h, n, err := parseFrameHeader(b)
		if err != nil || !h.More || h.Size != uint64(size) || !bytes.Equal(b[n:], body) {
			t.Fatalf("size %d: %+v %d %v", size, h, n, err)
		}
	}
}

func TestGreeting(t *testing.T) {
	good := appendGreeting(nil)
	if len(good) != greetingLen {
		t.Fatalf("%d bytes", len(good))
	}
	if err := checkGreeting(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(b []byte){
		"http":      func(b []byte) { copy(b, "GET / HTTP/1.1\r\n") },
		"version 2": func(b []byte) { b[10] = 2 },
		"curve":     func(b []byte) { copy(b[12:], "CURVE") },
		"null+":     func(b []byte) { b[20] = 'x' },
	} {
		bad := bytes.Clone(good)
		change(bad)
		if err := checkGreeting(bad); !errors.Is(err, ErrGreeting) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReadyProperty(t *testing.T) {
	data := appendProperty(appendProperty(nil, "socket-type", "ROUTER"), "Identity", "")
	if v, err := readyProperty(data, "Socket-Type"); err != nil || v != "ROUTER" {
		t.Fatalf("%q, %v", v, err)
	}
	for i := 1; i < len(data); i++ {
		if v, err := readyProperty(data[:i], "Nothing"); v != "" || (err != nil && !errors.Is(err, ErrCommand)) {
			t.Errorf("cut at %d: %q, %v", i, v, err)
		}
	}
}

func TestAppendPong(t *testing.T) {
	got, err := appendPong(nil, []byte("\x00\x0actx"))
	if err != nil || string(got) != "\x04\x08\x04PONGctx" {
		t.Fatalf("%q, %v", got, err)
	}
	for _, bad := range []string{"", "x", strings.Repeat("x", 19)} {
		if _, err := appendPong(nil, []byte(bad)); !errors.Is(err, ErrCommand) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzParseFrameHeader(f *testing.F) {
	f.Add(appendFrame(nil, flagMore, []byte("abc")))
	f.Add(appendFrame(nil, 0, make([]byte, 300)))
	f.Add(appendReady(nil, "REQ"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, n, err := parseFrameHeader(b)
		if err != nil || n == 0 {
			return
		}
		if n > len(b) || n > maxHeaderLen || h.Size > 1<<63-1 {
			t.Fatalf("%+v, %d of %d", h, n, len(b))
		}
		if h.Command {
			if name, data, err := splitCommand(b[n:]); err == nil && len(name)+len(data)+1 != len(b[n:]) {
				t.Fatalf("command %q loses bytes", name)
			}
		}
	})
}

func FuzzReadyProperty(f *testing.F) {
	f.Add(appendProperty(nil, "Socket-Type", "PUB"))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := readyProperty(b, "socket-type")
		if err == nil && len(v) > len(b) {
			t.Fatalf("%d bytes out of %d", len(v), len(b))
		}
	})
}

// FuzzReadMessage feeds a stream in the worst portions (one byte at a time) and in one piece; both must
// read the same messages, and neither may use memory a few bytes only promise.
func FuzzReadMessage(f *testing.F) {
	f.Add(appendRequest(nil, []byte("hello")))
	f.Add(append(appendFrame(nil, flagCommand, []byte("\x04PING\x00\x0ax")), appendFrame(nil, 0, make([]byte, 400))...))
	f.Add([]byte{flagLong, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 1, 2})
	f.Add([]byte{flagCommand, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		whole, errWhole := readAll(&bytesConn{in: bytes.Clone(b), portion: len(b) + 1})
		split, errSplit := readAll(&bytesConn{in: bytes.Clone(b), portion: 1})
		if !bytes.Equal(whole, split) {
			t.Fatalf("%q (%v) and %q (%v)", whole, errWhole, split, errSplit)
		}
	})
}

func readAll(nc net.Conn) ([]byte, error) {
	c := &zmtpConn{nc: nc, maxFrame: 1 << 20}
	var all []byte
	for {
		frames, err := c.ReadMessage()
		if err != nil {
			return all, err
		}
		all = append(all, bytes.Join(frames, []byte("|"))...)
		all = append(all, '\n')
	}
}

// bytesConn is a connection whose peer has said in and hangs up.
type bytesConn struct {
	net.Conn
	in      []byte
	portion int
}

func (c *bytesConn) Read(p []byte) (int, error) {
	if len(c.in) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), c.portion)], c.in)
	c.in = c.in[n:]
	return n, nil
}

func (c *bytesConn) Write(p []byte) (int, error) { return len(p), nil }

func TestReadMessage_limits(t *testing.T) {
	tooMany := bytes.Repeat([]byte{flagMore, 0}, maxFrames+1)
	if _, err := readAll(&bytesConn{in: tooMany, portion: 64}); !errors.Is(err, ErrFrame) {
		t.Errorf("many frames: %v", err)
	}
	huge := append([]byte{flagLong}, binary.BigEndian.AppendUint64(nil, 1<<40)...)
	if _, err := readAll(&bytesConn{in: huge, portion: 64}); !errors.Is(err, ErrFrameSize) {
		t.Errorf("huge frame: %v", err)
	}
	half := appendFrame(nil, flagMore, make([]byte, 700<<10))
	half = appendFrame(half, 0, make([]byte, 700<<10))
	if _, err := readAll(&bytesConn{in: half, portion: 1 << 20}); !errors.Is(err, ErrFrameSize) {
		t.Errorf("message of two large frames: %v", err)
	}
	cut := appendFrame(nil, 0, make([]byte, 300))[:200]
	if _, err := readAll(&bytesConn{in: cut, portion: 64}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut frame: %v", err)
	}
}

func TestDialZMTP_peerPings(t *testing.T) {
	peer := listenZMTP(t, "PUB")
	conn := make(chan *zmtpConn, 1)
	go func() {
		c, err := dialZMTP(t.Context(), peer.addr, "SUB", []string{"", "topic"}, linkOptions{DialTimeout: 5 * time.Second, MaxFrame: 1 << 20})
		if err != nil {
			t.Error(err)
		}
		conn <- c
	}()
	server := peer.accept(t)
	c := <-conn
	if c == nil {
		t.FailNow()
	}
	defer c.Close()
	for _, want := range []string{"\x01", "\x01topic"} {
		frames, err := server.ReadMessage()
		if err != nil || len(frames) != 1 || string(frames[0]) != want {
			t.Fatalf("%q, %v", frames, err)
		}
	}
	out := appendFrame(nil, flagCommand, []byte("\x04PING\x00\x0actx"))
	out = appendFrame(out, 0, []byte("message"))
	if err := server.Send(out, time.Now().Add(5*time.Second)); err != nil {
		t.Fatal(err)
	}
	if frames, err := c.ReadMessage(); err != nil || string(frames[0]) != "message" {
		t.Fatalf("%q, %v", frames, err)
	}
	h, body, err := server.readFrame(nil)
	if err != nil || !h.Command || string(body) != "\x04PONGctx" {
		t.Fatalf("%+v %q %v", h, body, err)
	}
}

func TestDialZMTP_refused(t *testing.T) {
	t.Run("wrong type", func(t *testing.T) {
		peer := listenZMTP(t, "PUSH")
		go func() { _, _ = peer.tryAccept() }()
		_, err := dialZMTP(t.Context(), peer.addr, "REQ", nil, linkOptions{DialTimeout: 5 * time.Second, MaxFrame: 1 << 20})
		if !errors.Is(err, ErrPeerType) {
			t.Fatal(err)
		}
	})
	t.Run("mute", func(t *testing.T) {
		peer := listenZMTP(t, "ROUTER") // nobody accepts, so no greeting comes
		_, err := dialZMTP(t.Context(), peer.addr, "REQ", nil, linkOptions{DialTimeout: 20 * time.Millisecond, MaxFrame: 1 << 20})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
	})
}
