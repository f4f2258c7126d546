package outbox

import "github.com/saltern-io/saltern/jobcache/durable"

// op is one queued request. Exactly one of done, doneErr, ack and tick is set.
type op struct {
	unit Unit
	done func([]Outcome) // of the unit

	apply   func(*group) error
	doneErr func(error) // result of the group's commit, or of apply
	sync    bool        // with doneErr: the group must be synced, whatever is in it

	ack *ack

	tick bool // housekeeping

	entries int // counts towards the limits of a group
	bytes   int64
}

func (o *op) weight() durable.Weight { return durable.Weight{Count: o.entries, Bytes: o.bytes} }

// newInput is bounded by entries and bytes. When it is full, a Put waits: that is the back-pressure which reaches the
// reader of the bus.
func newInput(maxEntries int, maxBytes int64) *durable.Queue[op] {
	return durable.NewQueue(durable.Weight{Count: maxEntries, Bytes: maxBytes}, durable.Weight{Count: groupEntries, Bytes: groupBytes}, (*op).weight)
}
