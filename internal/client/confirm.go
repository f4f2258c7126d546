package client

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/saltern-io/saltern/internal/event"
	"github.com/saltern-io/saltern/internal/wire"
)

// confirmEvery is how long one sign of life is waited for.
const confirmEvery = 50 * time.Millisecond

// confirm makes sure that the master has taken up a new bus connection. On a busy host it may accept
// one later than it answers a publish request, and the first returns would go by unseen; there is no
// replay. So a tick, which every reader ignores, is fired until something comes back.
//
// A stock master accepts and publishes in one loop, in order, and needs no such thing: its
// publish_pull.ipc is a socket, saltern's a plain file. Callers who may not fire go on unconfirmed.
func (c *Client) confirm(ctx context.Context, bus *event.Reader) {
	if c.cfg.BusAddress != "" {
		return
	}
	info, err := os.Stat(filepath.Join(c.cfg.SockDir, event.PublishPullSocket))
	if err != nil || !info.Mode().IsRegular() {
		return
	}
	pull, err := event.DialPull(ctx, filepath.Join(c.cfg.SockDir, event.PullSocket))
	if err != nil {
		c.log.Debug("Bus connection is not confirmed", "err", err)
		return
	}
	defer func() {
		if err := pull.Close(); err != nil {
			c.log.Debug("Pull socket did not close", "err", err)
		}
	}()
	for ctx.Err() == nil {
		tick, err := event.New(event.TagTick, wire.NewMap(), time.Now())
		if err == nil {
			err = pull.Fire(ctx, tick)
		}
		if err != nil {
			c.log.Debug("Bus connection is not confirmed", "err", err)
			return
		}
		if heard(ctx, bus) {
			return
		}
	}
}

// heard waits a moment for any event. A broken connection counts: reading it will tell.
func heard(ctx context.Context, bus *event.Reader) bool {
	ctx, stop := context.WithTimeout(ctx, confirmEvery)
	defer stop()
	_, err := bus.Next(ctx)
	return !errors.Is(err, context.DeadlineExceeded)
}
