// Package syndic relays between one local master and its masters of masters.
//
//	master of masters A          master of masters B          one Upstream each: its own I/O thread, sockets,
//	 4505 │      ▲ 4506           4505 │      ▲ 4506          keys, queue and retry, so that a dead one never
//	      ▼      │                     ▼      │               holds up another
//	 ┌─ subscribe  send ─┐       ┌─ subscribe  send ─┐        upstream.go  sign in, verdicts, back-off
//	 │  gap.go    box.go │       │                   │        gap.go       order, and what is missing (pure)
//	 └──────┬─────▲──────┘       └──────┬─────▲──────┘        box.go       batches until they are acknowledged
//	        │     └── intake.go: outbox on disk, one queue each ◀─┐
//	        ▼ relay.go                     forward.go: which event goes to whom, in which form (pure)
//	 publish (jid and path kept)           ▲ event bus
//	 └────── downstream.go: the local master, stock or saltern ──────┘
//
// Upward a syndic is a minion: it signs in, subscribes, asks for a pillar once, and sends
// `_syndic_return` and `_minion_event`. Downward it is a local client: it publishes with the root key
// and reads the event bus, so the master beside it may be stock or saltern (spec: syndic §1).
//
// What is promised: the publications of one upstream are handed down in their order, each job id once,
// and only while somebody listens for its returns; what is missing is fetched or reported. A return
// goes to the upstream that delivered its job first; it is on disk from its group's commit until it was
// acknowledged, over restarts and kills, at least once, and once at a saltern master. All memory and
// all queues are bounded; what a bound costs is counted in Stats and logged.
//
// Threading: one goroutine reads the bus; when the outbox does not keep up, it waits. Per upstream one
// goroutine runs the link and one hands publications down; while it is signed in, one each receives,
// opens and orders publications, sends batches, asks for what is missing, tells the inventory, watches
// the connection and asks for the pillar. They share the forwarder (its own lock, no I/O under it) and
// the outbox; every goroutine ends before Run returns. The package never imports master.
package syndic
