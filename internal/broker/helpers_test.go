package broker

import (
	"context"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/transport/zmtp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testConfig forwards to nobody yet and is quick about everything.
func testConfig(ups ...config.BrokerUpstream) *config.Broker {
	cfg := config.DefaultBroker()
	cfg.Interface, cfg.PublishPort, cfg.RetPort, cfg.Masters = "127.0.0.1", 0, 0, ups
	cfg.FailoverAfter = 20 * time.Millisecond
	return cfg
}

func upstreamAt(name string, publish, request int) config.BrokerUpstream {
	return config.BrokerUpstream{Host: "127.0.0.1", PublishPort: publish, RetPort: request, Entry: name}
}

// running is a broker of a test.
type running struct {
	*Broker
	publishPort, requestPort int
	stop                     func()
}

// start runs a broker until the test ends.
func start(t testing.TB, cfg *config.Broker) *running {
	t.Helper()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	if testing.Verbose() {
		log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	b, err := New(cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	r := &running{Broker: b, publishPort: portOf(t, b.PublishAddr()), requestPort: portOf(t, b.RequestAddr())}
	r.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("broker ended with %v", err)
			}
		case <-time.After(60 * time.Second):
			t.Error("broker did not stop")
		}
	})
	t.Cleanup(r.stop)
	return r
}

func (r *running) waitReady(t testing.TB) {
	t.Helper()
	select {
	case <-r.Ready():
	case <-time.After(30 * time.Second):
		t.Fatal("broker is not ready")
	}
}

func portOf(t testing.TB, address string) int {
	t.Helper()
	_, text, err := net.SplitHostPort(strings.TrimPrefix(address, "tcp://"))
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// inbox is a zmtp.Handler that keeps what comes.
type inbox struct {
	messages chan [][]byte
	topics   chan string // "+topic" or "-topic"
	ended    chan error
	answer   func(c *zmtp.Conn, frames [][]byte) // instead of keeping it
	opened   chan *zmtp.Conn
}

func newInbox() *inbox {
	return &inbox{
		messages: make(chan [][]byte, 10000), topics: make(chan string, 10000), ended: make(chan error, 100),
		opened: make(chan *zmtp.Conn, 100),
	}
}

func (i *inbox) Opened(c *zmtp.Conn) error { i.opened <- c; return nil }

func (i *inbox) Message(c *zmtp.Conn, frames [][]byte) {
	if i.answer != nil {
		i.answer(c, frames)
		return
	}
	i.messages <- frames
}

func (i *inbox) Subscribed(_ *zmtp.Conn, topic []byte, on bool) error {
	sign := "-"
	if on {
		sign = "+"
	}
	i.topics <- sign + string(topic)
	return nil
}

func (i *inbox) Closed(_ *zmtp.Conn, err error) { i.ended <- err }

// next is the next message, joined with |.
func (i *inbox) next(t testing.TB) string {
	t.Helper()
	select {
	case frames := <-i.messages:
		return join(frames)
	case err := <-i.ended:
		select {
		case frames := <-i.messages: // came before the end
			i.ended <- err
			return join(frames)
		default:
			t.Fatalf("connection ended: %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("no message")
	}
	return ""
}

func (i *inbox) topic(t testing.TB) string {
	t.Helper()
	select {
	case topic := <-i.topics:
		return topic
	case <-time.After(30 * time.Second):
		t.Fatal("no subscription")
	}
	return ""
}

func join(frames [][]byte) string {
	var parts []string
	for _, f := range frames {
		parts = append(parts, string(f))
	}
	return strings.Join(parts, "|")
}

// connect is a peer of the broker (or of a fake master).
func connect(t testing.TB, port int, role zmtp.Role) (*zmtp.Conn, *inbox) {
	t.Helper()
	box := newInbox()
	c, err := zmtp.Dial(t.Context(), endpoint("127.0.0.1", port), zmtp.Config{Role: role, Handler: box})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); <-c.Done() })
	return c, box
}

func ask(t testing.TB, c *zmtp.Conn, frames ...string) {
	t.Helper()
	if err := c.Send(rawFrames(frames...)); err != nil {
		t.Fatal(err)
	}
}

// fakeMaster listens on two ports as a master does.
type fakeMaster struct {
	name              string
	pubs, reqs        *inbox
	pubL, reqL        *zmtp.Listener
	publish, requests int
}

func startFakeMaster(t testing.TB, name string) *fakeMaster {
	t.Helper()
	m := &fakeMaster{name: name, pubs: newInbox(), reqs: newInbox()}
	listen := func(role zmtp.Role, box *inbox) (*zmtp.Listener, int) {
		l, err := zmtp.Listen("tcp://127.0.0.1:0", zmtp.Config{Role: role, Handler: box, SendQueue: 100000})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		return l, portOf(t, l.Addr())
	}
	m.pubL, m.publish = listen(zmtp.RoleXPub, m.pubs)
	m.reqL, m.requests = listen(zmtp.RoleRouter, m.reqs)
	return m
}

func (m *fakeMaster) upstream() config.BrokerUpstream {
	return upstreamAt(m.name, m.publish, m.requests)
}

// kill ends both listeners and all connections.
func (m *fakeMaster) kill() {
	_ = m.pubL.Close()
	_ = m.reqL.Close()
}

// echo makes the master answer every request with its name before the body.
func (m *fakeMaster) echo() *fakeMaster {
	m.reqs.answer = func(c *zmtp.Conn, frames [][]byte) {
		reply := append([][]byte{}, frames...)
		reply[len(reply)-1] = append([]byte(m.name+":"), reply[len(reply)-1]...)
		_ = c.Send(reply) // a broker that has gone needs no answer
	}
	return m
}

// say publishes to the broker, the only peer.
func (m *fakeMaster) say(t testing.TB, frames ...string) {
	t.Helper()
	m.pubL.Each(func(c *zmtp.Conn) {
		if err := c.Send(rawFrames(frames...)); err != nil {
			t.Errorf("publish: %v", err)
		}
	})
}

func copyFile(t testing.TB, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(to), 0o700)
	}
	if err == nil {
		err = os.WriteFile(to, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
