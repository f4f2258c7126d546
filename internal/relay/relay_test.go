package relay

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/redisdb/redistest"
	"github.com/saltern-io/saltern/transport"
)

const patience = time.Minute

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// stage is a publisher, a Redis and whatever stands between them and a subscriber.
type stage struct {
	t    *testing.T
	zctx *transport.Context
	pub  *transport.PublishServer
	port int
	cfg  config.Redis
}

func newStage(t *testing.T, cfg config.Redis) *stage {
	t.Helper()
	s := &stage{t: t, cfg: cfg}
	var err error
	if s.zctx, err = transport.NewContext(1, 64); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.zctx.Close() }) // after everything else
	s.publisher("tcp://127.0.0.1:0")
	return s
}

func (s *stage) publisher(endpoint string) {
	s.t.Helper()
	pub, err := transport.ListenPublish(transport.PublishServerConfig{Context: s.zctx, Endpoint: endpoint})
	if err != nil {
		s.t.Fatal(err)
	}
	s.pub = pub
	if _, err := fmt.Sscanf(pub.Addr(), "tcp://127.0.0.1:%d", &s.port); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = pub.Close() }) // a test may have closed it
}

func (s *stage) publish(from, to int) {
	s.t.Helper()
	for i := from; i < to; i++ {
		if err := s.pub.Publish(context.Background(), [][]byte{frame(i)}); err != nil {
			s.t.Fatal(err)
		}
	}
}

// frame looks like a sealed publication: a map.
func frame(i int) []byte { return fmt.Appendf([]byte{0x82}, "%06d", i) }

// relayed runs a relay with taps and outlets; stop ends it and keeps its directory.
func (s *stage) relay(dir string, change func(*config.Relay)) (r *Relay, stop func()) {
	s.t.Helper()
	cfg := config.DefaultRelay()
	cfg.ID, cfg.CacheDir, cfg.EventDir, cfg.Redis, cfg.ReplayMaxAge = filepath.Base(dir), dir, "", s.cfg, time.Minute
	change(cfg)
	r, err := New(cfg, quiet())
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			s.t.Error(err)
		}
	})
	s.t.Cleanup(stop)
	return r, stop
}

func (s *stage) tap(dir string) (*Tap, func()) {
	s.t.Helper()
	r, stop := s.relay(dir, func(c *config.Relay) {
		c.Taps = []config.RelayTap{{Name: "mom", Host: "127.0.0.1", PublishPort: s.port}}
	})
	await(s.t, "the tap hears", func() bool { return r.taps[0].Stats().LinkUp })
	return r.taps[0], stop
}

func (s *stage) outlet(dir, mode string, maxAge time.Duration) (*Outlet, func()) {
	s.t.Helper()
	r, stop := s.relay(dir, func(c *config.Relay) {
		c.ReplayMaxAge = maxAge
		c.Outlets = []config.RelayOutlet{{Name: "mom", Host: "127.0.0.1", MasterPublishPort: s.port, MasterRetPort: 1, Interface: "127.0.0.1", Mode: mode}}
	})
	return r.outlets[0], stop
}

// listener is a subscriber as a syndic is one.
type listener struct {
	mu  sync.Mutex
	got []string
}

func (s *stage) listen(endpoint string) *listener {
	s.t.Helper()
	sub, err := transport.NewSubscriber(transport.SubscriberConfig{Context: s.zctx, Endpoint: endpoint})
	if err != nil {
		s.t.Fatal(err)
	}
	l := &listener{}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = sub.Run(ctx) }) // it ends with the test
	wg.Go(func() {
		for m := range sub.Messages() {
			l.mu.Lock()
			l.got = append(l.got, string(m.Frames[len(m.Frames)-1]))
			l.mu.Unlock()
		}
	})
	s.t.Cleanup(func() { cancel(); wg.Wait() })
	return l
}

func (l *listener) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.got...)
}

// want waits until the listener has these publications, and then that it has each once and in order.
func (l *listener) want(t *testing.T, from, to int) {
	t.Helper()
	await(t, fmt.Sprintf("publications %d to %d", from, to), func() bool { return len(l.all()) >= to-from })
	for i, got := range l.all() {
		if got != string(frame(from+i)) {
			t.Fatalf("at %d: %q, want %q; all: %q", i, got, frame(from+i), l.all())
		}
	}
}

