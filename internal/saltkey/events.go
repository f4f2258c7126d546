package saltkey

import (
	"context"
	"net"
	"path/filepath"
	"strconv"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/event"
	"github.com/saltern-io/saltern/internal/wire"
)

// Events tells the master what happened to a key.
type Events interface {
	// Fire tells of one key. It never fails: the key is changed whether or not anybody hears.
	Fire(ctx context.Context, act, id string)
	// Close ends the connection.
	Close()
}

// eventTimeout bounds everything an event may cost.
const eventTimeout = 2 * time.Second

// bus fires through the event bus of the master on this host. Without a running master the event is
// lost in silence, as in stock Salt (spec: key-management-cli §4.7).
type bus struct {
	network, address string
	writer           *event.Writer
	dead             bool // tried and failed: do not try again for every key
}

// OpenEvents returns the way to tell the master of cfg. It connects with the first event.
func OpenEvents(cfg *config.Master) Events {
	if cfg.IPCMode == "tcp" {
		return &bus{network: "tcp", address: net.JoinHostPort("127.0.0.1", strconv.Itoa(cfg.TCPMasterPullPort))}
	}
	return &bus{network: "unix", address: filepath.Join(cfg.SockDir, event.PullSocket)}
}

func (b *bus) Fire(ctx context.Context, act, id string) {
	if b.dead {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), eventTimeout) // the key is changed: told even when the run was stopped
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

func (b *bus) Close() {
	if b.writer != nil {
		_ = b.writer.Close() // nothing is left to be told
	}
}
