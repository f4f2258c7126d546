package main

import (
	"context"
	"net"
	"path/filepath"
	"strconv"
	"time"

	"github.com/saltern-io/saltern/internal/event"
	"github.com/saltern-io/saltern/internal/wire"
)

// keyEvents tells the master what happened to a key.
type keyEvents interface {
	fire(ctx context.Context, act, id string)
	close()
}

// keyEventTimeout bounds everything an event may cost: the key is moved whether or not anybody hears.
const keyEventTimeout = 2 * time.Second

// busEvents fires through the event bus of the master on this host. Without a running master the event is
// lost in silence, as in stock Salt (spec: key-management-cli §4.7).
type busEvents struct {
	network, address string
	writer           *event.Writer
	dead             bool // tried and failed: do not try again for every key
}

func newKeyEvents(t *keyTool) keyEvents {
	if t.cfg.IPCMode == "tcp" {
		return &busEvents{network: "tcp", address: net.JoinHostPort("127.0.0.1", strconv.Itoa(t.cfg.TCPMasterPullPort))}
	}
	return &busEvents{network: "unix", address: filepath.Join(t.cfg.SockDir, event.PullSocket)}
}

func (b *busEvents) fire(ctx context.Context, act, id string) {
	if b.dead {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, keyEventTimeout)
	defer cancel()
	if b.writer == nil {
		w, err := event.DialPullNetwork(ctx, b.network, b.address, event.FramingAuto)
		if err != nil {
			b.dead = true
			return
		}
		b.writer = w
	}
	e, err := event.New(event.TagKey, wire.NewMap("result", true, "act", act, "id", id), time.Now())
	if err == nil {
		err = b.writer.Fire(ctx, e)
	}
	b.dead = err != nil
}

func (b *busEvents) close() {
	if b.writer != nil {
		_ = b.writer.Close() // nothing is left to be told
	}
}
