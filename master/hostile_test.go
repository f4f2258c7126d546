package master_test

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/jid"
	"github.com/saltern-io/saltern/internal/swarm"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/master/mastertest"
)

// residentSlack is how much more may stay resident after the attacks than before: buffers that the Go runtime, the
// allocator of libzmq and the race detector keep for the next time. A leak of one page per connection would be
// more in the long form.
const residentSlack = 128 << 20

// longEnv asks for 100,000 connects instead of 5,000.
const longEnv = "SALTERN_LONG"

// attack is what one hostile client does with one connection to a port of the master. It must end by itself; whatever
// the master does to the connection is fine.
type attack struct {
	name  string
	times int
	run   func(conn net.Conn) error
}

// sends writes fixed bytes and reads until the master cuts the connection or says nothing more for a moment.
func sends(parts ...[]byte) func(net.Conn) error {
	return func(conn net.Conn) error {
		for _, part := range parts {
			if _, err := conn.Write(part); err != nil {
				return nil // cut: its right
			}
		}
		if err := conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
			return err
		}
		answer := make([]byte, 4096)
		for {
			if _, err := conn.Read(answer); err != nil {
				return nil
			}
		}
	}
}

// frameHead is the start of a frame that claims size bytes.
func frameHead(flags byte, size uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{flags | 2}, size)
}

