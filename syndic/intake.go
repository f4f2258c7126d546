package syndic

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/saltern-io/saltern/internal/event"
	"github.com/saltern-io/saltern/internal/outbox"
)

// Bounds of what waits in memory for an outbox that takes nothing: a disk that is full for a moment costs nothing.
const (
	maxParked      = 20_000
	maxParkedBytes = 32 << 20
	unparkEvery    = 200 * time.Millisecond
)

// intake puts what goes up into the outbox.
//
//	bus reader ─▶ unit of one event ─▶ group commit ─▶ boxes      the outbox takes 10,000 entries or 16 MiB ahead of
//	                  │                     │                     its commits; then the reader waits, and with it the bus
//	                  └──── disk full: parked, tried again ◀──────┘
type intake struct {
	store *outbox.Store
	boxes []*box
	names []string
	warn  func(msg string, args ...any)

	mu     sync.Mutex
	parked []parked
	bytes  int

	refused, dropped int64
}

// parked is an item that the outbox did not take, and the upstreams it is for.
type parked struct {
	item Item
	to   uint64
}

// put stores an item for upstreams as one unit.
func (in *intake) put(list ...Routed) {
	var unit outbox.Unit
	var to []parked // per entry
	for _, r := range list {
		if r.Item.Size() > maxItemBytes {
			in.count(1, 0)
			in.warn("Item is too large for any master of masters and dropped", "bytes", r.Item.Size())
			continue
		}
		stored := r.Item.stored()
		for i, b := range in.boxes {
			if r.To&(1<<i) != 0 {
				unit.Entries = append(unit.Entries, outbox.Entry{Queue: b.q, Item: stored})
				to = append(to, parked{item: r.Item, to: 1 << i})
			}
		}
	}
	if len(unit.Entries) == 0 {
		return
	}
	in.store.Commit(unit, func(outcomes []outbox.Outcome) {
		for i, o := range outcomes {
			in.settled(to[i], len(unit.Entries[i].Item.Body), o)
		}
	})
}

// settled notes what became of one entry. It is called by the committer and must not wait.
func (in *intake) settled(p parked, size int, o outbox.Outcome) {
	n := trailing(p.to)
	if o.Dropped > 0 {
		in.count(0, o.Dropped)
		in.warn("Queue of an upstream is full, oldest items dropped", "upstream", in.names[n], "dropped", o.Dropped)
	}
	switch {
	case o.Err == nil && !o.Duplicate:
		in.boxes[n].committed(1, size, p.item.Urgent)
	case errors.Is(o.Err, outbox.ErrDiskFull) || errors.Is(o.Err, outbox.ErrUnavailable):
		if in.park(p) {
			return
		}
		in.count(1, 0)
		in.warn("Item lost, the outbox takes nothing and there is no more room in memory", "upstream", in.names[n], "err", o.Err)
	case o.Err != nil && !errors.Is(o.Err, outbox.ErrClosed):
		in.count(1, 0)
		in.warn("Item not taken by the outbox", "upstream", in.names[n], "err", o.Err)
	}
}

func (in *intake) count(refused, dropped int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.refused += int64(refused)
	in.dropped += int64(dropped)
}

// lostItems is what could not be kept: refused by the outbox, or dropped from it.
func (in *intake) lostItems() int64 {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.refused + in.dropped
}

func (in *intake) park(p parked) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.parked) >= maxParked || in.bytes+p.item.Size() > maxParkedBytes {
		return false
	}
	in.parked = append(in.parked, p)
	in.bytes += p.item.Size()
	return true
}

// unpark offers parked items again for as long as the syndic runs.
func (in *intake) unpark(ctx context.Context) {
	t := time.NewTicker(unparkEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if in.store.State().State != outbox.StateOK {
			continue
		}
		in.mu.Lock()
		list := in.parked
		in.parked, in.bytes = nil, 0
		in.mu.Unlock()
		for _, p := range list {
			in.put(Routed{Item: p.item, To: p.to})
		}
	}
}

// parkedItems is how many items wait in memory.
func (in *intake) parkedItems() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return len(in.parked)
}

// localEvent sends one event of the local bus to whom it concerns.
func (s *Syndic) localEvent(e event.Event) {
	s.received.Add(1)
	if list := s.forward.Sort(e.Tag, e.Data); len(list) > 0 {
		s.intake.put(list...)
	}
}

// stepIn lets stand-bys have what waits for an upstream that has been away for longer than saltern_standby_after: the
// returns of jobs that they delivered as well. Masters of masters take each return once. It is called by the goroutine
// that is the queue's consumer.
func (s *Syndic) stepIn(u *Upstream) {
	if s.cfg.StandbyAfter <= 0 || u.awayFor(u.now()) < s.cfg.StandbyAfter {
		u.stoodIn = false
		return
	}
	if u.stoodIn || s.forward.standbys.Load() == 0 {
		return
	}
	u.stoodIn = true
	taken, err := u.box.q.Take(maxParked, maxParkedBytes, kindReturn)
	if err != nil {
		s.limited.Log(context.Background(), slog.LevelWarn, "Outbox not readable for stand-bys", "upstream", u.to.Entry, "err", err)
		return
	}
	offered := 0
	for _, t := range taken {
		item, err := readItem(t.Kind, t.Body)
		if err != nil || item.Return == nil {
			continue
		}
		if to := s.forward.standbysOf(item.Return.JID, u.index); to != 0 {
			s.intake.put(Routed{Item: item, To: to})
			offered++
		}
	}
	if offered > 0 {
		u.log.Warn("Stand-bys get the returns that wait for this upstream", "returns", offered, "away", u.awayFor(u.now()).Round(time.Second).String())
	}
}
