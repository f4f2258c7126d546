package relay

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/saltern-io/saltern/internal/outbox"
)

// Sink is where a follower delivers. All calls come from the goroutine of Follower.Run.
type Sink interface {
	// Ready waits until a publication can be delivered.
	Ready(ctx context.Context) error
	// Deliver takes one; the position moves on after nil, and after an ErrRefused, which is reported. Any other error has it
	// offered again until it is too old.
	Deliver(ctx context.Context, e *Entry) error
	// Missed takes a report. It does not wait.
	Missed(m Missed)
}

// ErrRefused is what a Sink returns for an entry that it will never take.
var ErrRefused = errors.New("refused")

// FollowerConfig describes a follower.
type FollowerConfig struct {
	Name   string // of the position on disk
	Log    *Log
	Store  *outbox.Store
	MaxAge time.Duration
	Sink   Sink
	// Ordered: the sink drops what is older than the last one it got, as a stock syndic does. Entries under an older key,
	// and such that the direct link has overtaken, are then reported.
	Ordered bool
	// Known, when there is one, looks at an entry that is too old to be delivered: which job it is, "" when that cannot be
	// told, and whether another way has brought it, so that there is nothing to report.
	Known func(e *Entry) (jid string, known bool)
	// Passed, when there is one, hears of each entry that went out, by whatever way.
	Passed func(e *Entry)
	Logger *slog.Logger
}

// FollowerStats is a snapshot of a Follower.
type FollowerStats struct {
	Up        bool
	Since     time.Time
	Reason    string
	Entries   int64 // read
	Delivered int64
	Repeated  int64            // copies dropped
	Malformed int64            // entries that no tap wrote
	Missed    map[string]int64 // by reason; an unknown number counts as one
	Behind    int64            // entries not read yet, as of the last look
	Delay     time.Duration    // age of the last entry when it was delivered
}

// Follower reads a stream from its own position and delivers what is wanted, in order. Make it with NewFollower, run it once.
type Follower struct {
	cfg FollowerConfig
	log *slog.Logger
	now func() time.Time

	mu  sync.Mutex // guards mem: the direct link notes copies, too
	mem *memory

	link                                           linkMark
	entries, delivered, repeated, malformed, delay atomic.Int64
	behind                                         atomic.Int64
	missedMu                                       sync.Mutex
	missed                                         map[string]int64
	trimmed                                        bool // what follows is behind a trimmed part

	newest []Entry // the end of the stream
	looked time.Time
}

// NewFollower opens the position on disk.
func NewFollower(cfg FollowerConfig) (*Follower, error) {
	f := &Follower{cfg: cfg, log: cfg.Logger.With("stream", cfg.Log.key), now: time.Now, missed: map[string]int64{}}
	mem, err := openMemory(cfg.Store, cfg.Name, func(err error) {
		if !errors.Is(err, outbox.ErrClosed) {
			f.log.Error("Position in the stream not stored: the last entries may come again", "err", err)
		}
	})
	f.mem = mem
	return f, err
}

// Stats returns a snapshot. Safe for concurrent use.
func (f *Follower) Stats() FollowerStats {
	s := FollowerStats{
		Entries: f.entries.Load(), Delivered: f.delivered.Load(), Repeated: f.repeated.Load(), Malformed: f.malformed.Load(),
		Behind: f.behind.Load(), Delay: time.Duration(f.delay.Load()), Missed: map[string]int64{},
	}
	s.Up, s.Since, s.Reason = f.link.get()
	f.missedMu.Lock()
	defer f.missedMu.Unlock()
	for reason, n := range f.missed {
		s.Missed[reason] = n
	}
	return s
}

// Bounds of one read.
const (
	readEntries = 500
	readWait    = time.Second
	lookAgain   = 5 * time.Second
)

// Run follows until ctx ends.
func (f *Follower) Run(ctx context.Context) {
	pause := retryMin
	var looked time.Time
	for ctx.Err() == nil {
		err := error(nil)
		if f.now().Sub(looked) >= lookAgain || !f.isUp() {
			err = f.attach(ctx)
			looked = f.now()
		}
		if err == nil {
			err = f.readSome(ctx)
		}
		switch {
		case ctx.Err() != nil:
		case err != nil:
			if f.link.set(false, err.Error()) {
				f.log.Warn("Stream not read, trying again", "err", err)
			}
			sleep(ctx, pause)
			pause = min(2*pause, retryMax)
		default:
			pause = retryMin
			if f.link.set(true, "") {
				f.log.Info("Stream is read")
			}
		}
	}
}

