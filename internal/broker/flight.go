package broker

import "time"

// flight is one request that was sent to the master and not answered yet.
type flight struct {
	from     *requester
	via      *uplink
	at       time.Time
	bytes    int64
	envelope [][]byte // what came before the body, for an answer of our own; nil for the plain empty delimiter

	prev, next *flight // in flightList, by at
}

// flightList keeps flights in the order of their departure.
type flightList struct {
	first, last *flight
	n           int
	bytes       int64
}

func (l *flightList) push(f *flight) {
	f.prev, f.next = l.last, nil
	if l.last != nil {
		l.last.next = f
	} else {
		l.first = f
	}
	l.last = f
	l.n++
	l.bytes += f.bytes
}

func (l *flightList) remove(f *flight) {
	if f.prev != nil {
		f.prev.next = f.next
	} else {
		l.first = f.next
	}
	if f.next != nil {
		f.next.prev = f.prev
	} else {
		l.last = f.prev
	}
	f.prev, f.next = nil, nil
	l.n--
	l.bytes -= f.bytes
}

// room is the bound of all flights together. Who finds none waits in line; room is handed over, so that nobody who
// comes later passes. The owner's lock guards it.
type room struct {
	most, taken           int
	mostBytes, takenBytes int64
	line                  []*waiter
}

type waiter struct {
	bytes   int64
	granted chan struct{}
}

// fits: a request larger than all room is let through alone.
func (r *room) fits(bytes int64) bool {
	return r.taken < r.most && (r.takenBytes+bytes <= r.mostBytes || r.taken == 0)
}

// take takes room, or returns the place in the line.
func (r *room) take(bytes int64) *waiter {
	if len(r.line) == 0 && r.fits(bytes) {
		r.taken++
		r.takenBytes += bytes
		return nil
	}
	w := &waiter{bytes: bytes, granted: make(chan struct{})}
	r.line = append(r.line, w)
	return w
}

// give gives room back and hands it to those who wait longest.
func (r *room) give(bytes int64) {
	r.taken--
	r.takenBytes -= bytes
	r.admit()
}

func (r *room) admit() {
	for len(r.line) > 0 && r.fits(r.line[0].bytes) {
		w := r.line[0]
		r.line[0] = nil
		r.line = r.line[1:]
		r.taken++
		r.takenBytes += w.bytes
		close(w.granted)
	}
}

// leave ends a wait; room that was granted meanwhile goes back.
func (r *room) leave(w *waiter) {
	for i, other := range r.line {
		if other == w {
			r.line = append(r.line[:i], r.line[i+1:]...)
			r.admit() // the next one may be smaller
			return
		}
	}
	r.give(w.bytes)
}
