package jobcache

import "github.com/saltern-io/saltern/jobcache/durable"

// write is one queued request. Exactly one of the payload groups is set.
type write struct {
	ret     Return // with doneOne
	doneOne func(Outcome)

	rets     []Return // with doneMany: one unit, never split over two groups
	doneMany func([]Outcome)

	apply func(*group) error // with doneErr: jobs, lists, expiry
	// doneErr gets the result of the group's commit, or of apply.
	doneErr func(error)

	returns int // counts towards the limits of a group
	bytes   int64
}

func (w *write) weight() durable.Weight { return durable.Weight{Count: w.returns, Bytes: w.bytes} }

// newQueue is bounded by returns and bytes.
func newQueue(maxReturns int, maxBytes int64) *durable.Queue[write] {
	return durable.NewQueue(durable.Weight{Count: maxReturns, Bytes: maxBytes}, durable.Weight{Count: groupReturns, Bytes: groupBytes}, (*write).weight)
}
