package relay

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/badlink"
	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/redisdb/redistest"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/master/mastertest"
	"github.com/saltern-io/saltern/pki"
	"github.com/saltern-io/saltern/transport"
)

// opened is a saltern master with a tap that opens what it hears, over a line that can be cut.
type opened struct {
	t    *testing.T
	m    *mastertest.Running
	line *badlink.Relay
	s    *stage
	log  *Log

	client *transport.RequestClient

	mu     sync.Mutex
	frames []string // as published
}

func newOpened(t *testing.T, change func(*config.Master)) *opened {
	o := &opened{t: t, m: mastertest.Start(t, change)}
	o.m.Accept(t, "tap1")
	server := redistest.Start(t)
	o.s = newStage(t, server.Config())
	cfg := config.DefaultRelay()
	o.log = NewLog(server.Client(), cfg.StreamKey("mom"), 10_000, time.Hour)
	var err error
	if o.line, err = badlink.Listen(strings.TrimPrefix(o.m.Master.PublishAddr(), "tcp://")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.line.Close() }) // the test is over
	o.client, err = transport.NewRequestClient(transport.RequestClientConfig{Context: o.s.zctx, Endpoint: transport.Endpoint(o.m.Host, o.m.RetPort)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.client.Close() }) // the test is over
	sub, err := transport.NewSubscriber(transport.SubscriberConfig{Context: o.s.zctx, Endpoint: o.m.Master.PublishAddr()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = sub.Run(ctx) }) // it ends with the test
	wg.Go(func() {
		for m := range sub.Messages() {
			o.mu.Lock()
			o.frames = append(o.frames, string(m.Frames[len(m.Frames)-1]))
			o.mu.Unlock()
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	await(t, "the listener", func() bool { o.publish(1); return len(o.published()) > 0 })
	return o
}

func (o *opened) published() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.frames)
}

func (o *opened) publish(n int) {
	o.t.Helper()
	req := wire.PublishRequest{Tgt: "*", TgtType: "glob", Fun: "test.ping", Arg: []any{}, Key: o.m.RootKey(o.t), User: o.m.Config.User}
	body, err := req.AppendEnvelope(nil, 3)
	if err != nil {
		o.t.Fatal(err)
	}
	for range n {
		raw, err := o.client.Do(o.t.Context(), body)
		if err != nil {
			o.t.Fatal(err)
		}
		if reply, err := wire.ParsePublishReply(raw); err != nil || reply.Err != "" {
			o.t.Fatalf("%+v, %v", reply, err)
		}
	}
}

// tap runs a tap in a directory, with a key that the master accepts.
func (o *opened) tap(dir string) (*Tap, func()) {
	o.t.Helper()
	pkiDir := filepath.Join(dir, "pki")
	if err := os.MkdirAll(pkiDir, 0o700); err != nil {
		o.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(pkiDir, "minion.pem"), mastertest.MinionKey().PEM(), 0o600); err != nil {
		o.t.Fatal(err)
	}
	r, stop := o.s.relay(dir, func(c *config.Relay) {
		c.Taps = []config.RelayTap{{
			Name: "mom", Host: "127.0.0.1", PublishPort: o.line.Port(), RetPort: o.m.RetPort, PKIDir: pkiDir, ID: "tap1",
		}}
	})
	tap := r.taps[0]
	await(o.t, "the tap hears and opens", func() bool { s := tap.Stats(); return s.LinkUp && s.SignedIn })
	return tap, stop
}

// outage publishes n jobs while the line to the tap is cut.
func (o *opened) outage(tap *Tap, n int) {
	o.t.Helper()
	o.line.Reset()
	await(o.t, "the tap is deaf", func() bool { return !tap.Stats().LinkUp })
	o.publish(n)
	o.line.Heal()
	await(o.t, "the tap hears again", func() bool { return tap.Stats().LinkUp })
}

// subscribed waits until a tap gets what is published, and returns how many that took.
func (o *opened) subscribed(tap *Tap) {
	o.t.Helper()
	before := tap.Stats().Received
	await(o.t, "subscribed", func() bool { o.publish(1); return tap.Stats().Received > before })
}

// rows checks that serials follow each other without a hole from the first one on, counting those of gaps, and returns how many
// are gaps; frames are those that were published.
func (o *opened) rows(entries []Entry) (gaps int) {
	o.t.Helper()
	published := o.published()
	next, epoch := entries[0].Serial, entries[0].Epoch
	for i, e := range entries {
		from, to := e.Serial, e.Serial
		if e.GapTo > 0 {
			from, to = e.GapFrom, e.GapTo
			gaps += int(to - from + 1)
		} else if !slices.Contains(published, string(e.Frame)) {
			o.t.Fatalf("entry %d, serial %d: its frame was never published", i, e.Serial)
		}
		if from != next || e.Epoch != epoch || epoch == "" {
			o.t.Fatalf("entry %d: %d to %d of %q, want %d of %q", i, from, to, e.Epoch, next, epoch)
		}
		next = to + 1
	}
	return gaps
}

