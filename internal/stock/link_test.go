package stock

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// echoLink is a link to a peer that says everything back.
func echoLink(t *testing.T) *Link {
	t.Helper()
	peer, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := peer.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(conn, conn) // ends with the connection
				conn.Close()
			}()
		}
	}()
	l, err := OpenLink("127.0.0.1:0", peer.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		peer.Close()
		<-done
	})
	return l
}

func connect(t *testing.T, l *Link) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", l.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// echoed says text and hears it again.
func echoed(conn net.Conn, text string) error {
	if _, err := io.WriteString(conn, text); err != nil {
		return err
	}
	back := make([]byte, len(text))
	if _, err := io.ReadFull(conn, back); err != nil {
		return err
	}
	if string(back) != text {
		return errors.New("heard " + string(back))
	}
	return nil
}

func TestLink_passesAndCuts(t *testing.T) {
	l := echoLink(t)
	conn := connect(t, l)
	if err := echoed(conn, "before"); err != nil {
		t.Fatal(err)
	}
	l.Set(Cut)
	if err := echoed(conn, "cut"); err == nil {
		t.Error("a cut link carried data")
	}
	// The kernel may take the connection before the link resets it.
	if fresh, err := net.Dial("tcp", l.Addr()); err == nil {
		defer fresh.Close()
		if err := echoed(fresh, "cut"); err == nil {
			t.Error("a cut link carried data of a new connection")
		}
	}
	l.Set(Passing)
	if err := echoed(connect(t, l), "healed"); err != nil {
		t.Error(err)
	}
}

func TestLink_silenceKeepsWhatWaits(t *testing.T) {
	l := echoLink(t)
	conn := connect(t, l)
	if err := echoed(conn, "before"); err != nil {
		t.Fatal(err)
	}
	l.Set(Silent)
	fresh := connect(t, l)
	for _, c := range []net.Conn{conn, fresh} {
		if _, err := io.WriteString(c, "x"); err != nil {
			t.Fatal(err)
		}
		if err := c.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a silent link said something: %v", err)
		}
	}
	l.Set(Passing)
	for _, c := range []net.Conn{conn, fresh} {
		if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			t.Errorf("what waited did not come: %v", err)
		}
	}
}

func TestLink_cutEndsSilence(t *testing.T) {
	l := echoLink(t)
	l.Set(Silent)
	conn := connect(t, l)
	if _, err := io.WriteString(conn, "x"); err != nil {
		t.Fatal(err)
	}
	l.Set(Cut)
	if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("connection not ended: %v", err)
	}
}

func TestLink_impaired(t *testing.T) {
	l := echoLink(t)
	l.Impair(20*time.Millisecond, 0.5)
	conn := connect(t, l)
	begun := time.Now()
	for range 3 {
		if err := echoed(conn, "slow"); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(begun); took < 3*2*20*time.Millisecond {
		t.Errorf("three round trips of 40 ms in %s", took)
	}
	big := bytes.Repeat([]byte("0123456789"), 1<<16)
	l.Impair(0, 0)
	go func() { _, _ = conn.Write(big) }() // a failure shows below
	back := make([]byte, len(big))
	if _, err := io.ReadFull(conn, back); err != nil || !bytes.Equal(back, big) {
		t.Errorf("data changed: %v", err)
	}
}

func TestLink_flapEndsPassing(t *testing.T) {
	l := echoLink(t)
	conn := connect(t, l)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.Flap(ctx, 5*time.Millisecond)
	}()
	err := Poll(t.Context(), "the connection to be cut", patience, func() error {
		if echoed(conn, "x") == nil {
			return errors.New("still there")
		}
		return nil
	})
	cancel()
	<-done
	if err != nil {
		t.Fatal(err)
	}
	if err := echoed(connect(t, l), "after"); err != nil {
		t.Error(err)
	}
}

func TestCounter(t *testing.T) {
	long := append([]byte{flagLong, 0, 0, 0, 0, 0, 0, 1, 0}, make([]byte, 256)...)
	var wire []byte
	wire = append(wire, make([]byte, zmtpGreeting)...)
	wire = append(wire, flagCommand, 3, 'a', 'b', 'c')
	wire = append(wire, flagMore, 0, 0, 2, 'h', 'i') // delimiter and body
	wire = append(wire, 0, 0)                        // empty message
	wire = append(wire, long...)
	for _, size := range []int{1, 7, len(wire)} {
		var c Counter
		s := c.stream()
		for rest := wire; len(rest) > 0; {
			n := min(size, len(rest))
			s.write(rest[:n])
			rest = rest[n:]
		}
		if c.Messages() != 3 {
			t.Errorf("pieces of %d: %d messages, want 3", size, c.Messages())
		}
	}
}
