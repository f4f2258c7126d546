// Package broker stands between minions and their masters and passes on what both say, unchanged (spec:
// relay-and-broker §2).
//
//	minions                        Broker                                    masters, one active
//	 SUB  ◄──4505── publications ◄── queue ◄─────────────── publish half ◄── PUB
//	      ──topics──► topics ─────── first adds, last removes ─────────────►
//	 REQ  ──4506──► requests ─────── room, link ──────────► request half ──► ROUTER
//	      ◄───────── replies by routing frame ◄──────────────────────────────
//	                                 pilot: which upstream is active (election), contacts: who was heard of
//
// It holds no key and opens nothing: minions authenticate their master by its key, whatever lies between. Of a
// request it reads the minion's id where that stands in clear, for its counters; of a publication the topic frame.
//
// # What is bounded
//
// Requests in flight by number and bytes, in all and per connection: above it the connection is not read. Publications
// per subscriber: above it the subscriber is disconnected, never starved in silence. Topics, ids, connections, frame
// sizes: see the options. A request that finds no master for saltern_request_hold, or whose master is lost, is
// answered "bad load", as a master answers what it cannot read: the minion signs in again and repeats it.
//
// # Threading
//
// Each connection has a goroutine of its own (transport/zmtp); a minion's carries its request as far as the master's
// queue and waits there when it must. The pilot is one goroutine, and alone decides what is connected with what. Each
// shard of publications is one. Run waits for all of them. All locks are leaves but one: topics calls a connection's
// queue while it is held.
//
// It imports no crypto and no daemon.
package broker
