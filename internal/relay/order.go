package relay

import "time"

// verdict is what is known about the place of a publication among those that went out.
type verdict uint8

const (
	verdictGo     verdict = iota // it is later than all that went out
	verdictLate                  // something later went out
	verdictUnsure                // the way that brought it has a hole, which may hide that
)

// String is the word for tests and logs.
func (v verdict) String() string { return [...]string{"go", "late", "unsure"}[min(v, 2)] }

// directWay is the name of the direct link among the ways; taps have names of their own.
const directWay = ""

// order tells whether a publication may still go out to a syndic that drops what is older than the last it got. Publications
// come by several ways, each in the order of the master: the direct link, and one for each tap that writes the stream. Those
// that go out are numbered, and for each way it is known which of them it has shown last:
//
//	went out   1   2   3   4   5
//	tap a      1       3            shown 3: an unknown one that comes next is later than 3 and, as the tap would have
//	direct     1   2   3   4   5    shown 4 before anything later, earlier than 4: late
//
// It does not matter how long ago that was or in which read of the stream. Only a hole in a way (a tap that was deaf, numbers
// that are missing, a cut of the direct link) hides it, until the way shows again something that went out.
//
// The zero value is ready. It has no clock and no socket, and is kept on disk with the position.
type order struct {
	Out   uint64          `json:"out,omitempty"`    // number of the newest publication that went out
	OutAt int64           `json:"out_at,omitempty"` // when, Unix milliseconds
	Ways  map[string]*way `json:"ways,omitempty"`
	// Open is the number of the first publication that went out over the direct link behind a hole of that link, while the
	// stream has not passed it: 0 = there is none. Numbers behind it may be lost in a crash.
	Open uint64 `json:"open,omitempty"`
}

// way is one of them.
type way struct {
	Shown  uint64    `json:"shown,omitempty"`  // the newest that went out of what it has shown
	Broken bool      `json:"broken,omitempty"` // there may be a hole behind Shown
	since  time.Time // when it was whole again; zero = long ago
	heard  time.Time // when its last entry was read
}

// way returns one, new ones begin with a hole.
func (o *order) way(name string) *way {
	w := o.Ways[name]
	if w != nil {
		return w
	}
	if o.Ways == nil {
		o.Ways = map[string]*way{}
	}
	if len(o.Ways) > maxTaps {
		for old := range o.Ways { // any: more taps than that do not write one stream
			if old != directWay {
				delete(o.Ways, old)
				break
			}
		}
	}
	w = &way{Broken: true}
	o.Ways[name] = w
	return w
}

// judge tells whether a publication that is not known yet, and comes by a way, may go out.
func (o *order) judge(name string) verdict {
	switch w := o.way(name); {
	case w.Shown == o.Out:
		return verdictGo
	case w.Broken:
		return verdictUnsure
	}
	return verdictLate
}

// goes notes that a publication of a way goes out now, and returns its number; at is its time.
func (o *order) goes(name string, at, now time.Time) uint64 {
	o.Out++
	o.OutAt = now.UnixMilli()
	o.shows(name, o.Out, at)
	return o.Out
}

// shows notes that a way has shown a publication that went out with that number, 0 = none; at is its time.
func (o *order) shows(name string, number uint64, at time.Time) {
	if number == 0 {
		return
	}
	w := o.way(name)
	if w.Broken {
		w.Broken, w.since = false, at
	}
	w.Shown = max(w.Shown, number)
	if name != directWay && o.Open > 0 && number >= o.Open {
		o.Open = 0
	}
}

// breaks notes that something may be missing on a way.
func (o *order) breaks(name string) { o.way(name).Broken = true }

// whole reports whether a way is known and has no hole.
func (o *order) whole(name string) bool {
	w := o.Ways[name]
	return w != nil && !w.Broken
}

// behind reports whether all that went out is earlier than what the direct link brought since a time, though that link has
// a hole: the way that brought the last one has been whole since before, and would have shown it.
func (o *order) behind(since time.Time) bool {
	if o.judge(directWay) == verdictGo {
		return true
	}
	for name, w := range o.Ways {
		if name != directWay && w.Shown == o.Out && !w.Broken && w.since.Before(since) {
			return true
		}
	}
	return false
}

// revived makes an order that was read from disk that of a new life: the direct link begins with a hole, and after a crash with
// an open hole nobody knows what else went out until now.
func (o *order) revived(now time.Time) {
	delete(o.Ways, directWay)
	if o.Open == 0 {
		return
	}
	o.Open = 0
	o.Out++
	o.OutAt = now.UnixMilli()
	for _, w := range o.Ways {
		w.Broken = true
	}
}
