package transport

// PublishStats is a snapshot of a PublishServer. All but Connections and Queued only grow.
type PublishStats struct {
	Connections       int    // TCP peers, also those that have not shaken hands
	Accepted          uint64 // connections ever
	AcceptFailures    uint64 // mostly: out of file descriptors. Needs attention at once
	HandshakeFailures uint64 // not ZMTP, or silent too long

	Queued        int    // calls of Publish that wait
	Messages      uint64 // handed to the connections
	Bytes         uint64 // of their frames, once each
	Stalls        uint64 // times a burst waited for subscribers
	StallTimeouts uint64 // times it gave up on some of them
	Cut           uint64 // subscribers cut because they did not read: what was queued for them is lost
	PeersCut      uint64 // subscribers cut for other reasons: broke the protocol or a limit, or stalled
	Abandoned     uint64 // messages whose caller gave up while they were queued
}

// Stats returns the counters as they are now.
func (s *PublishServer) Stats() PublishStats {
	c, l := &s.count, s.listener.Stats()
	return PublishStats{
		Connections: l.Connections, Accepted: l.Accepted,
		AcceptFailures: l.AcceptFailures, HandshakeFailures: l.HandshakeFailures,
		PeersCut: l.ProtocolErrors + l.Stalled + l.Evicted + l.Mute,
		Queued:   len(s.queue), Messages: c.messages.Load(), Bytes: c.bytes.Load(), Stalls: c.stalls.Load(),
		StallTimeouts: c.stallTimeouts.Load(), Cut: c.cut.Load(), Abandoned: c.abandoned.Load(),
	}
}
