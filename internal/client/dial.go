package client

import (
	"context"
	"path/filepath"

	"github.com/saltern-io/saltern/internal/event"
)

// dial connects to the event bus once.
func (c *Client) dial(ctx context.Context) (*event.Reader, error) {
	if c.cfg.BusAddress != "" {
		return event.DialNetwork(ctx, "tcp", c.cfg.BusAddress)
	}
	return event.Dial(ctx, filepath.Join(c.cfg.SockDir, event.PubSocket))
}
