package badlink

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 20 * time.Second

// echo sends back what it gets.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				_, _ = io.Copy(c, c) // until either side ends
			})
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return l.Addr().String()
}

func relay(t *testing.T) *Relay {
	t.Helper()
	r, err := Listen(echo(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func dial(t *testing.T, r *Relay) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", r.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return c
}

// through sends bytes and wants them back unchanged.
func through(t *testing.T, c net.Conn, n int) time.Duration {
	t.Helper()
	sent := make([]byte, n)
	for i := range sent {
		sent[i] = byte(rand.Uint32())
	}
	began := time.Now()
	done := make(chan error, 1)
	go func() {
		_, err := c.Write(sent)
		done <- err
	}()
	got := make([]byte, n)
	_, err := io.ReadFull(c, got)
	if err = errors.Join(err, <-done); err != nil || !bytes.Equal(got, sent) {
		t.Fatalf("%d bytes through the relay: %v", n, err)
	}
	return time.Since(began)
}

func TestRelay_perfect(t *testing.T) {
	through(t, dial(t, relay(t)), 3<<20)
}

func TestRelay_delayAndLoss(t *testing.T) {
	r := relay(t)
	c := dial(t, r)
	through(t, c, 1)
	r.Set(Quality{Delay: 20 * time.Millisecond})
	if d := through(t, c, 100); d < 40*time.Millisecond {
		t.Errorf("back after %v", d)
	}
	r.Set(Quality{Delay: time.Millisecond, Loss: 0.2, Bandwidth: 10 << 20})
	through(t, c, 10*segment)
	r.Set(Quality{Bandwidth: 1 << 20})
	if d := through(t, c, 1<<18); d < 200*time.Millisecond {
		t.Errorf("a quarter of a second's bytes took %v", d)
	}
}

func TestRelay_reset(t *testing.T) {
	r := relay(t)
	c := dial(t, r)
	through(t, c, 10)
	r.Reset()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read: %v", err)
	}
	if fresh, err := net.Dial("tcp", r.listener.Addr().String()); err == nil { // or the reset is here already
		defer fresh.Close()
		err := fresh.SetDeadline(time.Now().Add(patience))
		if _, rerr := fresh.Read(make([]byte, 1)); err != nil || rerr == nil || errors.Is(rerr, os.ErrDeadlineExceeded) {
			t.Errorf("new connection: %v, %v", err, rerr)
		}
	}
	r.Heal()
	through(t, dial(t, r), 10)
	if n := r.Connections(); n != 2 {
		t.Errorf("%d connections passed on", n)
	}
}

// TestRelay_silence: nothing passes and nobody is told; then it all does.
func TestRelay_silence(t *testing.T) {
	r := relay(t)
	c := dial(t, r)
	through(t, c, 10)
	r.Silence()
	fresh := dial(t, r)
	for _, one := range []net.Conn{c, fresh} {
		if _, err := one.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if err := one.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if n, err := one.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Errorf("%d bytes came through, %v", n, err)
		}
	}
	r.Heal()
	for _, one := range []net.Conn{c, fresh} {
		if err := one.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(one, make([]byte, 1)); err != nil {
			t.Errorf("after the silence: %v", err)
		}
	}
}

// TestRelay_forget: old connections are dead and do not know it, new ones work.
func TestRelay_forget(t *testing.T) {
	r := relay(t)
	c := dial(t, r)
	through(t, c, 10)
	r.Forget()
	r.Forget()
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	through(t, dial(t, r), 10)
	if err := c.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("%d bytes came through, %v", n, err)
	}
}

// TestRelay_ends: the end of one side reaches the other.
func TestRelay_ends(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r, err := Listen(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	c := dial(t, r)
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	c.Close()
	if err := far.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := far.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("far side read: %v", err)
	}
}
