// Package outbox is the durable memory of a syndic: what waits for each master of masters, and the small
// facts that must outlive a restart (spec: syndic §13).
//
//	Put ────┐                   ┌─ done([]Outcome)  unit 1
//	Put ────┼─► bounded input ─► committer ─ one batch, one sync ─┼─ done([]Outcome)  unit 2
//	SetFact ┤   (full: caller    (≤ 5000 entries or 4 MiB)        └─ …
//	Ack ────┘    waits)                │
//	                                   ▼
//	        queue "mom1": events ▪▪▪▪▪    returns ▪▪▪    ──Take──► sender ──Ack──► gone
//	        queue "mom2": …
//
// There is no timer before a commit: while one group is being synced, the next one gathers. An outcome without
// an error is a promise that the item survives a power cut, and is offered by Take until it was acknowledged,
// or dropped by a bound and counted.
//
// # Delivery
//
// At least once. Take hands out without removing. Ack takes effect for the next Take at once and reaches the
// disk with the next group; it is synced with the next Put, Sync, or within a second. So after a crash, items
// of the last acknowledgements may be offered again, in the same order and with the same content. The other
// half of exactly once is the receiver's duplicate check. Towards the local bus the key of an item makes a
// repeated Put harmless, also after a restart.
//
// # When a queue is full
//
// A queue is bounded by items, bytes and age. To make room, the oldest items of the lowest kind go first, and
// only kinds that are not worth more than the new item: an event never displaces a return. What a Take handed
// out is never dropped before its Ack. When nothing may go, the new item is refused with ErrFull. All of it is
// counted, and logged at most once a minute for each queue. Age is by the wall clock.
//
// # When the disk fails
//
// Below Options.MinFree free bytes, Put, SetFact and Queue (of a new name) fail with ErrDiskFull, while Take
// and Ack go on and give space back. That state ends by itself when there is space again. When a write fails
// in spite of it (ENOSPC, a quota, EIO), the engine cannot go on: the store closes it, reports the cause in
// State, answers ErrDiskFull or ErrUnavailable, and opens it anew with back-off (0.1 s to 10 s) for as long as
// it takes. What was promised is on disk and is there again; nothing has to be restarted. Only when the failed
// engine does not close within 5 s, or the files are damaged, is the store dead: Dead delivers the cause, every
// call that writes fails with ErrDead, and the process has to be restarted. Open does not wait for space: it fails.
// A disk without any free byte cannot even be emptied by Ack: keep MinFree.
//
// A unit whose sync failed is answered with an error but may be found on disk afterwards: repeat it with the
// same keys.
//
// # Threads
//
// All methods may be called from any goroutine, but a queue has one consumer: Take and Ack of one queue belong
// to one goroutine. One committer goroutine does every write and calls every done function; a done function
// must not block and must not call a method that queues or waits (Put, Commit, Ack, SetFact, Queue, Drop,
// Sync, Expire, Close): with a full input that would wait for itself. The same holds for the function given to
// Facts. Items are not kept in memory: a queue of a million costs as much as an empty one.
//
// # Layout on disk, format 1
//
// All numbers big endian; times are nanoseconds since 1970 UTC; id = 4 bytes; seq = 8 bytes; uv = uvarint.
//
//	m/format                "1"
//	m/facts                 01 uv(facts that expire)
//	n<name>                 01 id                       a queue
//	q id c                  01 …                        its counters and lanes, see record.go
//	q id i kind seq         01 time(8) uv(len) key body a waiting item
//	q id d key              seq                         a key seen before
//	q id e seq              time(8) key                 the same in order of age
//	f<key>                  01 expires(8) value         a fact; expires 0 = never
//	t expires(8) key        (empty)                     facts in the order in which they expire
//
// The counters of a queue are written in the batch that changes its items: they balance after any crash.
//
// The package imports nothing of this module: bodies are bytes that it does not look into.
package outbox