func await(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

func attached(o *Outlet) func() bool {
	return func() bool { return o.follower.Stats().Up && o.pub.members() > 0 }
}

// outage is how long things are away, and how much is published meanwhile.
func outage() (time.Duration, int) {
	if os.Getenv("SALTERN_LONG") != "" {
		return 10 * time.Second, 100
	}
	return 100 * time.Millisecond, 30
}

// TestRelay_redisAway cuts Redis in the middle of a row; the tap writes later, with the original times, and the outlet
// delivers all, in order, once, over a restart of either.
func TestRelay_redisAway(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	s := newStage(t, server.Config())
	tapDir, outDir := t.TempDir(), t.TempDir()
	tap, stopTap := s.tap(tapDir)
	out, stopOut := s.outlet(outDir, config.OutletStream, time.Minute)
	l := s.listen(out.PublishAddr())
	await(t, "attached", attached(out))
	away, n := outage()
	s.publish(0, n)
	l.want(t, 0, n)
	server.Kill()
	s.publish(n, 2*n)
	time.Sleep(away) // the length of the outage
	await(t, "buffered", func() bool { return tap.Stats().Received == int64(2*n) })
	stopTap()
	server.Run()
	tap, _ = s.tap(tapDir)
	l.want(t, 0, 2*n)
	await(t, "the restart of the tap is reported", func() bool { return out.follower.Stats().Missed[ReasonGap] == 1 })
	stopOut()
	s.publish(2*n, 3*n) // while there is no outlet
	await(t, "written", func() bool { st := tap.Stats(); return st.Received == int64(n) && st.Buffer.Items == 0 })
	out, _ = s.outlet(outDir, config.OutletStream, time.Minute)
	late := s.listen(out.PublishAddr())
	late.want(t, 2*n, 3*n)
	if st := out.follower.Stats(); len(st.Missed) != 0 {
		t.Errorf("missed: %v", st.Missed)
	}
}

// TestRelay_lost shows each way a stream can be lost: flushed, replaced by an empty one, back to older data. Each is
// reported, and work goes on.
func TestRelay_lost(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(*redistest.Server){
		"flushed":             func(r *redistest.Server) { r.Flush() },
		"without persistence": func(r *redistest.Server) { r.Stop(); r.Run() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			s := newStage(t, server.Config())
			tap, _ := s.tap(t.TempDir())
			outDir := t.TempDir()
			out, stopOut := s.outlet(outDir, config.OutletStream, time.Minute)
			l := s.listen(out.PublishAddr())
			await(t, "attached", attached(out))
			s.publish(0, 10)
			l.want(t, 0, 10)
			stopOut()
			s.publish(10, 15)
			await(t, "written", func() bool { st := tap.Stats(); return st.Written == 15 && st.Buffer.Items == 0 })
			lose(server)
			s.publish(15, 20)
			out, _ = s.outlet(outDir, config.OutletStream, time.Minute)
			l = s.listen(out.PublishAddr())
			l.want(t, 15, 20)
			// One report for the stream, five for what the numbers of the tap show.
			await(t, "reported", func() bool { return out.follower.Stats().Missed[ReasonGap] == 6 })
		})
	}
}

// TestRelay_olderData: Redis comes back with what it held some time ago. An outlet that was further takes no copy twice; one
// that was not reports what the tap's numbers show to be gone.
func TestRelay_olderData(t *testing.T) {
	t.Parallel()
	for _, behind := range []bool{false, true} {
		t.Run(fmt.Sprintf("outlet behind %v", behind), func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			s := newStage(t, server.Config())
			tap, _ := s.tap(t.TempDir())
			outDir := t.TempDir()
			out, stopOut := s.outlet(outDir, config.OutletStream, time.Minute)
			l := s.listen(out.PublishAddr())
			await(t, "attached", attached(out))
			s.publish(0, 10)
			l.want(t, 0, 10)
			if err := server.Client().Save(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			if behind {
				stopOut()
			}
			s.publish(10, 20)
			await(t, "written", func() bool { st := tap.Stats(); return st.Written == 20 && st.Buffer.Items == 0 })
			if !behind {
				l.want(t, 0, 20)
			}
			server.Kill()
			server.Run() // with the ten that were saved
			if behind {
				s.publish(20, 25)
				out, _ = s.outlet(outDir, config.OutletStream, time.Minute)
				s.listen(out.PublishAddr()).want(t, 20, 25)
				await(t, "reported", func() bool { return out.follower.Stats().Missed[ReasonGap] == 10 })
				return
			}
			await(t, "reported", func() bool { return out.follower.Stats().Missed[ReasonGap] == 1 })
			await(t, "copies dropped", func() bool { return out.follower.Stats().Repeated == 10 })
			s.publish(20, 25)
			l.want(t, 0, 25)
		})
	}
}

// TestRelay_tooOld: what waited too long is reported, each one, and not delivered.
func TestRelay_tooOld(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := newStage(t, server.Config())
	s.tap(t.TempDir())
	out, _ := s.outlet(t.TempDir(), config.OutletStream, 50*time.Millisecond)
	await(t, "reading", func() bool { return out.follower.Stats().Up })
	s.publish(0, 10) // nobody listens
	await(t, "reported", func() bool { return out.follower.Stats().Missed[ReasonAge] == 10 })
	if st := out.follower.Stats(); st.Delivered != 0 {
		t.Errorf("%+v", st)
	}
}