// attacks is the list of what a stranger can do to an open port.
func attacks(stopSlow <-chan struct{}) []attack {
	garbage := func(conn net.Conn) error {
		b := make([]byte, 4096)
		_, _ = rand.Read(b) // never fails
		return sends(b)(conn)
	}
	garbageAfter := func(hello []byte) func(net.Conn) error {
		return func(conn net.Conn) error {
			b := make([]byte, 4096)
			_, _ = rand.Read(b) // never fails
			return sends(hello, b)(conn)
		}
	}
	slow := func(conn net.Conn) error {
		message := append(zmtpHello("REQ"), zmtpMessage(nil, make([]byte, 1<<16))...)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for _, b := range message {
			if _, err := conn.Write([]byte{b}); err != nil {
				return nil
			}
			select {
			case <-stopSlow:
				return nil
			case <-tick.C:
			}
		}
		return nil
	}
	req, sub := zmtpHello("REQ"), zmtpHello("SUB")
	manyFrames := make([][]byte, 5000)
	list := []attack{
		{"nothing", 20, func(net.Conn) error { return nil }},
		{"silence until told", 20, func(net.Conn) error { <-stopSlow; return nil }},
		{"one byte at a time", 20, slow},
		{"garbage", 50, garbage},
		{"HTTP", 20, sends([]byte("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"))},
		{"TLS", 20, sends([]byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"))},
		{"half a greeting", 20, sends(req[:20])},
		{"ZMTP 1", 20, sends([]byte{1, 0, 3, 0, 'a', 'b'})},
		{"CURVE", 20, sends(append(append([]byte{0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0}, "CURVE"...), make([]byte, 47)...))},
		{"half a READY", 20, sends(req[:len(req)-7])},
		{"READY of 4 GB", 20, sends(req[:64], []byte{6, 0, 0, 0, 1, 0, 0, 0, 0})},
		{"peer type nobody knows", 20, sends(zmtpHello("XYZ"))},
		{"garbage after REQ", 50, garbageAfter(req)},
		{"garbage after SUB", 50, garbageAfter(sub)},
		{"half a frame", 20, sends(req, zmtpMessage(nil, make([]byte, 1000))[:500])},
		{"half a message", 20, sends(req, zmtpMessage(nil, nil)[:9], frameHead(1, 0))},
		{"frame of 2^62 bytes", 20, sends(req, frameHead(0, 1<<62))},
		{"frame of 65 MB", 20, sends(req, frameHead(0, 65<<20), make([]byte, 1<<16))},
		{"no empty frame", 20, sends(req, zmtpMessage([]byte("body")))},
		{"two bodies", 20, sends(req, zmtpMessage(nil, []byte("one"), []byte("two")))},
		{"5,000 frames", 5, sends(req, zmtpMessage(manyFrames...))},
		{"pings and unknown commands", 20, sends(req, []byte("\x04\x09\x04PING\x00\x00ab"), []byte("\x04\x08\x04PONGabc"), []byte("\x04\x04\x03XYZ"))},
		{"10,000 subscriptions", 3, subscriptions(10_000)},
		{"subscription of 100 KB", 10, sends(sub, zmtpMessage(append([]byte{1}, make([]byte, 100_000)...)))},
		{"publisher's own message", 10, sends(sub, zmtpMessage([]byte("hello"), []byte("world")))},
		{"requests without reading answers", 10, unread},
	}
	for name, body := range envelopes() {
		if strings.HasPrefix(name, "enc ") {
			continue // the other test sends those
		}
		list = append(list, attack{"body: " + name, 3, sends(req, zmtpMessage(nil, body))})
	}
	return list
}

func subscriptions(n int) func(net.Conn) error {
	b := zmtpHello("SUB")
	for i := range n {
		b = append(b, zmtpMessage(fmt.Appendf([]byte{1}, "topic %d", i))...)
	}
	return sends(b)
}

// unread asks again and again, as a DEALER may, and never reads.
func unread(conn net.Conn) error {
	ping := zmtpMessage(nil, wire.AppendClear(nil, wire.AppendCommand(nil, wire.CmdPing, wire.Proof{}), 3))
	if _, err := conn.Write(zmtpHello("DEALER")); err != nil {
		return nil
	}
	if err := conn.SetWriteDeadline(time.Now().Add(2 * time.Second)); err != nil {
		return err
	}
	for range 2000 {
		if _, err := conn.Write(ping); err != nil {
			return nil
		}
	}
	return nil
}

// dialAttack connects; with reset the end of the connection is a TCP reset, which also leaves no port behind.
func dialAttack(m *mastertest.Running, port int, reset bool) (net.Conn, error) {
	conn, err := net.DialTimeout("tcp", net.JoinHostPort(m.Host, strconv.Itoa(port)), peerTimeout)
	if err == nil && reset {
		err = conn.(*net.TCPConn).SetLinger(0)
	}
	return conn, err
}

// burst runs one attack times times on both ports, ten connections at a time.
func burst(t *testing.T, m *mastertest.Running, a attack) {
	t.Helper()
	var wg sync.WaitGroup
	slots := make(chan struct{}, 10)
	for i := range a.times {
		for _, port := range []int{m.RetPort, m.PublishPort} {
			slots <- struct{}{}
			wg.Go(func() {
				defer func() { <-slots }()
				conn, err := dialAttack(m, port, i%2 == 0)
				if err == nil {
					err = errors.Join(a.run(conn), conn.Close())
				}
				if err != nil {
					t.Errorf("%s: %v", a.name, err)
				}
			})
		}
	}
	wg.Wait()
}

// connects opens and closes n connections to each port in turn; every third shakes hands first.
func connects(t *testing.T, m *mastertest.Running, n int) {
	t.Helper()
	var wg sync.WaitGroup
	const parallel = 8
	for w := range parallel {
		wg.Go(func() {
			for i := w; i < n; i += parallel {
				port, kind := m.RetPort, "REQ"
				if i/parallel%2 == 1 {
					port, kind = m.PublishPort, "SUB"
				}
				conn, err := dialAttack(m, port, true)
				if err != nil {
					t.Errorf("connect %d: %v", i, err)
					return
				}
				if i%3 == 0 {
					// A failed write means that the master has cut the connection: its right.
					_, _ = conn.Write(zmtpHello(kind))
				}
				if err := conn.Close(); err != nil {
					t.Errorf("close %d: %v", i, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// footprint is what a process holds.
type footprint struct {
	goroutines, descriptors int
	heap, resident          uint64 // bytes; resident is what libzmq holds, too
}

func measureFootprint(t *testing.T) footprint {
	t.Helper()
	runtime.GC()
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	var size, resident uint64 // pages
	if _, err := fmt.Sscan(string(statm), &size, &resident); err != nil {
		t.Fatal(err)
	}
	return footprint{runtime.NumGoroutine(), len(fds), mem.HeapAlloc, resident * uint64(os.Getpagesize())}
}

// beside is the minion next to the attackers: it is pinged without a pause, and every ping must be answered.
type beside struct {
	m     *mastertest.Running
	swarm *swarm.Swarm
	peer  *rawPeer
	jids  *jid.Generator
	pings int
}

func (b *beside) ping(ctx context.Context, key string) error {
	id := b.jids.Next()
	body, err := wire.PublishRequest{
		Tgt: "*", TgtType: "glob", Fun: "test.ping", Arg: []any{}, Key: key, User: b.m.Config.User, JID: id,
	}.AppendEnvelope(nil, 3)
	if err != nil {
		return err
	}
	raw, err := b.peer.do(body)
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	reply, err := wire.ParsePublishReply(raw)
	if err != nil || reply.JID != id {
		return fmt.Errorf("publish: %q, %w", raw, err)
	}
	ctx, cancel := context.WithTimeout(ctx, peerTimeout)
	defer cancel()
	n := len(b.swarm.IDs())
	if _, err := b.swarm.WaitJob(ctx, id, n, n); err != nil {
		return err
	}
	b.pings++
	return nil
}

// TestHostile_minionBesideIsServed attacks both ports of a master in every way it knows while minions answer pings.
// Afterwards the master holds what it held before.
func TestHostile_minionBesideIsServed(t *testing.T) {
	m := mastertest.Start(t, func(c *config.Master) { c.AutoAccept = true })
	b := &beside{m: m, swarm: startSwarm(t, m, swarm.Config{N: 3, IDPrefix: "beside", StartSequence: true}), jids: jid.NewGenerator(time.Now)}
	b.peer = mustPeer(t, m, m.RetPort, "REQ")
	key := m.RootKey(t)
	if err := b.ping(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	before := measureFootprint(t)

	attacked := make(chan struct{})
	stopSlow := make(chan struct{})
	go func() {
		defer close(attacked)
		var slow sync.WaitGroup
		for _, a := range attacks(stopSlow) {
			if a.name == "one byte at a time" || a.name == "silence until told" {
				a.times = 5 // all of its connections stay open through the others
				slow.Go(func() { burst(t, m, a) })
				continue
			}
			burst(t, m, a)
		}
		n := 5000
		if os.Getenv(longEnv) != "" {
			n = 100_000
		}
		connects(t, m, n)
		close(stopSlow)
		slow.Wait()
	}()
	for ended := false; !ended; {
		select {
		case <-attacked:
			ended = true
		default:
		}
		if err := b.ping(t.Context(), key); err != nil {
			t.Errorf("after %d pings: %v", b.pings, err)
			<-attacked
			return
		}
	}
	stats := m.Master.Stats()
	t.Logf("%d pings answered; %d malformed, %d refused requests", b.pings, stats.Malformed, stats.Refused)
	if got := b.swarm.Stats(); got.Retries+got.ReturnsDropped+got.Replayed > 0 || got.Ready != 3 {
		t.Errorf("minions beside were disturbed: %+v", got)
	}

	// What is closed is noticed by other threads: wait for them, not for a time.
	var after footprint
	near := func() bool {
		after = measureFootprint(t)
		return after.goroutines <= before.goroutines+5 && after.descriptors <= before.descriptors+5 &&
			after.heap <= before.heap+16<<20 && after.resident <= before.resident+residentSlack
	}
	deadline := time.Now().Add(peerTimeout)
	for !near() && time.Now().Before(deadline) {
		time.Sleep(50 * time.Millisecond)
	}
	t.Logf("before %+v, after %+v", before, after)
	if !near() {
		t.Errorf("before %+v, after %+v", before, after)
	}
}
