package relay

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/metrics"
	"github.com/saltern-io/saltern/internal/outbox"
	"github.com/saltern-io/saltern/transport"
)

// TapConfig describes a tap.
type TapConfig struct {
	Name     string // of the master of masters
	ID       string // of the relay
	Endpoint string // the master's publisher
	Context  *transport.Context
	Options  transport.SocketOptions
	Store    *outbox.Store
	Log      *Log
	Logger   *slog.Logger
	Opens    *config.RelayTap // nil: it opens nothing
}

// TapStats is a snapshot of a Tap.
type TapStats struct {
	Name      string
	Received  int64 // publications
	Written   int64 // entries, those of earlier lives included
	Lost      int64 // publications that the disk did not take
	LinkUp    bool  // to the master's publisher
	LinkSince time.Time
	RedisUp   bool
	Since     time.Time // when RedisUp changed
	Reason    string    // why it is not
	Buffer    outbox.Stats

	Opens       bool
	SignedIn    bool
	SignedSince time.Time
	SignReason  string
	Recovered   int64 // publications from the master's journal
	Gaps        int64 // publications that the serials show to be missing
}

// Tap writes the publications of one master of masters into a stream. Without a key of its own it opens nothing. Make it with
// NewTap, run it once.
type Tap struct {
	cfg   TapConfig
	log   *slog.Logger
	queue *outbox.Queue
	name  string // as entries carry it
	now   func() time.Time
	track *tracker // nil: it opens nothing

	received, written, lost atomic.Int64
	deaf                    atomic.Int64 // since when something was not buffered, Unix milliseconds; 0 = it was
	link, redis             linkMark
	stamped                 time.Time // when the last sign of life was put on disk; owned by write
}

// linkMark is a link's state with its time.
type linkMark struct {
	mu     sync.Mutex
	up     bool
	since  time.Time
	reason string
}

// lostLink is the reason of a link that was there before.
const lostLink = "disconnected"

// set notes the state and tells whether it changed.
func (l *linkMark) set(up bool, reason string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	changed := l.up != up || l.since.IsZero()
	if changed {
		l.since = time.Now()
	}
	l.up, l.reason = up, reason
	return changed
}

func (l *linkMark) get() (up bool, since time.Time, reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.since.IsZero() {
		return l.up, metrics.Started(), "not connected yet"
	}
	return l.up, l.since, l.reason
}

// NewTap opens the tap's buffer.
func NewTap(cfg TapConfig) (*Tap, error) {
	t := &Tap{cfg: cfg, log: cfg.Logger.With("tap", cfg.Name), now: time.Now}
	var err error
	if t.queue, err = cfg.Store.Queue("tap " + cfg.Name); err != nil {
		return nil, fmt.Errorf("buffer of tap %s: %w", cfg.Name, err)
	}
	// Numbers of entries are those of the buffer; another disk, another row of numbers.
	const fact = "tap life"
	life, ok, err := cfg.Store.Fact(fact)
	if err != nil {
		return nil, fmt.Errorf("buffer of tap %s: %w", cfg.Name, err)
	}
	if !ok {
		life = []byte(rand.Text()[:10])
		if err := cfg.Store.SetFact(fact, life); err != nil {
			return nil, fmt.Errorf("buffer of tap %s: %w", cfg.Name, err)
		}
	}
	t.name = cfg.ID + "/" + string(life)
	stamp, ok, err := cfg.Store.Fact(t.stampKey())
	if err != nil {
		return nil, fmt.Errorf("buffer of tap %s: %w", cfg.Name, err)
	}
	heard := int64(0)
	if ok && len(stamp) == 8 {
		heard = int64(binary.BigEndian.Uint64(stamp))
	}
	if cfg.Opens == nil {
		t.deaf.Store(heard)
		return t, nil
	}
	o, err := newOpener(*cfg.Opens, cfg.Context, cfg.Options, t.log)
	if err != nil {
		return nil, fmt.Errorf("tap %s: %w", cfg.Name, err)
	}
	t.track = &tracker{t: t, o: o}
	if heard > 0 {
		t.track.cut = time.UnixMilli(heard)
	}
	return t, t.track.load()
}

// stampEvery is how often a tap that listens notes so on disk: what was said between the last note and the next life was not heard.
const stampEvery = 5 * time.Second

func (t *Tap) stampKey() string { return "tap heard " + t.cfg.Name }

func (t *Tap) stamp() outbox.Fact {
	return outbox.Fact{Key: t.stampKey(), Value: binary.BigEndian.AppendUint64(nil, uint64(t.now().UnixMilli()))}
}