func (f *Follower) isUp() bool {
	up, _, _ := f.link.get()
	return up
}

// attach finds out whether the stream is the one that the position belongs to.
func (f *Follower) attach(ctx context.Context) error {
	state, err := f.cfg.Log.State(ctx)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	at := &f.mem.at
	switch {
	case state.Life == "":
		if at.Last == "" {
			at.Last = "0-0" // nobody has written yet: all that comes is new
			f.mem.commit(outbox.Unit{})
		}
	case at.Last == "":
		// First contact: what is in the stream was somebody else's matter.
		at.Life, at.Last = state.Life, max(state.Last, "0-0")
		f.mem.commit(outbox.Unit{})
	case at.Life == "":
		at.Life = state.Life
		f.mem.commit(outbox.Unit{})
	case at.Life != state.Life:
		f.report(Missed{Reason: ReasonGap, Text: "the stream was begun anew: Redis was flushed, replaced or restarted without its data", ID: state.First, Time: f.now()})
		at.Life, at.Last = state.Life, "0-0"
		f.mem.commit(outbox.Unit{})
	case state.Last != "" && beforeID(state.Last, at.Last), state.Last == "" && at.Last != "0-0":
		f.report(Missed{Reason: ReasonGap, Text: "the stream went back: Redis was restarted with older data", ID: state.Last, Time: f.now()})
		at.Last = "0-0"
		f.mem.commit(outbox.Unit{})
	case state.First != "" && beforeID(at.Last, state.First):
		f.trimmed = true // whether anything is missing, the numbers of the taps tell
	}
	f.behind.Store(0)
	if state.Last != "" && beforeID(at.Last, state.Last) {
		f.behind.Store(state.Len) // at most
	}
	return nil
}

