package outbox

import (
	"errors"
	"time"

	"github.com/saltern-io/saltern/jobcache/durable"
)

// Limits of single things.
const (
	MaxKinds     = 8        // kinds are 0 to MaxKinds-1
	MaxKey       = 1024     // bytes of an item's or a fact's key
	MaxBody      = 64 << 20 // bytes of an item's body
	MaxFactValue = 1 << 20  // bytes of a fact's value
	MaxName      = 1024     // bytes of a queue's name
)

// ItemOverhead is what an item counts towards MaxBytes of its queue, beside its key and its body.
const ItemOverhead = 32

// Errors that callers decide by.
var (
	ErrClosed      = errors.New("outbox is closed")
	ErrDead        = errors.New("outbox failed and cannot recover without a restart")
	ErrDiskFull    = errors.New("outbox: disk is full")           // try again later
	ErrUnavailable = errors.New("outbox: store is unavailable")   // a failed write; try again later
	ErrFull        = errors.New("outbox: queue is full")          // of items that must not be dropped
	ErrItem        = errors.New("outbox: item is not acceptable") // kind, key or size out of limits
	ErrGone        = errors.New("outbox: queue was dropped")      // by Store.Drop
	ErrOrder       = errors.New("outbox: acknowledgement skips an item")
	ErrRecord      = errors.New("outbox: damaged record")
	ErrFormat      = durable.ErrFormat // written by a later release
	ErrBalance     = errors.New("outbox: counters do not balance")
	// ErrStop ends Facts early, which then returns nil.
	ErrStop = errors.New("stop")
)

// Item is one thing that waits.
type Item struct {
	Kind   uint8     // worth, 0 to MaxKinds-1; when the queue is full the lowest goes first
	Key    string    // for the duplicate check, at most MaxKey bytes; "" = none
	Body   []byte    // at most MaxBody bytes; must not change before done was called
	Stored time.Time // set by the store
}

func (i *Item) size() int64 { return int64(len(i.Key) + len(i.Body) + ItemOverhead) }

// Entry is an item and the queue it goes to.
type Entry struct {
	Queue *Queue
	Item  Item
}

// Outcome tells what became of an entry. The zero value: stored.
type Outcome struct {
	Duplicate bool  // the key was seen before in this queue; not stored again
	Dropped   int   // waiting items that had to go for this one
	Err       error // not stored
}

// Fact is a small thing to be remembered.
type Fact struct {
	Key    string        // 1 to MaxKey bytes
	Value  []byte        // at most MaxFactValue bytes
	TTL    time.Duration // forgotten after this time; 0 = never
	Delete bool          // forget it now; Value and TTL are ignored
}

// Unit is stored as a whole or not at all, in one group commit.
type Unit struct {
	Entries []Entry
	Facts   []Fact
}

// Taken is an item handed out by Take.
type Taken struct {
	Item
	Seq uint64 // order within the queue, never reused

	prev uint64 // the item of the same kind before it, 0 for the first one waiting
}
