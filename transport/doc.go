// Package transport owns every ZeroMQ socket of saltern: the request server (ROUTER) and the publisher (PUB) of
// a master, the request client (REQ) and the subscriber (SUB) of whoever talks to one. It moves frames and
// bytes; it knows nothing of what they mean.
//
//	 stock and saltern peers                       one process
//	┌───────────────┐   tcp    ┌─────────────────────────────────────────────────┐
//	│ REQ minion,   │  4506    │ ROUTER ── owner goroutine ──► class queue ──► N workers: Handle
//	│ CLI, syndic   │◄────────►│    ▲            ▲                                  │
//	└───────────────┘          │    └─ replies ──┴── wake (inproc PUSH/PULL) ◄──────┘ Request.Reply
//	┌───────────────┐  4505    │                                                 │
//	│ SUB minion    │◄─────────│ PUB ◄── owner goroutine ◄── bounded queue ◄── Publish
//	└───────────────┘          └─────────────────────────────────────────────────┘
//
// # Threading
//
// A ZeroMQ socket shared by two goroutines at the same time ends the process, so no socket leaves this package
// and each has one owner at any moment: the goroutine in RequestServer.Run, PublishServer's own, the caller
// holding RequestClient's turn, the goroutine in Subscriber.Run, and one per monitor. Everything else reaches
// them through Go queues; a sleeping owner is woken by one byte over inproc. All exported methods may be called
// from any goroutine unless their comment says otherwise. Options are read when a socket is made.
//
// # Bounds
//
// Every queue here has a limit and says what happens when it is reached: request classes stop reading (the
// kernel then slows the sender) or answer at once; Publish waits for its context; a stuck subscriber holds a
// burst up for a bounded time and then misses messages; a Subscriber stops reading; link events drop the oldest.
// What libzmq cannot bound, and an operator should know: the frames of one unfinished multi-part message, and the
// number of subscriptions one connection makes (both live as long as that connection); and a peer that guesses
// the next routing id of a ROUTER makes libzmq abort, which seeding makes as good as impossible for few peers
// but not for many (see seed.go). Firewall both ports against hosts that are no minions.
//
// The package imports nothing of saltern: neither wire nor keys nor configuration. It logs to the logger it is
// given and counts in Stats snapshots. spec: transport §2.1–2.3, §4.1–4.3, §5.
package transport
