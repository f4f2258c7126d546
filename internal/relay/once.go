package relay

import (
	"sync"
	"time"
)

const (
	// onceTime is how long a report waits for the publication that shows the loss to the syndics as well.
	onceTime = time.Minute
	// maxOnce bounds the reports that wait.
	maxOnce = 1000
)

// once keeps an outlet from reporting what the syndics behind it report themselves. A saltern syndic finds a loss by the serial
// of the next publication under the same key, and names the jobs or asks for them. So a report about serials that are known
// waits for such a publication, and is over when one has gone out; when none does, it is fired.
//
//	missing 3 to 5 under a key ─▶ hold ─▶ 6 goes out under that key: the syndics see it
//	                                └─▶ nothing does for a minute, or the outlet ends: fired
//
// Safe for concurrent use.
type once struct {
	fire func(Missed) // does not wait

	mu    sync.Mutex
	held  []Missed
	timer *time.Timer // runs while there are some
}

// hold takes a report; false when it has to be fired at once.
func (o *once) hold(m Missed) bool {
	if m.epoch == "" || m.last == 0 {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.held) >= maxOnce {
		return false
	}
	o.held = append(o.held, m)
	if o.timer == nil {
		o.timer = time.AfterFunc(onceTime, o.overdue)
	}
	return true
}

// passed takes that an entry went out.
func (o *once) passed(e *Entry) {
	if e.Epoch == "" || e.Serial == 0 {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	left := o.held[:0]
	for _, m := range o.held {
		if m.MoM != e.MoM || m.epoch != e.Epoch || m.last >= e.Serial {
			left = append(left, m)
		}
	}
	o.held = left
	if len(left) == 0 && o.timer != nil {
		o.timer.Stop()
		o.timer = nil
	}
}

// overdue fires all that wait: with what came last, the first ones have waited long enough.
func (o *once) overdue() {
	o.mu.Lock()
	held := o.held
	o.held = nil
	if o.timer != nil {
		o.timer.Stop()
		o.timer = nil
	}
	o.mu.Unlock()
	for _, m := range held {
		o.fire(m)
	}
}
