// Package jobcache keeps published jobs and the returns of minions (spec: job-cache §1).
//
// Store is the durable truth, on an embedded Pebble engine. LocalDir writes the few files that stock
// clients read directly (spec: job-cache §2) and is not durable truth.
//
//	SaveReturn ──┐                       ┌─ done(Outcome)  return 1
//	SaveReturn ──┼─► bounded queue ─► committer ─ one batch, one sync ─┼─ done(Outcome)  return 2
//	SaveLoad   ──┘   (full: caller       (≤ 5000 returns or 2 MB)      └─ …
//	                  waits)
//
// There is no timer: while one group is being synced, the next one gathers. An outcome without an
// error is a promise that the data survives a power cut.
//
// # Threads
//
// All methods may be called from any goroutine. One committer goroutine, started by Open and joined
// by Close, does every write and calls every done function; a done function must not block and must
// not call a method that queues (SaveLoad, AddMinions, SetEndTime, SaveReturn, SaveReturns, Expire):
// with a full queue that would wait for itself. Reads are snapshots and never wait for writes.
//
// # Layout on disk, format 1
//
// All numbers big endian; times are nanoseconds since 1970 UTC; n bytes = uvarint length and bytes;
// a list is a uvarint count and that many n bytes. Keys (jid and ids never hold a zero byte):
//
//	m/format                     "1"
//	j/<jid> 00 a                 01 flags time(8) n-bytes(load) list(minions) list(missing)
//	                             flags: 1 = has a load, 2 = nocache, 4 = published here; time = first heard of
//	j/<jid> 00 e                 01 text                  end time
//	j/<jid> 00 r <minion id>     01 time(8) body          a return, received at time
//	j/<jid> 00 s <syndic id>     01 time(8) list          minions a syndic reported
//	t/ time(8) <jid>             (empty)                  order of arrival, for listings
//	x/ time(8) <jid>             (empty)                  when the job was last found alive, for expiry
//	p/e/ ordinal(4)              01 name                  an epoch of the journal, numbered as they came
//	p/p/ ordinal(4) serial(8)    01 ms(8) load            a publication, in the order of sending
//	p/t                          01 ordinal(4) serial(8)  the last publication that was dropped
//	o/ seq(8)                    01 time(8) <jid> 00 <minion id>   a change to be exported; without an id of the job itself
//
// The first byte of a value is its version: a reader refuses what it does not know (ErrRecord). All
// keys of one job are neighbours, so that reading a job is one scan and dropping it one range deletion.
// Job ids are made on other hosts or typed by people; so age is never taken from the id.
//
// The package imports nothing of this module: loads and bodies are bytes that it does not look into.
package jobcache
