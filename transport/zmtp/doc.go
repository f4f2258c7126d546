// Package zmtp speaks ZMTP, the wire protocol of ZeroMQ, without libzmq: the listening side of ROUTER and PUB (and
// the other roles that fit them) for thousands of mostly idle peers, and a plain client for tests and bridges.
//
//	          ┌──────────── Listener ─────────────┐
//	accept ──►│ handshake ──► Conn ── reads ──────┼──► Handler.Message / Subscribed   (one goroutine per Conn)
//	          │                │                  │
//	          │                └─ bounded queue ◄─┼─── Conn.Send / SendEncoded        (any goroutine)
//	          │                     │             │
//	          │        written by the sender; a flusher goroutine only while the kernel's buffer is full
//	          └───────────────────────────────────┘
//
// It speaks ZMTP 3.1 and 3.0 (libzmq from 4.0 on) and 2.0 (libzmq 3.2) with the NULL mechanism, which is all that
// Salt uses. Peers are told apart by their connection alone: an identity a peer brings decides nothing, so nobody
// can take over another peer's replies or collide with them.
//
// # Threading
//
// Each Conn has one goroutine that reads and calls the Handler. A Handler that waits holds up its own peer and
// nobody else: TCP slows that peer down. Send never waits. All exported methods may be called from any goroutine,
// from within the Handler too, except that Close and Shutdown of a Listener wait for the Handlers.
//
// # Bounds
//
// Every byte is hostile. Limited are: connections, the time for a handshake, the size of a frame, the frames and
// bytes of a message, the bytes of all unfinished messages of a Listener, the time a message may stay unfinished, the length of a
// subscription, and the messages and bytes queued for a peer. How many subscriptions a peer may have is the
// Index's matter. A connection that waits for its next message owns no buffer.
//
// The package imports nothing of saltern. spec: transport §2.1, §2.2, §4.1, §4.2.
package zmtp
