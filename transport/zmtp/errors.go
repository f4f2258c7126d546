package zmtp

import "errors"

var (
	// ErrConfig reports a configuration that cannot work; the text names the field.
	ErrConfig = errors.New("zmtp configuration")
	// ErrClosed is returned by Send on a connection that has ended, and is the reason of a connection ended here.
	ErrClosed = errors.New("zmtp connection closed")
	// ErrQueueFull is returned by Send when the peer does not read fast enough. The message was not taken.
	ErrQueueFull = errors.New("zmtp send queue full")
	// ErrGreeting reports a peer that does not open as ZMTP 2.0 or later with the NULL mechanism.
	ErrGreeting = errors.New("not a ZMTP greeting with the NULL mechanism")
	// ErrPeerType reports a peer whose socket type does not fit ours.
	ErrPeerType = errors.New("socket type of the peer does not fit")
	// ErrFrame reports bytes that are no frame.
	ErrFrame = errors.New("malformed ZMTP frame")
	// ErrFrameSize reports a frame above MaxFrameBytes, or a command or subscription above its limit.
	ErrFrameSize = errors.New("ZMTP frame above the limit")
	// ErrMessageSize reports a message above MaxFrames or MaxMessageBytes whose Handler takes no such messages, or
	// one for which MaxPartialBytes left no room.
	ErrMessageSize = errors.New("ZMTP message above the limit")
	// ErrCommand reports a malformed command.
	ErrCommand = errors.New("malformed ZMTP command")
	// ErrPeer is the reason when the peer sent an ERROR command; the text has the peer's words.
	ErrPeer = errors.New("peer refused the connection")
	// ErrHandshakeTime is the reason when the handshake took longer than HandshakeTimeout.
	ErrHandshakeTime = errors.New("ZMTP handshake too slow")
	// ErrStalled is the reason when a peer left a message unfinished, or its replies unread, for too long.
	ErrStalled = errors.New("peer stalled")
	// ErrHeartbeat is the reason when a peer answered no PING, or its own announced time to live is over.
	ErrHeartbeat = errors.New("no heartbeat from the peer")
)
