package syndic

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/event"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/transport"
)

// localTimeout bounds one publish request to the local master when the publication names no time.
const localTimeout = 30 * time.Second

// Downstream is the local master as the syndic sees it: a client of its request port and a reader
// of its event bus, nothing else, so that it may be stock or saltern.
type Downstream struct {
	cfg    *config.Syndic
	log    *slog.Logger
	client *transport.RequestClient

	mu  sync.Mutex
	key string // the local key; read again when the master refuses it
}

func newDownstream(cfg *config.Syndic, zctx *transport.Context, log *slog.Logger) (*Downstream, error) {
	client, err := transport.NewRequestClient(transport.RequestClientConfig{
		Context: zctx, Endpoint: transport.Endpoint(cfg.Interface, cfg.RetPort), Log: log,
	})
	if err != nil {
		return nil, fmt.Errorf("connect to the local master: %w", err)
	}
	return &Downstream{cfg: cfg, log: log, client: client}, nil
}

// localKey returns the root key of the local master, from its file when again is true.
func (d *Downstream) localKey(again bool) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.key != "" && !again {
		return d.key, nil
	}
	path := filepath.Join(d.cfg.CacheDir, "."+strings.ReplaceAll(d.cfg.User, string(filepath.Separator), "_")+"_key")
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read the local master's key: %w", err)
	}
	if len(data) > 4096 {
		return "", fmt.Errorf("read the local master's key: %s has %d bytes", path, len(data))
	}
	d.key = string(data)
	return d.key, nil
}

// Publish hands one publication to the local master under the same jid (spec: syndic §5). Every key
// of the publication is passed on. A job that matches nobody here is no error: minions is empty.
func (d *Downstream) Publish(ctx context.Context, pub *wire.Map) (minions []string, err error) {
	again := false
	for range 2 {
		key, err := d.localKey(again)
		if err != nil {
			return nil, err
		}
		reply, err := d.publish(ctx, pub, key)
		switch {
		case err != nil && !errors.Is(err, wire.ErrReply):
			return nil, err
		case err != nil, reply.ErrName == "AuthenticationError":
			// The local master was restarted with a new key, or does not know us yet.
			if again {
				return nil, fmt.Errorf("the local master refuses the key of %s: %w", d.cfg.User, errors.Join(err, errors.New(reply.Err)))
			}
			again = true
			continue
		case reply.ErrName != "":
			return nil, fmt.Errorf("the local master refuses: %s", reply.Err)
		case reply.Err != "":
			d.log.Debug("Nobody here for a publication", "jid", pub.Str("jid"), "answer", reply.Err)
			return nil, nil
		}
		return reply.Minions, nil
	}
	return nil, errors.New("the local master refuses the key")
}

func (d *Downstream) publish(ctx context.Context, pub *wire.Map, key string) (wire.PublishReply, error) {
	req, timeout := localRequest(pub, key, d.cfg.User, d.cfg.Local.OrderMasters)
	body, err := req.AppendEnvelope(nil, 3)
	if err != nil {
		return wire.PublishReply{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	reply, err := d.client.Do(ctx, body)
	if err != nil {
		return wire.PublishReply{}, fmt.Errorf("publish at the local master: %w", err)
	}
	return wire.ParsePublishReply(reply)
}

// localRequest is the publish request for one publication from above. Stock passes few of its keys
// on; masters of every release read the others from kwargs (spec: syndic §13.2).
func localRequest(pub *wire.Map, key, user string, orderMasters bool) (wire.PublishRequest, time.Duration) {
	fun, _ := pub.Get("fun")
	tgt, _ := pub.Get("tgt")
	kind := pub.Str("tgt_type")
	if kind == "" {
		kind = "glob"
	}
	rights := pub.List("auth_list")
	if rights == nil {
		rights = []any{}
	}
	kwargs := wire.NewMap("auth_list", rights)
	for _, k := range []string{"master_id", "user", "delimiter", "id", "ret_config", "metadata", "module_executors", "executor_opts", "ret_kwargs"} {
		if v, ok := pub.Get(k); ok && v != nil {
			kwargs.Set(k, v)
		}
	}
	req := wire.PublishRequest{
		Tgt: tgt, Fun: fun, Arg: pub.List("arg"), Key: key, TgtType: kind, Ret: pub.Str("ret"), JID: pub.Str("jid"),
		User: user, Kwargs: kwargs,
	}
	timeout := localTimeout
	if to := pub.Int("to"); to > 1 {
		// Each level keeps a second for itself.
		timeout = min(timeout, time.Duration(to-1)*time.Second)
		req.To, req.HasTo = int(to-1), orderMasters
	}
	return req, max(timeout, 5*time.Second)
}

// Events reads the local bus until ctx ends, handing each event to fn in order, and connects again
// whenever the bus goes away. Events of the gap are lost to this reader; the log says so.
func (d *Downstream) Events(ctx context.Context, ready func(), fn func(event.Event)) error {
	wait := newBackoff(50*time.Millisecond, time.Second)
	connected := false
	for {
		reader, err := event.Dial(ctx, filepath.Join(d.cfg.SockDir, event.PubSocket))
		if err == nil {
			if connected {
				d.log.Info("Local event bus is back", "dir", d.cfg.SockDir)
			}
			connected = true
			wait.reset()
			ready()
			err = d.read(ctx, reader, fn)
			reader.Close()
		}
		if ctx.Err() != nil {
			return nil
		}
		if wait.first() {
			d.log.Warn("Local event bus is away, trying again", "dir", d.cfg.SockDir, "err", err)
		}
		if !wait.sleep(ctx) {
			return nil
		}
	}
}

func (d *Downstream) read(ctx context.Context, reader *event.Reader, fn func(event.Event)) error {
	for {
		e, err := reader.Next(ctx)
		if err != nil {
			return err
		}
		fn(e)
	}
}

func (d *Downstream) close() error { return d.client.Close() }
