package syndic

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/badlink"
	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/event"
	"github.com/saltern-io/saltern/internal/signin"
	"github.com/saltern-io/saltern/internal/swarm"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/master/mastertest"
	"github.com/saltern-io/saltern/pki"
	"github.com/saltern-io/saltern/transport"
)

// patience is how long a condition may take to become true.
const patience = 30 * time.Second

// eventually polls a condition.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	eventuallyWithin(t, patience, what, ok)
}

// eventuallyWithin is eventually with a patience of its own.
func eventuallyWithin(t testing.TB, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(limit)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", limit, what)
		}
		<-tick.C
	}
}

// testKeys are made once: generating them is what takes time.
var testKeys = sync.OnceValue(func() []*pki.PrivateKey {
	keys := make([]*pki.PrivateKey, 3)
	var wg sync.WaitGroup
	for i := range keys {
		wg.Go(func() {
			var err error
			if keys[i], err = pki.GenerateKey(2048); err != nil {
				panic(err)
			}
		})
	}
	wg.Wait()
	return keys
})

// top is a master with a reader of its event bus, restarted on the same ports at will.
type top struct {
	*mastertest.Running
	log *busLog
}

// startTop runs a master that takes every key; key is the index of its key pair.
func startTop(t testing.TB, key int, change func(*config.Master)) *top {
	t.Helper()
	m := mastertest.Start(t, func(c *config.Master) {
		c.AutoAccept, c.OrderMasters = true, true
		if err := os.MkdirAll(c.PKIDir, 0o700); err != nil {
			t.Fatal(err)
		}
		dir := c.PKIDir
		if err := pki.WriteKeyPair(filepath.Join(dir, "master.pem"), filepath.Join(dir, "master.pub"), testKeys()[key], nil); err != nil {
			t.Fatal(err)
		}
		if change != nil {
			change(c)
		}
	})
	return &top{m, watchBus(t, m.Config.SockDir)}
}

// startLocal runs the master beside the syndic.
func startLocal(t testing.TB) *top {
	return startTop(t, 0, func(c *config.Master) { c.OrderMasters = false })
}

// restart stops the master and starts it again on the same ports and directories; between runs while
// it is down.
func (m *top) restart(t testing.TB, between func()) {
	t.Helper()
	cfg := *m.Config
	cfg.RetPort, cfg.PublishPort = m.RetPort, m.PublishPort
	m.Stop(t)
	if between != nil {
		between()
	}
	n := m.log.connects()
	m.Running = mastertest.Run(t, m.Dir, &cfg)
	eventually(t, "bus is back", func() bool { return m.log.connects() > n })
}

// busLog collects the events of a bus, over restarts of its master.
type busLog struct {
	mu    sync.Mutex
	tags  map[string]int
	data  map[string][]byte // last data of each tag
	dials int
}

func watchBus(t testing.TB, sockDir string) *busLog {
	t.Helper()
	l := &busLog{tags: map[string]int{}, data: map[string][]byte{}}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			l.follow(ctx, filepath.Join(sockDir, event.PubSocket))
			sleep(ctx, 5*time.Millisecond, nil)
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	eventually(t, "bus reached", func() bool { return l.connects() > 0 })
	return l
}

func (l *busLog) follow(ctx context.Context, path string) {
	r, err := event.Dial(ctx, path)
	if err != nil {
		return
	}
	defer r.Close()
	l.mu.Lock()
	l.dials++
	l.mu.Unlock()
	for {
		e, err := r.Next(ctx)
		if err != nil {
			return
		}
		l.mu.Lock()
		l.tags[e.Tag]++
		l.data[e.Tag] = e.Data
		l.mu.Unlock()
	}
}

func (l *busLog) connects() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dials
}

// count is how often events with this tag were seen.
func (l *busLog) count(tag string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tags[tag]
}

// last is the data of the last event with this tag.
func (l *busLog) last(tag string) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.data[tag]
}

// returns counts a job's return events and the minions they are of.
func (l *busLog) returns(jid string) (events, minions int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for tag, n := range l.tags {
		if strings.HasPrefix(tag, "salt/job/"+jid+"/ret/") {
			events += n
			minions++
		}
	}
	return events, minions
}

