package master_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/master"
	"github.com/saltern-io/saltern/master/mastertest"
)

// TestHeartbeat: on both ports a peer of ZMTP 3.1 that does not answer is cut, and one of 3.0 is left alone. That libzmq
// answers is shown with package zmtp.
func TestHeartbeat(t *testing.T) {
	m := mastertest.Start(t, func(c *config.Master) { c.Heartbeat, c.HeartbeatTimeout = 10*time.Millisecond, 50*time.Millisecond })
	m.Accept(t, "web1")
	p := newPublisher(t, m)
	oldREQ, oldSUB := mustPeer(t, m, m.RetPort, "REQ"), mustPeer(t, m, m.PublishPort, "SUB")
	if _, err := oldSUB.Write([]byte{0, 1, 1}); err != nil { // subscribe to everything
		t.Fatal(err)
	}
	for range 2 { // so that it takes some timeouts
		for port, kind := range map[int]string{m.RetPort: "REQ", m.PublishPort: "SUB"} {
			vanished(t, m, port, kind)
		}
	}
	p.job("web1")
	if _, body, err := oldSUB.frame(); err != nil || len(body) == 0 {
		t.Errorf("the old subscriber hears %q, %v", body, err)
	}
	if _, err := oldREQ.Write(zmtpMessage(nil, []byte("?"))); err != nil {
		t.Fatal(err)
	}
	if _, _, err := oldREQ.frame(); err != nil {
		t.Errorf("the old requester: %v", err)
	}
}

// vanished is a peer of ZMTP 3.1 that shakes hands and says nothing any more; it waits to be cut.
func vanished(t *testing.T, m *mastertest.Running, port int, kind string) {
	conn, err := net.DialTimeout("tcp", net.JoinHostPort(m.Host, strconv.Itoa(port)), peerTimeout)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	hello := zmtpHello(kind)
	hello[11] = 1 // ZMTP 3.1
	if _, err = conn.Write(hello); err == nil {
		err = conn.SetDeadline(time.Now().Add(peerTimeout))
	}
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = conn.Read(make([]byte, 4096))
	}
	if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
		t.Errorf("%s: the peer that does not answer is not cut", kind)
	}
}

// heldClock lets a test hold a sign-in in the middle of its handling.
type heldClock struct {
	hold atomic.Bool
	held chan struct{} // one is held
	free chan struct{} // closed: it may go on
}

func (c *heldClock) now() time.Time {
	if c.hold.Load() && calledBy("authenticate") && c.hold.CompareAndSwap(true, false) {
		close(c.held)
		<-c.free
	}
	return time.Now()
}

// calledBy reports whether a function of that name is under way: other parts ask for the time as well.
func calledBy(name string) bool {
	var pcs [16]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs[:])])
	for more := true; more; {
		var f runtime.Frame
		if f, more = frames.Next(); strings.HasSuffix(f.Function, "."+name) {
			return true
		}
	}
	return false
}

// TestFailover_publishPortClosesBeforeDrain: with a request under way that holds up the end, the publish port is closed
// and its connections are gone, and the request is answered afterwards.
func TestFailover_publishPortClosesBeforeDrain(t *testing.T) {
	clock := &heldClock{held: make(chan struct{}), free: make(chan struct{})}
	dir, err := os.MkdirTemp("", "mt") // a short path, for Unix sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	cfg := mastertest.DefaultConfig(t, dir)
	cfg.LoopInterval, cfg.DrainTimeout = time.Hour, time.Minute
	m := mastertest.RunWith(t, dir, cfg, master.Options{Now: clock.now})
	m.Accept(t, "web1")
	signIn, err := mastertest.NewMinion(t, m, "web1", 3).AuthRequest().AppendEnvelope(nil)
	if err != nil {
		t.Fatal(err)
	}
	subscriber, requester := mustPeer(t, m, m.PublishPort, "SUB"), mustPeer(t, m, m.RetPort, "REQ")

	clock.hold.Store(true)
	answered, stopped := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(answered)
		_, body, err := requester.frame() // the delimiter
		if err == nil {
			_, body, err = requester.frame()
		}
		if reply, parseErr := wire.ParseAuthReply(body); err != nil || parseErr != nil || reply.Accept == nil {
			answered <- fmt.Sprintf("%q, %v", body, err)
			return
		}
		answered <- "accepted"
	}()
	if _, err := requester.Write(zmtpMessage(nil, signIn)); err != nil {
		t.Fatal(err)
	}
	<-clock.held
	go func() {
		defer close(stopped)
		m.Stop(t)
	}()
	for err == nil {
		_, err = subscriber.Read(make([]byte, 4096))
	}
	if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
		t.Error("the publish connection stays open")
	}
	until(t, "the publish port is free", func() bool {
		l, err := net.Listen("tcp", net.JoinHostPort(m.Host, strconv.Itoa(m.PublishPort)))
		return err == nil && l.Close() == nil
	})
	select {
	case got := <-answered:
		t.Errorf("answered before: %s", got)
	case <-stopped:
		t.Error("stopped before the request was answered")
	default:
	}
	close(clock.free)
	if got := <-answered; got != "accepted" {
		t.Error(got)
	}
	<-stopped
}