// Stats returns a snapshot. Safe for concurrent use.
func (t *Tap) Stats() TapStats {
	s := TapStats{Name: t.cfg.Name, Received: t.received.Load(), Written: t.written.Load(), Lost: t.lost.Load()}
	s.LinkUp, s.LinkSince, _ = t.link.get()
	s.RedisUp, s.Since, s.Reason = t.redis.get()
	s.Buffer, _ = t.queue.Stats() // with an error everything but the oldest is there
	if k := t.track; k != nil {
		s.Opens, s.Recovered, s.Gaps = true, k.recovered.Load(), k.gaps.Load()
		s.SignedIn, s.SignedSince, s.SignReason = k.o.signed.get()
	}
	return s
}

// topics subscribe to what a syndic listens to. Without zmq_filtering a publication is one frame, a map: those begin with the
// bytes of a map. With it, the copies for single minions stay at the master.
func topics() [][]byte {
	all := [][]byte{[]byte("broadcast"), []byte("syndic"), {0xde}, {0xdf}}
	for c := byte(0x80); c < 0x90; c++ {
		all = append(all, []byte{c})
	}
	return all
}

// Run taps until ctx ends. What is in the buffer then gets a moment to be written; the rest waits for the next life.
func (t *Tap) Run(ctx context.Context) error {
	sub, err := transport.NewSubscriber(transport.SubscriberConfig{
		Context: t.cfg.Context, Endpoint: t.cfg.Endpoint, Options: t.cfg.Options, Topics: topics(), Log: t.log,
	})
	if err != nil {
		return fmt.Errorf("tap %s: %w", t.cfg.Name, err)
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	writing, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	wg.Go(func() { t.write(writing) })
	failed := make(chan error, 1)
	wg.Go(func() { failed <- sub.Run(ctx) })
	t.listen(ctx, sub)
	if up, _, _ := t.link.get(); up {
		t.cfg.Store.Commit(outbox.Unit{Facts: []outbox.Fact{t.stamp()}}, func([]outbox.Outcome) {}) // lost, an earlier one counts
	}
	t.drain()
	return <-failed
}

// drainTimeout is how long a stopping tap waits for what it has to be in the stream.
const drainTimeout = 2 * time.Second

func (t *Tap) drain() {
	deadline := time.Now().Add(drainTimeout)
	for time.Now().Before(deadline) {
		s, err := t.queue.Stats()
		if up, _, _ := t.redis.get(); err != nil || s.Items == 0 || !up {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// listen takes what comes until the subscription ends. A cut is seen before what the next link brings.
func (t *Tap) listen(ctx context.Context, sub *transport.Subscriber) {
	links := sub.Links()
	look := time.NewTimer(time.Hour)
	look.Stop()
	defer look.Stop()
	change := func(e transport.LinkEvent, ok bool) {
		if !ok {
			links = nil
			return
		}
		t.linkChanged(e)
		if t.track != nil && e.Kind == transport.LinkConnected {
			look.Reset(t.track.connected())
		}
	}
	for {
		select {
		case e, ok := <-links:
			change(e, ok)
			continue
		default:
		}
		select {
		case e, ok := <-links:
			change(e, ok)
		case m, ok := <-sub.Messages():
			if !ok {
				return
			}
			t.take(ctx, m.Frames)
		case <-look.C:
			look.Reset(t.track.look(ctx))
		}
	}
}

// linkChanged follows the link. A time without it is told to the outlets, unless serials will tell exactly.
func (t *Tap) linkChanged(e transport.LinkEvent) {
	switch e.Kind {
	case transport.LinkConnected:
		if t.link.set(true, "") {
			t.log.Info("Tap hears the master of masters")
		}
		t.confess()
	case transport.LinkDisconnected:
		if !t.link.set(false, lostLink) {
			return
		}
		t.log.Warn("Tap has lost the master of masters: what is published now is not relayed")
		if t.track != nil {
			t.track.disconnected()
		} else {
			t.deaf.CompareAndSwap(0, t.now().UnixMilli())
		}
	case transport.LinkHandshakeFailed, transport.LinkRetrying:
	}
}

// take puts one message into the buffer; it waits for the disk only when that is far behind.
func (t *Tap) take(ctx context.Context, frames [][]byte) {
	if len(frames) > 2 || len(frames[len(frames)-1]) == 0 || len(frames) == 2 && len(frames[0]) > maxTopic {
		t.log.Warn("Message that is no publication", "frames", len(frames))
		return
	}
	t.received.Add(1)
	var topic []byte
	if len(frames) == 2 {
		topic = frames[0]
	}
	frame := frames[len(frames)-1]
	if t.track != nil {
		t.track.take(ctx, topic, frame)
		return
	}
	t.put(appendBuffered(make([]byte, 0, len(topic)+len(frame)+16), t.now(), topic, frame))
}

func (t *Tap) put(body []byte) { t.putWith(body) }

// putWith buffers an entry, with facts that belong to it.
func (t *Tap) putWith(body []byte, facts ...outbox.Fact) {
	t.confess()
	unit := outbox.Unit{Entries: []outbox.Entry{{Queue: t.queue, Item: outbox.Item{Body: body}}}, Facts: facts}
	t.cfg.Store.Commit(unit, func(o []outbox.Outcome) {
		if o[0].Err != nil {
			t.deaf.CompareAndSwap(0, t.now().UnixMilli())
			t.lost.Add(1)
			t.log.Error("Publication not buffered: it will not be relayed", "err", o[0].Err)
		}
	})
}

// confess tells the outlets since when something was not buffered: the link was down, the disk took nothing, or there was no
// tap. It stands in the stream before what follows.
func (t *Tap) confess() {
	since := t.deaf.Swap(0)
	if since == 0 {
		return
	}
	t.cfg.Store.Put([]outbox.Entry{{Queue: t.queue, Item: outbox.Item{Body: appendDeaf(nil, time.UnixMilli(since), t.now())}}}, func(o []outbox.Outcome) {
		if o[0].Err != nil {
			t.deaf.CompareAndSwap(0, since)
		}
	})
}

// Bounds of one pipeline, and pauses while Redis is away.
const (
	writeItems = 500
	writeBytes = 4 << 20
	retryMin   = 100 * time.Millisecond
	retryMax   = time.Second // with the hold time of outlets in mind: both have to find Redis within it
	trimEvery  = time.Minute
)

// write carries the buffer into the stream, in its order.
func (t *Tap) write(ctx context.Context) {
	pause := retryMin
	var trimmed time.Time
	for ctx.Err() == nil {
		if up, _, _ := t.link.get(); up && t.now().Sub(t.stamped) >= stampEvery {
			t.stamped = t.now()
			t.cfg.Store.Commit(outbox.Unit{Facts: []outbox.Fact{t.stamp()}}, func([]outbox.Outcome) {}) // an earlier one counts
		}
		n, err := t.writeSome(ctx)
		if now := t.now(); err == nil && now.Sub(trimmed) >= trimEvery {
			trimmed = now
			err = t.cfg.Log.Trim(ctx, now)
		}
		switch {
		case ctx.Err() != nil:
		case err != nil:
			if t.redis.set(false, err.Error()) {
				t.log.Warn("Redis takes nothing, publications wait on disk", "err", err)
			}
			sleep(ctx, pause)
			pause = min(2*pause, retryMax)
			continue
		case t.redis.set(true, ""):
			t.log.Info("Publications are written to the stream")
		}
		pause = retryMin
		if n > 0 {
			continue
		}
		wake := time.NewTimer(5 * time.Second) // looks whether Redis is there, too
		select {
		case <-ctx.Done():
		case <-t.queue.Wake():
		case <-wake.C:
		}
		wake.Stop()
	}
}

func (t *Tap) writeSome(ctx context.Context) (int, error) {
	taken, err := t.queue.Take(writeItems, writeBytes)
	if err != nil {
		return 0, err
	}
	if len(taken) == 0 {
		return 0, t.cfg.Log.client.Ping(ctx).Err()
	}
	entries := make([]Entry, 0, len(taken))
	for i := range taken {
		e, err := decodeBuffered(taken[i].Body)
		if err != nil {
			t.log.Error("Damaged entry in the buffer of the tap", "seq", taken[i].Seq, "err", err)
			continue
		}
		// What the buffer gave up leaves a hole in the numbers, which outlets report.
		e.MoM, e.Tap, e.Seq = t.cfg.Name, t.name, taken[i].Seq+1
		entries = append(entries, e)
	}
	if err := t.cfg.Log.Write(ctx, entries); err != nil {
		return 0, err
	}
	t.written.Add(int64(len(entries)))
	if err := t.queue.Ack(taken); err != nil && !errors.Is(err, outbox.ErrClosed) {
		return 0, err
	}
	return len(taken), nil
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