// TestTracker_journal: what a tap missed, over a cut, while it was stopped, and with nothing after it, comes from the master's
// journal, in order, as it was published.
func TestTracker_journal(t *testing.T) {
	t.Parallel()
	o := newOpened(t, func(c *config.Master) { c.Taps = []string{"tap1"} })
	dir := t.TempDir()
	tap, stop := o.tap(dir)
	o.subscribed(tap)
	o.outage(tap, 5)
	await(t, "recovered with nothing after them", func() bool { return tap.Stats().Recovered >= 5 })
	o.publish(3)
	await(t, "all in the stream", func() bool { return o.last() })
	stop()
	o.publish(4)
	tap, _ = o.tap(dir)
	await(t, "recovered over a restart", func() bool { return tap.Stats().Recovered >= 4 })
	o.publish(1)
	await(t, "all in the stream", func() bool { return o.last() })
	entries, _, _, err := o.log.Read(t.Context(), "0-0", 10_000, -1)
	if err != nil {
		t.Fatal(err)
	}
	if gaps := o.rows(entries); gaps != 0 {
		t.Errorf("%d in gaps", gaps)
	}
}

// last reports whether the last publication is in the stream.
func (o *opened) last() bool {
	published := o.published()
	newest, err := o.log.Newest(o.t.Context())
	return err == nil && len(newest) > 0 && string(newest[0].Frame) == published[len(published)-1]
}

// TestTracker_noJournal: a master that does not serve the journal, as stock ones: what is missed is named exactly by the next
// publication, and the outlet reports that number.
func TestTracker_noJournal(t *testing.T) {
	t.Parallel()
	o := newOpened(t, nil)
	dir := t.TempDir()
	tap, stop := o.tap(dir)
	out, _ := o.s.outlet(t.TempDir(), config.OutletStream, time.Minute)
	o.s.listen(out.PublishAddr())
	await(t, "attached", attached(out))
	o.subscribed(tap)
	await(t, "all in the stream", func() bool { return o.last() })
	before := len(o.published())
	o.outage(tap, 5)
	o.subscribed(tap)
	await(t, "all in the stream", func() bool { return o.last() })
	stop()
	o.publish(4)
	tap, _ = o.tap(dir)
	o.subscribed(tap)
	await(t, "all in the stream", func() bool { return o.last() })
	entries, _, _, err := o.log.Read(t.Context(), "0-0", 10_000, -1)
	if err != nil {
		t.Fatal(err)
	}
	gaps := o.rows(entries)
	if gaps < 9 || len(o.published())-before < gaps {
		t.Errorf("%d in gaps", gaps)
	}
	await(t, "reported", func() bool { return out.follower.Stats().Missed[ReasonGap] == int64(gaps) })
}

// TestTracker_otherKey: the master has another key after a cut. An outlet that has not delivered what is sealed with the former
// one reports it.
func TestTracker_otherKey(t *testing.T) {
	t.Parallel()
	o := newOpened(t, func(c *config.Master) { c.Taps = []string{"tap1"} })
	tap, _ := o.tap(t.TempDir())
	o.subscribed(tap)
	await(t, "all in the stream", func() bool { return o.last() })
	out, _ := o.s.outlet(t.TempDir(), config.OutletStream, time.Minute)
	await(t, "reading", func() bool { return out.follower.Stats().Up }) // nobody listens
	o.publish(3)
	await(t, "all in the stream", func() bool { return o.last() })
	flag := filepath.Join(o.m.Config.CacheDir, ".dfn")
	bus := o.m.Bus(t)
	if err := os.WriteFile(flag, nil, 0o400); err != nil {
		t.Fatal(err)
	}
	bus.Until(t, "key")
	o.publish(2)
	await(t, "all in the stream", func() bool { return o.last() })
	l := o.s.listen(out.PublishAddr())
	await(t, "delivered", func() bool { return len(l.all()) == 2 })
	if st := out.follower.Stats(); st.Missed[ReasonEpoch] != 3 {
		t.Errorf("%+v", st)
	}
}

// TestTracker_notAccepted: until the key is accepted publications go into the stream as they come.
func TestTracker_notAccepted(t *testing.T) {
	t.Parallel()
	o := newOpened(t, nil)
	dir := t.TempDir()
	r, _ := o.s.relay(dir, func(c *config.Relay) {
		c.Taps = []config.RelayTap{{Name: "mom", Host: "127.0.0.1", PublishPort: o.line.Port(), RetPort: o.m.RetPort, PKIDir: filepath.Join(dir, "pki"), ID: "tap2"}}
	})
	tap := r.taps[0]
	await(t, "heard", func() bool { o.publish(1); return tap.Stats().Received > 0 })
	await(t, "in the stream, unopened", func() bool {
		newest, err := o.log.Newest(t.Context())
		return err == nil && len(newest) > 0 && newest[0].Serial == 0 && len(newest[0].Frame) > 0
	})
	if st := tap.Stats(); st.SignedIn || st.SignReason == "" {
		t.Errorf("%+v", st)
	}
	pending, err := os.ReadFile(filepath.Join(o.m.Config.PKIDir, pki.Pending.Dir(), "tap2"))
	if err != nil || len(pending) == 0 {
		t.Errorf("the key does not wait: %v", err)
	}
}
