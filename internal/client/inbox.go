package client

import (
	"strings"
	"sync"

	"github.com/saltern-io/saltern/internal/event"
)

// Bounds of what a Job keeps unread.
const (
	inboxEvents = 1 << 16
	inboxBytes  = 256 << 20
)

// inbox holds the events of one job between the bus goroutine and the job's.
//
// While a publication is under way its jid is unknown, so every job event is kept (wide); when that
// fills the inbox, events of other jobs go, then the oldest. Otherwise only the job's own are kept. An
// inbox full of those ends the job with ErrBusy: its reader has stopped reading.
type inbox struct {
	mu     sync.Mutex
	events []event.Event
	bytes  int
	jids   map[string]bool // of the job and of its find_job publications
	wide   bool
	wake   chan struct{} // has room for one: there is something to take
	err    error
}

func newInbox() *inbox {
	return &inbox{wake: make(chan struct{}, 1), jids: map[string]bool{}, wide: true}
}

// put adds an event if it is wanted. It never blocks.
func (b *inbox) put(e event.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil || !b.wants(e.Tag, b.wide) {
		return
	}
	if b.full(e) && len(b.jids) > 0 {
		b.compact()
	}
	for b.full(e) {
		if len(b.jids) > 0 || len(b.events) == 0 {
			b.fail(ErrBusy)
			return
		}
		b.bytes -= len(b.events[0].Data)
		b.events = b.events[1:]
	}
	b.events = append(b.events, e)
	b.bytes += len(e.Data)
	b.signal()
}

// wants tells the job's events by their tags: a jid stands alone, or after the word job.
func (b *inbox) wants(tag string, wide bool) bool {
	rest, isJob := strings.CutPrefix(tag, "salt/job/")
	isSyndic := strings.HasPrefix(tag, "syndic/")
	if wide {
		return isJob || isSyndic
	}
	if isJob {
		jid, _, _ := strings.Cut(rest, "/")
		return b.jids[jid]
	}
	if isSyndic {
		for part := range strings.SplitSeq(tag, "/") {
			if b.jids[part] {
				return true
			}
		}
	}
	return false
}

func (b *inbox) full(e event.Event) bool {
	return len(b.events) >= inboxEvents || b.bytes+len(e.Data) > inboxBytes
}

// widen keeps the events of all jobs until the next follow.
func (b *inbox) widen() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wide = true
}

// follow adds a jid to those whose events are wanted ("" adds none) and forgets the other jobs' events.
func (b *inbox) follow(jid string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if jid != "" {
		b.jids[jid] = true
	}
	b.wide = false
	b.compact()
	b.signal()
}

// compact drops what belongs to other jobs.
func (b *inbox) compact() {
	kept := b.events[:0]
	b.bytes = 0
	for _, e := range b.events {
		if b.wants(e.Tag, false) {
			kept = append(kept, e)
			b.bytes += len(e.Data)
		}
	}
	clear(b.events[len(kept):])
	b.events = kept
}

// take empties the inbox.
func (b *inbox) take() ([]event.Event, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	events := b.events
	b.events, b.bytes = nil, 0
	return events, b.err
}

// fail makes take return err after what is still there. The caller holds the lock.
func (b *inbox) fail(err error) {
	if b.err == nil {
		b.err = err
	}
	b.signal()
}

func (b *inbox) signal() {
	select {
	case b.wake <- struct{}{}:
	default: // already told
	}
}
