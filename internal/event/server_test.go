package event

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/saltern-io/saltern/internal/unixsocket"
)

// running is a server under test.
type running struct {
	*Server
	bus  *Bus
	dir  string
	stop func()
}

func startServer(t testing.TB, cfg ServerConfig, busCfg BusConfig) *running {
	t.Helper()
	if cfg.SockDir == "" && cfg.TCP == nil {
		cfg.SockDir = filepath.Join(t.TempDir(), "s")
	}
	if cfg.Framing == FramingAuto {
		cfg.Framing = FramingBare // whatever is installed here
	}
	bus := NewBus(busCfg)
	s, err := Listen(cfg, bus)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stopped := false
	r := &running{Server: s, bus: bus, dir: cfg.SockDir}
	r.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
	t.Cleanup(r.stop)
	return r
}

func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// subscribe connects n readers and waits until the server has them.
func (r *running) subscribe(t testing.TB, n int) []*Reader {
	t.Helper()
	var readers []*Reader
	for range n {
		c, err := DialNetwork(within(t), r.PubAddr().Network(), r.PubAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		readers = append(readers, c)
	}
	eventually(t, "the server has the subscribers", func() bool { return r.bus.Stats().Sockets == n })
	return readers
}

func expect(t testing.TB, r *Reader, tags ...string) {
	t.Helper()
	for _, want := range tags {
		e, err := r.Next(within(t))
		if err != nil || e.Tag != want {
			t.Fatalf("got %q %v, want %q", e.Tag, err, want)
		}
	}
}

func TestServer_framingsAndSockets(t *testing.T) {
	for name, cfg := range map[string]ServerConfig{
		"bare":   {Framing: FramingBare},
		"length": {Framing: FramingLength},
		"tcp":    {Framing: FramingLength, TCP: &TCPPorts{}},
	} {
		t.Run(name, func(t *testing.T) {
			r := startServer(t, cfg, BusConfig{})
			readers := r.subscribe(t, 2)
			for i, f := range []Framing{FramingBare, FramingLength} { // the pull side takes both
				w, err := DialPullNetwork(within(t), r.PullAddr().Network(), r.PullAddr().String(), f)
				if err != nil {
					t.Fatal(err)
				}
				for range 2 {
					if err := w.Fire(within(t), mustNew(t, "from/"+f.String(), "n", i)); err != nil {
						t.Fatal(err)
					}
				}
				if err := w.Close(); err != nil { // right after the write
					t.Fatal(err)
				}
				for _, reader := range readers {
					expect(t, reader, "from/"+f.String(), "from/"+f.String())
				}
			}
			for _, reader := range readers {
				if reader.Framing() != r.Framing() {
					t.Errorf("framing %v, want %v", reader.Framing(), r.Framing())
				}
			}
		})
	}
}

// TestServer_vectorsPassThrough: what stock senders wrote comes out byte for byte as stock's publisher writes it.
func TestServer_vectorsPassThrough(t *testing.T) {
	r := startServer(t, ServerConfig{Framing: FramingBare}, BusConfig{})
	sub, err := net.Dial("unix", filepath.Join(r.dir, PubSocket))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sub.Close() }()
	eventually(t, "the server has the subscriber", func() bool { return r.bus.Stats().Sockets == 1 })
	stream, _ := streamOf(t, FramingBare)
	pull, err := net.Dial("unix", filepath.Join(r.dir, PullSocket))
	if err != nil {
		t.Fatal(err)
	}
	for part := stream; len(part) > 0; {
		n := min(len(part), 777)
		if _, err := pull.Write(part[:n]); err != nil {
			t.Fatal(err)
		}
		part = part[n:]
	}
	if err := errors.Join(pull.Close(), sub.SetReadDeadline(time.Now().Add(20*time.Second))); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(stream))
	if _, err := io.ReadFull(sub, got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(stream, got); d != "" {
		t.Error("the stream differs")
	}
}

func TestServer_filesAndModes(t *testing.T) {
	for name, c := range map[string]struct{ mode, want fs.FileMode }{
		"default": {0, 0o600}, "readable by a group": {0o660, 0o660},
	} {
		t.Run(name, func(t *testing.T) {
			r := startServer(t, ServerConfig{PubMode: c.mode}, BusConfig{})
			want := map[string]fs.FileMode{
				PubSocket: fs.ModeSocket | c.want, PullSocket: fs.ModeSocket | 0o600,
				PublishPullSocket: 0o600, WorkersSocket: 0o600, ".": fs.ModeDir | 0o755,
			}
			for name, mode := range want {
				info, err := os.Lstat(filepath.Join(r.dir, name))
				if err != nil || info.Mode() != mode {
					t.Errorf("%s: %v %v, want %v", name, info.Mode(), err, mode)
				}
			}
			entries, err := os.ReadDir(r.dir)
			if err != nil || len(entries) != 4 {
				t.Errorf("while running: %v %v", entries, err)
			}
			r.stop()
			if entries, err = os.ReadDir(r.dir); err != nil || len(entries) != 0 {
				t.Errorf("after the stop: %v %v", entries, err)
			}
		})
	}
}

