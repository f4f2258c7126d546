package event

import (
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/saltern-io/saltern/internal/wire"
)

// BusConfig bounds the queues of a bus. The zero value is good.
type BusConfig struct {
	QueueEvents int // per subscriber; default 20000
	QueueBytes  int // of tags and data, per subscriber; default 64 MiB (data is shared between subscribers)
	Log         *slog.Logger
}

// Bus hands every event to every subscriber, in one order for all.
type Bus struct {
	cfg BusConfig

	mu         sync.Mutex
	subs       map[*Subscription]struct{}
	sockets    map[*socketSub]struct{}
	lastReturn bool // the newest event is a minion's return

	// returned gets a token when a return was fired: see tick.go.
	returned chan struct{}

	fired, lost, cut atomic.Uint64
}

// NewBus makes a bus; it has no goroutines of its own.
func NewBus(cfg BusConfig) *Bus {
	if cfg.QueueEvents <= 0 {
		cfg.QueueEvents = 20000
	}
	if cfg.QueueBytes <= 0 {
		cfg.QueueBytes = 64 << 20
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Bus{
		cfg:      cfg,
		subs:     make(map[*Subscription]struct{}),
		sockets:  make(map[*socketSub]struct{}),
		returned: make(chan struct{}, 1),
	}
}

// Fire hands events to all subscribers, in order and without another's in between. It never blocks and keeps Data, which
// must not change any more. An event whose tag cannot travel is dropped and logged.
func (b *Bus) Fire(events ...Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range events {
		if err := CheckTag(e.Tag); err != nil {
			b.cfg.Log.Error("Event dropped", "tag", e.Tag, "err", err)
			continue
		}
		b.fireLocked(e)
	}
}

func (b *Bus) fireLocked(e Event) {
	b.fired.Add(1)
	it := item{ev: e}
	for s := range b.subs {
		if s.wants(e.Tag) && !s.q.push(it) {
			s.lost.Add(1)
			b.lost.Add(1)
		}
	}
	b.toSockets(it)
	b.lastReturn = isReturn(e.Tag)
	if b.lastReturn && len(b.sockets) > 0 {
		select {
		case b.returned <- struct{}{}:
		default:
		}
	}
}

// toSockets encodes the frame once, for all of them, and only if there is one.
func (b *Bus) toSockets(it item) {
	for s := range b.sockets {
		if it.frame == nil {
			it.frame = AppendLengthFrame(make([]byte, 0, frameSize(it.ev)), it.ev)
		}
		if !s.q.push(it) {
			b.cut.Add(1)
			delete(b.sockets, s)
			s.cutOff()
		}
	}
}

// tick sends TagTick to socket subscribers if the newest event is a return (spec: event-bus §3).
func (b *Bus) tick(now time.Time) {
	data := wire.AppendMapHeader(nil, 1)
	data = wire.AppendStr(data, stampKey, wire.Local)
	data = wire.AppendStr(data, Stamp(now), wire.Local)
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.lastReturn {
		return
	}
	b.lastReturn = false
	b.toSockets(item{ev: Event{Tag: TagTick, Data: data}})
}

func (b *Bus) addSocket(s *socketSub) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sockets[s] = struct{}{}
}

func (b *Bus) removeSocket(s *socketSub) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.sockets, s)
}

// BusStats is a snapshot for metrics and status pages; counts are since NewBus.
type BusStats struct {
	Fired         uint64 // events
	Lost          uint64 // events that in-process subscriptions had no room for
	Cut           uint64 // socket subscribers cut off because they did not keep up
	Subscriptions int    // in process, now
	Sockets       int    // socket subscribers, now
	Deepest       int    // events in the fullest queue, now
}

// Stats returns a snapshot.
func (b *Bus) Stats() BusStats {
	b.mu.Lock()
	defer b.mu.Unlock()
	st := BusStats{
		Fired: b.fired.Load(), Lost: b.lost.Load(), Cut: b.cut.Load(),
		Subscriptions: len(b.subs), Sockets: len(b.sockets),
	}
	for s := range b.subs {
		st.Deepest = max(st.Deepest, s.q.depth())
	}
	for s := range b.sockets {
		st.Deepest = max(st.Deepest, s.q.depth())
	}
	return st
}

// SubscribeOptions choose what a subscription gets.
type SubscribeOptions struct {
	Prefix []string // tags that begin with one of these; empty = all
	Queue  int      // events that may wait; 0 = BusConfig.QueueEvents
}

// Subscription is an in-process subscriber. Its channel is fed by one goroutine, which Close joins.
type Subscription struct {
	bus    *Bus
	prefix []string
	q      *queue
	c      chan Event
	stop   chan struct{}
	once   sync.Once
	done   chan struct{}
	lost   atomic.Uint64
}

// Subscribe returns a subscription that gets every matching event fired from now on. The caller has to Close it.
func (b *Bus) Subscribe(opts SubscribeOptions) *Subscription {
	if opts.Queue <= 0 {
		opts.Queue = b.cfg.QueueEvents
	}
	s := &Subscription{
		bus: b, prefix: opts.Prefix, q: newQueue(opts.Queue, b.cfg.QueueBytes),
		c: make(chan Event), stop: make(chan struct{}), done: make(chan struct{}),
	}
	b.mu.Lock()
	b.subs[s] = struct{}{}
	b.mu.Unlock()
	go s.pump()
	return s
}

// C delivers the events; it is closed by Close.
func (s *Subscription) C() <-chan Event { return s.c }

// Lost is how many matching events found no room.
func (s *Subscription) Lost() uint64 { return s.lost.Load() }

// Close ends the subscription; events that wait are dropped. It may be called more than once.
func (s *Subscription) Close() {
	s.once.Do(func() {
		s.bus.mu.Lock()
		delete(s.bus.subs, s)
		s.bus.mu.Unlock()
		s.q.close()
		close(s.stop)
	})
	<-s.done
}

func (s *Subscription) wants(tag string) bool {
	for _, p := range s.prefix {
		if strings.HasPrefix(tag, p) {
			return true
		}
	}
	return len(s.prefix) == 0
}

func (s *Subscription) pump() {
	defer close(s.done)
	defer close(s.c)
	var items []item
	for {
		select {
		case <-s.q.wake:
		case <-s.stop:
			return
		}
		items, _ = s.q.take(items)
		for i := range items {
			select {
			case s.c <- items[i].ev:
			case <-s.stop:
				return
			}
		}
		items = emptied(items)
	}
}

// emptied is items for the next round, without what a burst left behind.
func emptied(items []item) []item {
	if cap(items) > 1024 {
		return nil
	}
	clear(items)
	return items[:0]
}
