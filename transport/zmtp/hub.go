package zmtp

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// hub is what the connections of one Listener, or the one dialled connection, share.
type hub struct {
	cfg      Config
	lim      limits
	oversize OversizeHandler // nil when the Handler is none
	log      *slog.Logger
	stats    counters
	partial  atomic.Int64 // bytes of messages not yet taken

	group   sync.WaitGroup // every goroutine
	quit    chan struct{}  // ends the sweeper
	sweeper sync.Once

	mu     sync.Mutex
	first  *Conn // list of all connections
	n      int
	closed bool          // no more connections
	final  bool          // no more goroutines
	none   chan struct{} // closed when the last connection has gone
}

func newHub(cfg Config) *hub {
	h := &hub{cfg: cfg, lim: cfg.limits(), log: cfg.Log, quit: make(chan struct{})}
	h.oversize, _ = cfg.Handler.(OversizeHandler)
	return h
}

// add takes a connection in, unless there is no room or everything is ending.
func (h *hub) add(c *Conn) (full, closed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	full = h.cfg.MaxConnections > 0 && h.n >= h.cfg.MaxConnections
	if full || h.closed {
		return full, h.closed
	}
	c.next = h.first
	if h.first != nil {
		h.first.prev = c
	}
	h.first = c
	h.n++
	h.stats.open.Store(int64(h.n))
	return false, false
}

func (h *hub) remove(c *Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		h.first = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	}
	c.prev, c.next = nil, nil
	h.n--
	if h.n == 0 && h.none != nil {
		close(h.none)
		h.none = nil
	}
	h.stats.open.Store(int64(h.n))
}

// waitEmpty waits until the last connection has gone, or for stop.
func (h *hub) waitEmpty(stop <-chan time.Time) {
	h.mu.Lock()
	if h.n == 0 {
		h.mu.Unlock()
		return
	}
	if h.none == nil {
		h.none = make(chan struct{})
	}
	none := h.none
	h.mu.Unlock()
	select {
	case <-none:
	case <-stop:
	}
}

// all appends every connection to dst.
func (h *hub) all(dst []*Conn) []*Conn {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := h.first; c != nil; c = c.next {
		dst = append(dst, c)
	}
	return dst
}

// each calls f for every connection.
func (h *hub) each(f func(c *Conn)) {
	for _, c := range h.all(nil) {
		f(c)
	}
}

// spawn starts a goroutine that end waits for; false once that waiting has begun.
func (h *hub) spawn(f func()) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.final {
		return false
	}
	h.group.Go(f)
	return true
}

// end cuts all connections and waits for every goroutine.
func (h *hub) end() {
	h.mu.Lock()
	if !h.final {
		close(h.quit)
	}
	h.closed, h.final = true, true
	h.mu.Unlock()
	h.each(func(c *Conn) { c.fail(ErrClosed) })
	h.group.Wait()
}

// refuse keeps new connections out.
func (h *hub) refuse() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
}

// account changes the bytes of messages not yet taken, and makes room when they are too many.
func (h *hub) account(delta int64) {
	if delta == 0 {
		return
	}
	if total := h.partial.Add(delta); delta > 0 && total > h.cfg.MaxPartialBytes {
		h.evict()
	}
}

// evictFrom is the size from which an unfinished message may be cut to make room.
const evictFrom = 256 << 10

// evict ends the connection whose large message has been unfinished longest: who is slow on purpose goes first.
func (h *hub) evict() {
	var victim *Conn
	var since int64
	h.each(func(c *Conn) {
		began := c.partSince.Load()
		if began == 0 || c.partBytes.Load() < evictFrom || c.ended.Load() {
			return
		}
		if victim == nil || began < since {
			victim, since = c, began
		}
	})
	if victim != nil {
		h.stats.evicted.Add(1)
		victim.fail(ErrMessageSize)
	}
}

// sweep looks after the times of all connections until quit.
func (h *hub) sweep(every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	var conns []*Conn
	for {
		select {
		case <-h.quit:
			return
		case <-ticker.C:
		}
		now := time.Now()
		conns = h.all(conns[:0])
		for _, c := range conns {
			c.checkTimes(now)
		}
		clear(conns)
	}
}

const (
	sweepLongest  = 2 * time.Second
	sweepShortest = 5 * time.Millisecond
)

// startSweeper starts the goroutine that looks after times, once there is something to look after.
func (h *hub) startSweeper() {
	every := time.Duration(0)
	for _, d := range []time.Duration{h.cfg.MessageTimeout, h.cfg.WriteTimeout, h.cfg.HeartbeatIvl, h.cfg.HeartbeatTimeout} {
		if d > 0 && (every == 0 || d < every) {
			every = d
		}
	}
	if every == 0 {
		every = sweepLongest // a peer's own time to live
	}
	every = min(max(every/4, sweepShortest), sweepLongest)
	h.sweeper.Do(func() { h.spawn(func() { h.sweep(every) }) })
}