func TestListen_staleFilesAndNeighbours(t *testing.T) {
	dir := t.TempDir()
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, PubSocket), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	if err := stale.Close(); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, WorkersSocket), "")
	first := startServer(t, ServerConfig{SockDir: dir}, BusConfig{})
	if _, err := Listen(ServerConfig{SockDir: dir, Framing: FramingBare}, NewBus(BusConfig{})); !errors.Is(err, unixsocket.ErrInUse) {
		t.Fatalf("second server: %v", err)
	}
	// The second server's look at the socket was a subscriber for a moment: counting would be misled by it.
	reader, err := Dial(within(t), filepath.Join(dir, PubSocket))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reader.Close() }()
	eventually(t, "the first server still serves", func() bool {
		first.bus.Fire(mustNew(t, "still/here"))
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
		defer cancel()
		e, err := reader.Next(ctx)
		return err == nil && e.Tag == "still/here"
	})

	// A successor's files are not removed.
	if err := os.Remove(filepath.Join(dir, PullSocket)); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, PullSocket), "")
	first.stop()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != PullSocket {
		t.Errorf("after the stop: %v %v", entries, err)
	}
}

func TestListen_refuses(t *testing.T) {
	long := filepath.Join(t.TempDir(), strings.Repeat("d", 100))
	if _, err := Listen(ServerConfig{SockDir: long, Framing: FramingBare}, NewBus(BusConfig{})); !errors.Is(err, unixsocket.ErrPath) {
		t.Errorf("long path: %v", err)
	}
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, PullSocket), "precious")
	if _, err := Listen(ServerConfig{SockDir: dir, Framing: FramingBare}, NewBus(BusConfig{})); !errors.Is(err, unixsocket.ErrPath) {
		t.Errorf("file in the way: %v", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v %v", entries, err)
	}
}

func TestServer_slowSubscriberIsCutOff(t *testing.T) {
	r := startServer(t, ServerConfig{}, BusConfig{QueueEvents: 50})
	readers := r.subscribe(t, 2)
	good := make(chan int, 1)
	ctx := within(t)
	go func() {
		n := 0
		for {
			e, err := readers[1].Next(ctx)
			if err != nil || e.Tag == "last" {
				good <- n
				return
			}
			n++
		}
	}()
	e := mustNew(t, "large", "x", strings.Repeat("v", 20000))
	fired := 0
	eventually(t, "the subscriber that does not read is cut off", func() bool {
		r.bus.Fire(e)
		fired++
		return r.bus.Stats().Cut >= 1
	})
	eventually(t, "it is gone", func() bool { return r.bus.Stats().Sockets <= 1 })
	if r.bus.Stats().Sockets == 1 { // the good one may be too slow under the race detector, too
		r.bus.Fire(mustNew(t, "last"))
		if n := <-good; n != fired && r.bus.Stats().Cut == 1 {
			t.Errorf("the other subscriber got %d of %d", n, fired)
		}
	}
	for {
		if _, err := readers[0].Next(within(t)); err != nil {
			if errors.Is(err, context.DeadlineExceeded) {
				t.Error("the connection was not closed")
			}
			break
		}
	}
}

func TestServer_hostileSenders(t *testing.T) {
	r := startServer(t, ServerConfig{MaxFrame: 1 << 16}, BusConfig{})
	reader := r.subscribe(t, 1)[0]
	for _, bytes := range []string{"GET / HTTP/1.1\r\n\r\n", "\xdf\xff\xff\xff\xff", "\x82\xa4head\x80\xa4body\xc6\x7f\xff\xff\xff", "\x00\xff\xff\xff"} {
		c, err := net.Dial("unix", filepath.Join(r.dir, PullSocket))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte(bytes)); err != nil {
			t.Fatal(err)
		}
		if err := c.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%q: not cut off: %v", bytes, err)
		}
		_ = c.Close()
	}
	// A frame without a usable event costs only itself.
	c, err := net.Dial("unix", filepath.Join(r.dir, PullSocket))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := c.Write(AppendFrame([]byte("\x82\xa4head\x80\xa4body\xa4t\n\n\x01"), mustNew(t, "good"))); err != nil {
		t.Fatal(err)
	}
	expect(t, reader, "good")
}

