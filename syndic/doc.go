// Package syndic relays between one local master and its masters of masters.
//
//	master of masters A          master of masters B          one Upstream each: its own sockets, keys,
//	 4505 │      ▲ 4506           4505 │      ▲ 4506          queue and retry, so that a dead one never
//	      ▼      │                     ▼      │               holds up another
//	 ┌─ subscribe  send ─┐       ┌─ subscribe  send ─┐
//	 │  upstream.go      │       │                   │
//	 └──────┬─────▲──────┘       └──────┬─────▲──────┘
//	        ▼     │ forward.go: which event goes to whom, in which batch (pure)
//	 publish (jid kept)  ▲ event bus
//	 └────── downstream.go: the local master, stock or saltern ──────┘
//
// Upward a syndic is a minion: it signs in, subscribes, and sends `_syndic_return` and
// `_minion_event`. Downward it is a local client: it publishes with the root key and reads the event
// bus, so the master beside it may be stock or saltern (spec: syndic §1).
//
// Threading: one goroutine reads the bus, and per upstream one runs the link, one takes publications
// in order, one sends batches. They share the forwarder (its own lock, no I/O under it) and the
// queues. The package never imports master.
package syndic