// readSome takes one batch.
func (f *Follower) readSome(ctx context.Context) error {
	f.mu.Lock()
	after := f.mem.at.Last
	f.mu.Unlock()
	entries, last, bad, err := f.cfg.Log.Read(ctx, after, readEntries, readWait)
	if err != nil || last == after {
		return err
	}
	if err := f.sameLife(ctx); err != nil {
		return err
	}
	f.entries.Add(int64(len(entries)))
	f.malformed.Add(int64(bad))
	if bad > 0 {
		f.log.Error("Entries that no tap wrote are passed over", "number", bad)
	}
	for i := range entries {
		if err := f.process(ctx, &entries[i], entries[i+1:]); err != nil {
			return err
		}
		f.behind.Store(max(f.behind.Load()-1, 0))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mem.at.Last = last
	f.mem.commit(outbox.Unit{})
	return nil
}

// errMoved has the follower look at the stream again before it takes what it read.
var errMoved = errors.New("the stream was begun anew")

// sameLife guards against a stream that was replaced since the last look: its entries would be taken for the next ones.
func (f *Follower) sameLife(ctx context.Context) error {
	life, err := f.cfg.Log.client.Get(ctx, f.cfg.Log.lifeKey()).Result()
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mem.at.Life == "" {
		f.mem.at.Life = life
	}
	if life != f.mem.at.Life {
		return errMoved
	}
	return nil
}

// process deals with one entry; later ones of the same batch help to tell its place. An error leaves the position.
func (f *Follower) process(ctx context.Context, e *Entry, later []Entry) error {
	f.mu.Lock()
	missing := f.mem.count(e)
	number, known := uint64(0), false
	if e.GapTo > 0 {
		f.mem.at.Order.breaks(e.Tap)
	} else if number, known = f.mem.seen(frameKey(e.Frame)); !known {
		number, known = f.mem.seen(e.serialKey())
	}
	f.mem.at.Order.way(e.Tap).heard = f.now()
	f.mu.Unlock()
	if missing > 0 {
		f.report(gapOf(e, missing, f.trimmed))
	}
	f.trimmed = false
	dealt := known
	switch {
	case e.GapTo > 0:
		if m := deafness(e); f.unfilled(ctx, e, &m) {
			f.report(m)
		}
	case known:
		f.repeated.Add(1)
	default:
		var err error
		if dealt, err = f.deliver(ctx, e, later); err != nil {
			return err
		}
	}
	if f.done(e, number, dealt) && f.cfg.Passed != nil {
		f.cfg.Passed(e)
	}
	return nil
}

// done moves the position behind an entry, and reports whether it went out.
func (f *Follower) done(e *Entry, number uint64, dealt bool) (out bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mem.at.Last = e.ID
	var unit outbox.Unit
	if len(e.Frame) > 0 && dealt {
		if n, ok := f.mem.seen(frameKey(e.Frame)); ok {
			number = n
		}
		f.mem.note(&unit, number, frameKey(e.Frame), e.serialKey())
		f.mem.at.Order.shows(e.Tap, number, e.Time)
		out = number > 0
	}
	f.mem.commit(unit)
	return out
}

// deliver offers an entry until it is taken, or too old; then it is reported. dealt is false when a copy behind it is the
// one to look at.
func (f *Follower) deliver(ctx context.Context, e *Entry, later []Entry) (dealt bool, err error) {
	for pause := retryMin; ; pause = min(2*pause, retryMax) {
		left := f.cfg.MaxAge - f.now().Sub(e.Time)
		if left <= 0 {
			f.tooOld(e)
			return true, nil
		}
		err := f.offer(ctx, e, later, left)
		if errors.Is(err, errUnsure) {
			pause = retryMin
			switch f.place(ctx, e, later) {
			case placeCopy:
				return false, nil
			case placeLost:
				err = errLate
			case placeLater, placeKnown:
			}
		}
		switch {
		case ctx.Err() != nil:
			return false, ctx.Err()
		case err == nil:
			f.delivered.Add(1)
			f.delay.Store(int64(f.now().Sub(e.Time)))
			return true, nil
		case errors.Is(err, errCopy):
			f.repeated.Add(1)
			return true, nil
		case errors.Is(err, errOutdated):
			f.report(e.missed(ReasonEpoch, err.Error()))
			return true, nil
		case errors.Is(err, errLate):
			f.report(e.missed(ReasonLate, "later publications went out before it"))
			return true, nil
		case errors.Is(err, ErrRefused):
			f.report(e.missed(ReasonRefused, err.Error()))
			return true, nil
		case errors.Is(err, errUnsure):
			continue
		}
		sleep(ctx, min(pause, left))
	}
}

// outdated reports whether the master has another key by now: a syndic that has it too can no longer open the entry.
func (f *Follower) outdated(ctx context.Context, e *Entry, later []Entry) bool {
	if e.Epoch == "" {
		return false
	}
	if now := f.now(); now.Sub(f.looked) > epochLook {
		newest, err := f.cfg.Log.Newest(ctx)
		if err != nil {
			f.log.Debug("End of the stream not read", "err", err) // the syndic finds out, by a sign-in
		} else {
			f.newest, f.looked = newest, now
		}
	}
	for i := range f.newest {
		if n := &f.newest[i]; n.MoM == e.MoM && n.Epoch != e.Epoch && n.Epoch != "" && beforeID(e.ID, n.ID) {
			return true
		}
	}
	for i := range later {
		if later[i].MoM == e.MoM && later[i].Epoch != e.Epoch && later[i].Epoch != "" {
			return true
		}
	}
	return false
}

// epochLook is how long a look at the end of the stream, for the key in use, is good.
const epochLook = 100 * time.Millisecond

// tooOld reports an entry, unless another way has brought it.
func (f *Follower) tooOld(e *Entry) {
	m := e.missed(ReasonAge, "older than replay_max_age")
	if f.cfg.Known != nil {
		known := false
		if m.JID, known = f.cfg.Known(e); known {
			f.repeated.Add(1)
			return
		}
	}
	f.report(m)
}

func (f *Follower) offer(ctx context.Context, e *Entry, later []Entry, left time.Duration) error {
	wait, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	if err := f.cfg.Sink.Ready(wait); err != nil {
		return err
	}
	if f.cfg.Ordered && f.outdated(wait, e, later) {
		return errOutdated
	}
	return f.cfg.Sink.Deliver(wait, e)
}

// report hands a report on. It is called with and without the lock held: sinks do not call back.
func (f *Follower) report(m Missed) {
	f.missedMu.Lock()
	f.missed[m.Reason] += int64(max(m.Count, 1))
	f.missedMu.Unlock()
	f.log.Warn("Publications missed", "master", m.MoM, "count", m.Count, "reason", m.Text, "entry", m.ID, "tap", m.Tap, "serial", m.Serial)
	f.cfg.Sink.Missed(m)
}