func TestServer_tickAfterReturns(t *testing.T) {
	r := startServer(t, ServerConfig{}, BusConfig{})
	inside := r.bus.Subscribe(SubscribeOptions{Prefix: []string{TagTick}})
	defer inside.Close()
	reader := r.subscribe(t, 1)[0]
	ret := mustNew(t, TagJobReturn("1", "m1"))
	r.bus.Fire(ret, ret)
	expect(t, reader, ret.Tag, ret.Tag, TagTick)
	r.bus.Fire(ret, mustNew(t, "other")) // something follows by itself
	expect(t, reader, ret.Tag, "other")
	r.bus.tick(time.Now())
	r.bus.Fire(mustNew(t, "marker"))
	expect(t, reader, "marker")
	r.bus.Fire(ret)
	expect(t, reader, ret.Tag)
	e, err := reader.Next(within(t))
	if err != nil || e.Tag != TagTick {
		t.Fatalf("%q %v", e.Tag, err)
	}
	if m, err := e.Map(); err != nil || m.Len() != 1 || m.Str("_stamp") == "" {
		t.Errorf("data of the tick: %v", err)
	}
	select {
	case e := <-inside.C():
		t.Errorf("ticks are for sockets only, got %q", e.Tag)
	default:
	}
}

func TestServer_stopDeliversWhatIsQueued(t *testing.T) {
	r := startServer(t, ServerConfig{}, BusConfig{})
	reader := r.subscribe(t, 1)[0]
	for range 100 {
		r.bus.Fire(mustNew(t, "queued"))
	}
	r.stop()
	for range 100 {
		expect(t, reader, "queued")
	}
	if _, err := reader.Next(within(t)); !errors.Is(err, io.EOF) {
		t.Errorf("then %v", err)
	}
}

func TestServer_connectionChurn(t *testing.T) {
	r := startServer(t, ServerConfig{}, BusConfig{})
	for range 200 {
		c, err := net.Dial("unix", filepath.Join(r.dir, PubSocket))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	// All of them have been taken, or one could pass for the reader below.
	if err := r.Settle(within(t)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all are forgotten", func() bool { return r.bus.Stats().Sockets == 0 })
	reader := r.subscribe(t, 1)[0]
	r.bus.Fire(mustNew(t, "after"))
	expect(t, reader, "after")
}

func TestReader_contextEndsOnlyTheCall(t *testing.T) {
	r := startServer(t, ServerConfig{}, BusConfig{})
	reader := r.subscribe(t, 1)[0]
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
	defer cancel()
	for range 2 {
		if _, err := reader.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
	}
	r.bus.Fire(mustNew(t, "later"))
	expect(t, reader, "later")
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Next(within(t)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestDial_nobodyThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), PubSocket)
	if _, err := Dial(within(t), path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Dial: %v", err)
	}
	if _, err := DialPull(within(t), path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("DialPull: %v", err)
	}
}

func TestWriter_refusesBadTag(t *testing.T) {
	r := startServer(t, ServerConfig{}, BusConfig{})
	w, err := DialPull(within(t), filepath.Join(r.dir, PullSocket))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	if err := w.Fire(within(t), Event{Tag: "a\n\nb"}); !errors.Is(err, ErrTag) {
		t.Errorf("got %v", err)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := w.Fire(ended, mustNew(t, "t")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func BenchmarkServerFanout(b *testing.B) {
	r := startServer(b, ServerConfig{}, BusConfig{QueueEvents: 1 << 20, QueueBytes: 1 << 30})
	const subscribers = 10
	readers := r.subscribe(b, subscribers)
	got := make(chan int, subscribers)
	ctx := context.Background()
	for _, reader := range readers {
		go func() {
			n := 0
			for {
				e, err := reader.Next(ctx)
				if err != nil || e.Tag == "last" {
					got <- n
					return
				}
				n++
			}
		}()
	}
	e := mustNew(b, "salt/event/of/some/kind", "return", strings.Repeat("v", 200))
	b.ReportAllocs()
	for b.Loop() {
		r.bus.Fire(e)
	}
	r.bus.Fire(mustNew(b, "last"))
	for range subscribers {
		if n := <-got; n < b.N {
			b.Errorf("%d of %d", n, b.N)
		}
	}
}
