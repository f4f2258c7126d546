package transport

import (
	"fmt"
	"sync/atomic"

	zmq "github.com/pebbe/zmq4"
)

// LinkKind is what happened to a connection.
type LinkKind uint8

const (
	// LinkConnected means that TCP and the ZMTP handshake are done: subscriptions are on their way.
	LinkConnected LinkKind = iota
	// LinkDisconnected means that the TCP connection ended; libzmq tries again by itself.
	LinkDisconnected
	// LinkHandshakeFailed means that something else than a fitting ZMTP peer answered.
	LinkHandshakeFailed
	// LinkRetrying means that the connection was refused or timed out and will be tried again.
	LinkRetrying
)

// String returns a word for logs.
func (k LinkKind) String() string {
	switch k {
	case LinkConnected:
		return "connected"
	case LinkDisconnected:
		return "disconnected"
	case LinkHandshakeFailed:
		return "handshake failed"
	case LinkRetrying:
		return "retrying"
	}
	return fmt.Sprintf("LinkKind(%d)", uint8(k))
}

// LinkEvent is one change of a client's connection. spec: transport §5.
type LinkEvent struct {
	Kind     LinkKind
	Endpoint string
	Err      error // why, for LinkHandshakeFailed
}

// linkQueue is how many events wait for a slow reader.
const linkQueue = 64

// clientEvents are the events a Subscriber turns into LinkEvents.
const clientEvents = zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED | zmq.EVENT_CONNECT_RETRIED | handshakeFailures

// linkFeed passes events on without ever blocking: the newest events count, so the oldest give way.
type linkFeed struct {
	events  chan LinkEvent
	dropped atomic.Uint64
}

// handle is called by the monitor's goroutine, the only sender.
func (f *linkFeed) handle(e zmq.Event, endpoint string, value int) {
	event := LinkEvent{Endpoint: endpoint}
	switch {
	case e == zmq.EVENT_HANDSHAKE_SUCCEEDED:
		event.Kind = LinkConnected
	case e == zmq.EVENT_DISCONNECTED:
		event.Kind = LinkDisconnected
	case e == zmq.EVENT_CONNECT_RETRIED:
		event.Kind = LinkRetrying
	case e&handshakeFailures != 0:
		event.Kind = LinkHandshakeFailed
		event.Err = fmt.Errorf("handshake with %s failed: %v (%d)", endpoint, e, value)
	default:
		return
	}
	for {
		select {
		case f.events <- event:
			return
		default:
		}
		select {
		case <-f.events:
			f.dropped.Add(1)
		default:
		}
	}
}
