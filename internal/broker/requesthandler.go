package broker

import (
	"context"

	"github.com/saltern-io/saltern/transport/zmtp"
)

// requestHandler connects the request port with requests.
type requestHandler struct {
	requests *requests
	ctx      context.Context // of the broker's life: ends the waits
}

// Opened implements zmtp.Handler.
func (h *requestHandler) Opened(c *zmtp.Conn) error {
	c.Tag = h.requests.opened(c)
	return nil
}

// Message implements zmtp.Handler.
func (h *requestHandler) Message(c *zmtp.Conn, frames [][]byte) {
	h.requests.request(h.ctx, c.Tag.(*requester), frames)
}

// Subscribed implements zmtp.Handler; it is not called for this role.
func (h *requestHandler) Subscribed(*zmtp.Conn, []byte, bool) error { return nil }

// Closed implements zmtp.Handler.
func (h *requestHandler) Closed(c *zmtp.Conn, _ error) { h.requests.closed(c.Tag.(*requester)) }
