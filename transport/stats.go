package transport

import "sync/atomic"

// RequestStats is a snapshot of a RequestServer. All but Connections, Waiting and WaitingBytes only grow.
type RequestStats struct {
	Connections       int    // TCP peers, also those that have not shaken hands
	Accepted          uint64 // connections ever
	AcceptFailures    uint64 // mostly: out of file descriptors. Needs attention at once
	HandshakeFailures uint64 // not ZMTP, or silent too long
	PeersCut          uint64 // after the handshake: broke the protocol or a limit, or stalled in the middle of something

	Received        uint64 // messages read
	Sent            uint64 // replies handed to connections, of every kind
	NoDelimiter     uint64 // dropped without an answer: there was no empty frame, so no way to answer
	Malformed       uint64 // answered with Malformed
	RefusedStopping uint64 // answered with Shutdown
	Panics          uint64 // answered with Exception, unless the handler had replied before
	LateReplies     uint64 // Reply called a second time or too late
	PeerGone        uint64 // reply lost: the peer had disconnected
	PeerFull        uint64 // reply lost: the peer does not read
	SendErrors      uint64 // reply lost for another reason

	Classes []ClassStats // in the order of RequestServerConfig.Classes
}

// ClassStats is the part of one class.
type ClassStats struct {
	Name         string
	Waiting      int64  // requests taken and not answered, now
	WaitingBytes int64  // their bodies
	Received     uint64 // requests of this class
	Refused      uint64 // answered with Class.Answer
	Stalls       uint64 // times reading from a peer stopped for this class
}

type requestCounters struct {
	received, sent, noDelimiter, malformed, refusedStopping atomic.Uint64
	panics, late, peerGone, peerFull, sendErrors            atomic.Uint64
}

// Stats returns the counters as they are now.
func (s *RequestServer) Stats() RequestStats {
	c, l := &s.count, s.listener.Stats()
	st := RequestStats{
		Connections: l.Connections, Accepted: l.Accepted, AcceptFailures: l.AcceptFailures,
		HandshakeFailures: l.HandshakeFailures, PeersCut: l.ProtocolErrors + l.Stalled + l.Evicted + l.Mute,
		Received: c.received.Load(), Sent: c.sent.Load(), NoDelimiter: c.noDelimiter.Load(),
		Malformed: c.malformed.Load(), RefusedStopping: c.refusedStopping.Load(), Panics: c.panics.Load(),
		LateReplies: c.late.Load(), PeerGone: c.peerGone.Load(), PeerFull: c.peerFull.Load(),
		SendErrors: c.sendErrors.Load(),
		Classes:    make([]ClassStats, 0, len(s.classes)),
	}
	for _, q := range s.classes {
		st.Classes = append(st.Classes, q.stats())
	}
	return st
}
