// Package event is the master's event bus and its two local stream sockets (spec: event-bus).
//
//	master code ── Fire ──┐                      ┌─ queue ─► Subscription.C        (in process)
//	                      ├─► Bus (one order) ───┼─ queue ─► master_event_pub.ipc  ─► stock and saltern readers
//	salt-run, salt-key ───┘                      └─ queue ─► master_event_pub.ipc  ─► …
//	   master_event_pull.ipc
//
// Every event has one frame, encoded once and shared by all socket subscribers. Fire never blocks: a queue is
// bounded by events and bytes, and when it is full an in-process subscription loses the event (Lost counts it)
// while a socket subscriber is cut off (stock clients connect again).
//
// Two framings exist (spec: newer-salt, last section): bare MessagePack, and since 3006.26 a length of 4 bytes before
// each frame. Who reads recognises it from the first byte; who publishes has to be told (ServerConfig.Framing).
//
// Threads: Bus, Subscription, Server, Reader and Writer may be used from any goroutine, except that Reader.Next and
// FrameReader belong to one goroutine at a time. Server.Run owns all goroutines of the sockets and joins them.
//
// The package never imports pki, transport, jobcache, master or syndic.
package event