// publish sends a publish request as a local client does, and returns the jid.
func (m *top) publish(t testing.TB, req wire.PublishRequest) string {
	t.Helper()
	zctx, err := transport.NewContext(1, 16)
	if err != nil {
		t.Fatal(err)
	}
	client, err := transport.NewRequestClient(transport.RequestClientConfig{Context: zctx, Endpoint: transport.Endpoint(m.Host, m.RetPort)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(client.Close(), zctx.Close()); err != nil {
			t.Error(err)
		}
	}()
	req.Key, req.User = m.RootKey(t), m.Config.User
	if req.Fun == nil {
		req.Tgt, req.TgtType, req.Fun, req.Arg = "*", "glob", "test.ping", []any{}
	}
	body, err := req.AppendEnvelope(nil, 3)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	raw, err := client.Do(ctx, body)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := wire.ParsePublishReply(raw)
	if err != nil || reply.JID == "" {
		t.Fatalf("publish reply %q: %v", raw, err)
	}
	return reply.JID
}

// ping publishes test.ping until a job comes back from n minions: subscriptions are not confirmed, so
// the first may miss somebody. It returns how many it took.
func (m *top) ping(t testing.TB, n int) (tries int) {
	t.Helper()
	end := time.Now().Add(patience)
	for time.Now().Before(end) {
		tries++
		jid := m.publish(t, wire.PublishRequest{})
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		for ctx.Err() == nil {
			if _, minions := m.log.returns(jid); minions == n {
				cancel()
				return tries
			}
			sleep(ctx, 2*time.Millisecond, nil)
		}
		cancel()
	}
	t.Fatalf("no complete answer of %d minions within %v", n, patience)
	return tries
}

// runSwarm runs n simulated minions under m until the test ends.
func runSwarm(t testing.TB, m *top, n int) *swarm.Swarm {
	t.Helper()
	return runSwarmAs(t, m, "m", n)
}

// runSwarmAs is runSwarm with names of its own.
func runSwarmAs(t testing.TB, m *top, prefix string, n int) *swarm.Swarm {
	t.Helper()
	return runSwarmUnder(t, prefix, n, m)
}

// runSwarmUnder runs minions that each belong to all of the masters.
func runSwarmUnder(t testing.TB, prefix string, n int, masters ...*top) *swarm.Swarm {
	t.Helper()
	var to []swarm.Master
	for _, m := range masters {
		to = append(to, swarm.Master{Host: m.Host, RetPort: m.RetPort})
	}
	s, err := swarm.New(swarm.Config{
		N: n, IDPrefix: prefix, Masters: to, Hot: true, Keys: testKeys()[2:],
		Reconnect: 50 * time.Millisecond, ReconnectMax: 100 * time.Millisecond, AcceptanceWait: 100 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("swarm: %v", err)
		}
	})
	wait, stop := context.WithTimeout(ctx, patience)
	defer stop()
	if err := s.WaitReady(wait, n); err != nil {
		t.Fatalf("swarm not ready: %v", err)
	}
	return s
}

// up is the upstream entry that leads to m.
func (m *top) up() config.Upstream {
	return config.Upstream{Host: m.Host, Port: m.RetPort, Entry: net.JoinHostPort(m.Host, itoa(m.RetPort))}
}

// running is a syndic of a test.
type running struct {
	*Syndic
	stop func()
}

// testConfig is a syndic beside local under these masters of masters.
func testConfig(t testing.TB, local *top, ups ...config.Upstream) *config.Syndic {
	t.Helper()
	cfg := config.DefaultSyndic()
	cfg.Local, cfg.ID, cfg.User = local.Config, "syn1", local.Config.User
	cfg.SockDir, cfg.CacheDir, cfg.Interface, cfg.RetPort = local.Config.SockDir, local.Config.CacheDir, local.Host, local.RetPort
	cfg.PKIDir, cfg.Upstreams = t.TempDir(), ups
	cfg.EventForwardTimeout, cfg.AcceptanceWait = 20*time.Millisecond, 100*time.Millisecond
	if err := pki.WriteKeyPair(filepath.Join(cfg.PKIDir, signin.KeyFile), filepath.Join(cfg.PKIDir, signin.PubFile), testKeys()[1], nil); err != nil {
		t.Fatal(err)
	}
	return cfg
}

// run runs a syndic until the test ends or stop is called.
func run(t testing.TB, cfg *config.Syndic, change ...func(*Syndic)) *running {
	t.Helper()
	level := slog.LevelWarn
	if testing.Verbose() {
		level = slog.LevelDebug
	}
	s, err := New(cfg, slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: level})))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range change {
		f(s)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	r := &running{s, sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("syndic stopped with: %v", err)
		}
	})}
	t.Cleanup(r.stop)
	return r
}

// await waits until the link to upstream i is in a state.
func (r *running) await(t testing.TB, i int, want LinkState) {
	t.Helper()
	eventually(t, "link is "+want.String(), func() bool { return r.Stats().Upstreams[i].State == want })
}

// wireTap is a line that can be cut and healed, and made bad.
type wireTap struct{ *badlink.Relay }

func tap(t testing.TB, host string, port int) *wireTap {
	t.Helper()
	r, err := badlink.Listen(net.JoinHostPort(host, itoa(port)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { must(t, r.Close()) })
	return &wireTap{r}
}

func (w *wireTap) port() int { return w.Port() }

// cut ends every connection, and every new one at once, until heal.
func (w *wireTap) cut()  { w.Reset() }
func (w *wireTap) heal() { w.Heal() }

// newEvent is an event with little in it.
func newEvent(t testing.TB, tag string) event.Event {
	t.Helper()
	e, err := event.New(tag, wire.NewMap("x", 1), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return e
}
