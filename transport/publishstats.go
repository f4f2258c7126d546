package transport

// PublishStats is a snapshot of a PublishServer. All but Connections and Queued only grow.
type PublishStats struct {
	Connections       int    // TCP peers, also those that have not shaken hands
	Accepted          uint64 // connections ever
	AcceptFailures    uint64 // mostly: out of file descriptors. Needs attention at once
	HandshakeFailures uint64 // not ZMTP, or silent too long

	Queued        int    // calls of Publish that wait
	Messages      uint64 // handed to libzmq
	Bytes         uint64 // of their frames, once each
	Stalls        uint64 // times a burst waited for subscribers
	StallTimeouts uint64 // times it gave up on some of them
	Lossy         uint64 // messages that subscribers with a full queue missed. What such a subscriber misses
	// afterwards, until it reads again, libzmq does not tell
	Abandoned uint64 // messages whose caller gave up while they were queued
}

// Stats returns the counters as they are now.
func (s *PublishServer) Stats() PublishStats {
	c := &s.count
	return PublishStats{
		Connections: int(c.connections.open.Load()), Accepted: c.connections.accepted.Load(),
		AcceptFailures: c.connections.acceptFailed.Load(), HandshakeFailures: c.connections.handshakeFailed.Load(),
		Queued: len(s.queue), Messages: c.messages.Load(), Bytes: c.bytes.Load(), Stalls: c.stalls.Load(),
		StallTimeouts: c.stallTimeouts.Load(), Lossy: c.lossy.Load(), Abandoned: c.abandoned.Load(),
	}
}
