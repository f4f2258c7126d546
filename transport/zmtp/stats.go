package zmtp

import "sync/atomic"

// Stats is a snapshot of a Listener. All but Connections, Unfinished only grow.
type Stats struct {
	Connections       int    // TCP peers, also those that have not shaken hands
	Unfinished        int64  // bytes of messages not yet taken by the Handler
	Accepted          uint64 // connections ever
	AcceptFailures    uint64 // mostly: out of file descriptors. Needs attention at once
	Refused           uint64 // above MaxConnections
	HandshakeFailures uint64 // not ZMTP, a role that does not fit, or too slow
	ProtocolErrors    uint64 // cut after the handshake for what they sent
	Stalled           uint64 // cut because they sent or read nothing in the middle of something
	Evicted           uint64 // cut to make room under MaxPartialBytes
	Mute              uint64 // cut for want of a heartbeat
}

type counters struct {
	open atomic.Int64

	accepted, acceptFailed, refused, handshakeFailed, protocol, stalled, evicted, mute atomic.Uint64
}

func (h *hub) snapshot() Stats {
	c := &h.stats
	return Stats{
		Connections: int(c.open.Load()), Unfinished: h.partial.Load(), Accepted: c.accepted.Load(), AcceptFailures: c.acceptFailed.Load(),
		Refused: c.refused.Load(), HandshakeFailures: c.handshakeFailed.Load(), ProtocolErrors: c.protocol.Load(),
		Stalled: c.stalled.Load(), Evicted: c.evicted.Load(), Mute: c.mute.Load(),
	}
}
