// Package transport owns every ZeroMQ socket of saltern: the request server (ROUTER) and the publisher (PUB) of
// a master, the request client (REQ) and the subscriber (SUB) of whoever talks to one. It moves frames and
// bytes; it knows nothing of what they mean.
//
//	 stock and saltern peers                    one process
//	┌───────────────┐   tcp    ┌──────────────────────────────────────────────────┐
//	│ REQ minion,   │  4506    │ connection goroutines ──► class queue ──► N workers: Handle
//	│ CLI, syndic   │◄────────►│        ▲                                  │      │
//	└───────────────┘          │        └──────────── Request.Reply ◄──────┘      │
//	┌───────────────┐  4505    │                                                  │
//	│ SUB minion    │◄─────────│ connections ◄── sender ◄── bounded queue ◄── Publish
//	└───────────────┘          └──────────────────────────────────────────────────┘
//
// The servers stand on transport/zmtp, which is Go; the clients are sockets of libzmq.
//
// # Threading
//
// A connection to a server has a goroutine that reads, classifies and queues its requests; whoever replies writes.
// The publisher has one goroutine that sends, so that the order is the same for all subscribers.
//
// A socket of libzmq shared by two goroutines at the same time ends the process, so no socket leaves this package
// and each has one owner at any moment: the caller holding RequestClient's turn, the goroutine in Subscriber.Run,
// and one per monitor. Everything else reaches them through Go queues; a sleeping owner is woken by one byte over
// inproc. All exported methods may be called from any goroutine unless their comment says otherwise. Options are
// read when a socket is made.
//
// # Bounds
//
// Every queue here has a limit and says what happens when it is reached. A request class answers at once, or stops
// reading from the peer whose request has no room, which the kernel then slows down; peers that wait so are served
// in the order they came. Publish waits for its context. A subscriber that does not read holds a burst up for a
// bounded time and is then cut. A Subscriber of ours stops reading; link events drop the oldest.
//
// What one peer can take is limited too: a frame (MaxMsgBytes), the frames and bytes of a message, a gigabyte for
// all messages not yet taken, a minute without progress in the middle of one, the time of the handshake, 4096
// subscriptions, HWM messages and 64 MiB unread replies or publications. The number of connections is limited by
// the process's descriptors alone: without any, new peers wait in the kernel and AcceptFailures grows.
//
// The package imports nothing of saltern: neither wire nor keys nor configuration. It logs to the logger it is
// given and counts in Stats snapshots. spec: transport §2.1–2.3, §4.1–4.3, §5.
package transport