// TestRelay_twoTaps: two taps at one master, each publication is delivered once.
func TestRelay_twoTaps(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := newStage(t, server.Config())
	s.tap(t.TempDir())
	s.tap(t.TempDir())
	out, _ := s.outlet(t.TempDir(), config.OutletStream, time.Minute)
	l := s.listen(out.PublishAddr())
	await(t, "attached", attached(out))
	s.publish(0, 50)
	await(t, "all copies", func() bool { return out.follower.Stats().Entries == 100 })
	await(t, "all dealt with", func() bool { st := out.follower.Stats(); return st.Delivered+st.Repeated == 100 })
	t.Logf("%+v", out.Stats())
	l.want(t, 0, 50)
	if st := out.follower.Stats(); st.Repeated != 50 || len(st.Missed) != 0 {
		t.Errorf("%+v", st)
	}
}

// TestRelay_both: the direct link and the stream race. With Redis away the direct link goes on alone; with the direct link
// cut the stream does; each publication goes out once and in order.
func TestRelay_both(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := newStage(t, server.Config())
	s.tap(t.TempDir())
	out, _ := s.outlet(t.TempDir(), config.OutletBoth, time.Minute)
	l := s.listen(out.PublishAddr())
	await(t, "attached", func() bool { return attached(out)() && out.Stats().DirectUp })
	s.publish(0, 20)
	l.want(t, 0, 20)
	server.Kill()
	await(t, "the stream is away", func() bool { return !out.follower.Stats().Up })
	s.publish(20, 40)
	l.want(t, 0, 40)
	server.Run()
	await(t, "the stream is back", func() bool { return out.follower.Stats().Up })
	cutDirect(out)
	s.publish(40, 60)
	l.want(t, 0, 60)
	if st := out.Stats(); st.Direct == 0 || st.Follower.Missed[ReasonLate] != 0 {
		t.Errorf("%+v", st)
	}
}

// TestTap_deaf: a tap that lost its master says so in the stream.
func TestTap_deaf(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := newStage(t, server.Config())
	tap, _ := s.tap(t.TempDir())
	out, _ := s.outlet(t.TempDir(), config.OutletStream, time.Minute)
	l := s.listen(out.PublishAddr())
	await(t, "attached", attached(out))
	s.publish(0, 3)
	l.want(t, 0, 3)
	endpoint := s.pub.Addr()
	if err := s.pub.Close(); err != nil {
		t.Fatal(err)
	}
	await(t, "the tap is deaf", func() bool { return !tap.Stats().LinkUp })
	s.publisher(endpoint)
	await(t, "the tap hears again", func() bool { return tap.Stats().LinkUp })
	await(t, "reported", func() bool { return out.follower.Stats().Missed[ReasonGap] == 1 })
	await(t, "subscribed", func() bool { return s.pub.Subscribers() > 0 })
}

// TestTap_restarted: what is published while there is no tap is not in the stream, and the next life of the tap says so.
func TestTap_restarted(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := newStage(t, server.Config())
	dir := t.TempDir()
	tap, stop := s.tap(dir)
	out, _ := s.outlet(t.TempDir(), config.OutletStream, time.Minute)
	l := s.listen(out.PublishAddr())
	await(t, "attached", attached(out))
	s.publish(0, 3)
	l.want(t, 0, 3)
	await(t, "written", func() bool { return tap.Stats().Buffer.Items == 0 })
	stop()
	s.publish(3, 4)
	s.tap(dir)
	await(t, "reported", func() bool { return out.follower.Stats().Missed[ReasonGap] == 1 })
	s.publish(4, 6)
	l.wantFrames(t, 0, 1, 2, 4, 5)
}

func FuzzParseEntry(f *testing.F) {
	f.Add("1-1", "tap", "1", "1795182725000", "frame")
	f.Fuzz(func(t *testing.T, id, tap, seq, at, frame string) {
		e, err := parseEntry(id, map[string]any{"tap": tap, "seq": seq, "t": at, "frame": frame})
		if err == nil && (e.Seq == 0 || len(e.Frame) == 0 || e.Tap == "") {
			t.Fatalf("%+v", e)
		}
	})
}

func FuzzDecodeBuffered(f *testing.F) {
	f.Add(appendBuffered(nil, time.UnixMilli(7), []byte("syndic"), []byte("frame")))
	f.Add(appendDeaf(nil, time.UnixMilli(7), time.UnixMilli(9)))
	f.Add(appendOpened(nil, &Entry{Time: time.UnixMilli(7), Epoch: "e", Serial: 3, Topic: []byte("syndic"), Frame: []byte("frame")}))
	f.Add(appendOpened(nil, &Entry{Time: time.UnixMilli(7), Epoch: "e", GapFrom: 3, GapTo: 9}))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := decodeBuffered(b)
		if err == nil && e.GapTo == 0 && len(b) != 17 && len(e.Frame) == 0 {
			t.Fatalf("%+v", e)
		}
		if err != nil || e.Epoch == "" {
			return
		}
		if again, err := decodeBuffered(appendOpened(nil, &e)); err != nil || again.Serial != e.Serial || again.GapTo != e.GapTo || string(again.Frame) != string(e.Frame) {
			t.Fatalf("%+v, %v, was %+v", again, err, e)
		}
	})
}
