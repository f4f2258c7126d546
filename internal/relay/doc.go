// Package relay carries publications over a bad line: through a Redis stream, with positions, so that an outage delays a
// publication or gets it reported, but does not lose it in silence (spec: relay-and-broker §3).
//
//	master of masters                Redis or Valkey                    beside a syndic
//	  PUB 4505 ──► Tap ─ outbox ──XADD──► stream ──XREAD──► Follower ──► Sink: an Outlet's PUB port
//	     │               on disk          + :id             position, copies seen, age, gaps; on its own disk
//	     └────────────── direct link (mode both) ─────────────► race: the first copy wins; order: none goes out behind a later one
//	  ROUTER 4506 ◄──────────────────────────────────────────── requests, passed on unopened
//
// A Tap with an accepted key (tracker.go) opens what it hears for the serial alone, and fetches or names what it missed.
//
// Frames stay as the master sealed and signed them; nothing of what is stored is ever evaluated, and every field that
// comes back from Redis is checked like a stranger's bytes.
//
// # What is promised
//
// A tap writes a publication to its own disk before the stream; Redis may be away. An outlet stores its position after it
// delivered, so that a crash repeats the last ones; a stock syndic drops what it had by its serial, a saltern one by the
// job id. What is too old, missing (each tap numbers its entries), trimmed or lost with the stream is reported: in the log,
// in the counters, and as event saltern/relay/missed on the bus of the local master. Who subscribes anew at an outlet gets again
// what it may not have read, when it is sure to know what it had (handed.go, newcomer.go); otherwise that is reported.
//
// # Threading
//
// A Tap, an Outlet and a Follower have one Run each, which owns their goroutines and ends with its context. Sinks are
// called by the follower's goroutine alone. The package imports neither master nor syndic.
package relay
