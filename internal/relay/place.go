package relay

import (
	"context"
	"errors"
	"time"

	"github.com/saltern-io/saltern/internal/outbox"
)

// What a sink that keeps order says about an entry instead of taking it.
var (
	errLate     = errors.New("later publications went out before")
	errUnsure   = errors.New("its place is not known")
	errCopy     = errors.New("it went out already")
	errOutdated = errors.New("sealed with a key that the master has replaced")
)

// Seen reports whether a copy was here, and its number among those that went out: 0 when it was dealt with otherwise.
func (f *Follower) Seen(frame []byte) (number uint64, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mem.seen(frameKey(frame))
}

// mayGo tells whether an entry that was not seen may go out: nil, errLate or errUnsure.
func (f *Follower) mayGo(e *Entry) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	o := &f.mem.at.Order
	switch v := o.judge(e.Tap); {
	case v == verdictLate:
		return errLate
	case o.whole(e.Tap), e.placed == o.Out+1:
		return nil
	}
	return errUnsure
}

// directMayGo is mayGo for what the direct link brought since it was made at a time.
func (f *Follower) directMayGo(joined time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	o := &f.mem.at.Order
	v := o.judge(directWay)
	return v == verdictGo || v == verdictUnsure && o.behind(joined.Add(-clockSlack))
}

// breaks notes that something may be missing on a way; shows that a way has shown what went out with that number.
func (f *Follower) breaks(way string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mem.at.Order.breaks(way)
}

func (f *Follower) shows(way string, number uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mem.at.Order.shows(way, number, f.now())
}

// claim notes that a publication went out, dropped when it comes again.
func (f *Follower) claim(way string, frame []byte, at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	number := f.mem.at.Order.goes(way, at, f.now())
	var unit outbox.Unit
	f.mem.note(&unit, number, frameKey(frame))
	f.mem.commit(unit)
}

// dispose notes that a publication will not go out.
func (f *Follower) dispose(frame []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var unit outbox.Unit
	f.mem.note(&unit, 0, frameKey(frame))
	f.mem.commit(unit)
}

// open notes, on disk before it returns, that what goes out next has a hole before it which the stream may fill.
func (f *Follower) open() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mem.at.Order.Open = f.mem.at.Order.Out + 1
	if err := f.mem.sync(); err != nil {
		f.mem.warn(err)
	}
}

// settle notes that nothing goes out any more in this life: all numbers are on disk with it.
func (f *Follower) settle() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mem.at.Order.Open = 0
	f.mem.commit(outbox.Unit{})
}

// placing is what was found out about an entry of a way with a hole.
type placing uint8

const (
	placeLater placing = iota // it is later than all that went out
	placeKnown                // the next offer will tell
	placeCopy                 // the copy of another tap, further on, is the one to look at
	placeLost                 // something later went out, or that cannot be excluded
)

// How long the place of an entry is looked for, how often, and how far the clocks of taps and outlets may differ.
const (
	placeWait  = 3 * time.Second
	placeLook  = 20 * time.Millisecond
	clockSlack = 2 * time.Second
	// tapAlive is how long after its last entry another tap is expected to bring the same.
	tapAlive = time.Minute
)

// place finds the place of an entry that stands behind a hole of its tap. Another way that has none is given a moment to
// bring it, or what it fills the hole with. Without one, an entry that the tap heard after all else went out is later;
// what is further on in the stream may show the opposite.
func (f *Follower) place(ctx context.Context, e *Entry, later []Entry) placing {
	deadline := f.now().Add(min(placeWait, f.cfg.MaxAge-f.now().Sub(e.Time)))
	for ctx.Err() == nil {
		if more, _, _, err := f.cfg.Log.Read(ctx, e.ID, readEntries, -1); err == nil {
			later = more // a stream that cannot be read shows nothing; the deadline holds
		}
		if p, ok := f.placeNow(e, later, !f.now().Before(deadline)); ok {
			return p
		}
		sleep(ctx, placeLook)
	}
	return placeKnown
}

// placeNow is one look; over says that nothing is worth waiting for any more.
func (f *Follower) placeNow(e *Entry, later []Entry, over bool) (placing, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	o := &f.mem.at.Order
	if _, ok := f.mem.seen(frameKey(e.Frame)); ok || !o.way(e.Tap).Broken {
		return placeKnown, true
	}
	for i := range later {
		n := &later[i]
		number, _ := f.mem.seen(frameKey(n.Frame))
		switch {
		case len(n.Frame) == 0:
		case n.Tap == e.Tap && number > 0:
			return placeLost, true
		case n.Tap != e.Tap && string(n.Frame) == string(e.Frame) && o.whole(n.Tap):
			return placeCopy, true
		}
	}
	switch {
	case !over && f.helped(e.Tap):
		return 0, false
	case o.judge(e.Tap) == verdictGo, e.Time.UnixMilli() > o.OutAt+clockSlack.Milliseconds():
		e.placed = o.Out + 1
		return placeLater, true
	case over:
		return placeLost, true
	}
	return 0, false
}

// helped reports whether another way without a hole is there.
func (f *Follower) helped(tap string) bool {
	o := &f.mem.at.Order
	for name, w := range o.Ways {
		if name != tap && !w.Broken && (name == directWay || f.now().Sub(w.heard) < tapAlive) {
			return true
		}
	}
	return false
}
