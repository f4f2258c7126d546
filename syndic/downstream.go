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

// localReconnect is the longest pause before the local master is looked for again.
const localReconnect = 500 * time.Millisecond

// Downstream is the local master as the syndic sees it: a client of its request port and a reader
// of its event bus, nothing else, so that it may be stock or saltern.
type Downstream struct {
	cfg    *config.Syndic
	log    *slog.Logger
	client *transport.RequestClient

	mu  sync.Mutex
	key string        // the local key; read again when the master refuses it
	bus chan struct{} // closed while the event bus is connected
}

func newDownstream(cfg *config.Syndic, zctx *transport.Context, log *slog.Logger) (*Downstream, error) {
	client, err := transport.NewRequestClient(transport.RequestClientConfig{
		Context: zctx, Endpoint: transport.Endpoint(cfg.Interface, cfg.RetPort), Log: log,
		Options: transport.SocketOptions{IPv6: cfg.IPv6, ReconnectMax: localReconnect},
	})
	if err != nil {
		return nil, fmt.Errorf("connect to the local master: %w", err)
	}
	return &Downstream{cfg: cfg, log: log, client: client, bus: make(chan struct{})}, nil
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

// AwaitBus waits until the event bus is connected. A job handed down before would have nobody to take
// its returns up.
func (d *Downstream) AwaitBus(ctx context.Context) error {
	d.mu.Lock()
	bus := d.bus
	d.mu.Unlock()
	select {
	case <-bus:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the event bus of the local master is away: %w", ctx.Err())
	}
}

// setBus notes whether the event bus is connected.
func (d *Downstream) setBus(connected bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if connected {
		close(d.bus)
		return
	}
	d.bus = make(chan struct{})
}

// Publish hands one publication to the local master under the same jid (spec: syndic §5), within the
// time of ctx; path is where it has been, this syndic included. Every key of the publication is passed on. A job that
// matches nobody here is no error: the reply has no minions. A request that is not answered is made again: masters take
// a job once under its jid, and so do minions. Repeated is then what that did, and not reported.
func (d *Downstream) Publish(ctx context.Context, pub *wire.Map, path []string) (wire.PublishReply, error) {
	unsure, reread := false, false
	for {
		key, err := d.localKey(reread)
		if err != nil {
			return wire.PublishReply{}, err
		}
		reply, err := d.publish(ctx, pub, path, key)
		switch {
		case err != nil && !errors.Is(err, wire.ErrReply):
			if ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, transport.ErrTimeout) && !errors.Is(err, transport.ErrDisconnected) {
				return wire.PublishReply{}, err
			}
			unsure = true
			sleep(ctx, publishPause, nil)
		case err != nil, reply.ErrName == "AuthenticationError":
			if reread {
				return wire.PublishReply{}, errors.Join(fmt.Errorf("the local master refuses the key of %s: %s", d.cfg.User, reply.Err), err)
			}
			reread = true // the local master was restarted and has a new key
		case reply.ErrName == wire.JobIDTaken:
			return wire.PublishReply{}, errOtherJob
		case reply.ErrName != "":
			return wire.PublishReply{}, fmt.Errorf("the local master refuses: %s: %s", reply.ErrName, reply.Err)
		case reply.Err != "":
			d.log.Debug("Nobody here for a publication", "jid", pub.Str("jid"), "answer", reply.Err)
			return wire.PublishReply{}, nil
		default:
			reply.Repeated = reply.Repeated && !unsure
			return reply, nil
		}
	}
}

const (
	publishTry   = 5 * time.Second // how long one try waits for the local master's answer
	publishPause = 50 * time.Millisecond
)

func (d *Downstream) publish(ctx context.Context, pub *wire.Map, path []string, key string) (wire.PublishReply, error) {
	req := localRequest(pub, key, d.cfg)
	if len(path) > 0 {
		way := make([]any, len(path))
		for i, id := range path {
			way[i] = id
		}
		req.Kwargs.Set(wire.KwargPath, way)
	}
	body, err := req.AppendEnvelope(nil, 3)
	if err != nil {
		return wire.PublishReply{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, publishTry)
	defer cancel()
	reply, err := d.client.Do(ctx, body)
	if err != nil {
		return wire.PublishReply{}, fmt.Errorf("publish at the local master: %w", err)
	}
	return wire.ParsePublishReply(reply)
}

// localRequest is the publish request for one publication from above. Stock passes few of its keys
// on; masters of every release read the others from kwargs (spec: syndic §13.2).
func localRequest(pub *wire.Map, key string, cfg *config.Syndic) wire.PublishRequest {
	fun, _ := pub.Get("fun")
	tgt, _ := pub.Get("tgt")
	kind := pub.Str("tgt_type")
	if kind == "" {
		kind = "glob"
	}
	if text, ok := tgt.(string); ok && kind == "compound" && strings.Contains(text, "N@") {
		// As every client of a master does. A group that is not known here stays, and matches nobody.
		if expanded, err := cfg.Local.ExpandNodegroups(text); err == nil {
			tgt = expanded
		}
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
	ret := pub.Str("ret")
	if cfg.Local.ExtJobCache != "" {
		ret = strings.TrimPrefix(ret+","+cfg.Local.ExtJobCache, ",")
	}
	req := wire.PublishRequest{
		Tgt: tgt, Fun: fun, Arg: pub.List("arg"), Key: key, TgtType: kind, Ret: ret, JID: pub.Str("jid"),
		User: cfg.User, Kwargs: kwargs,
	}
	if to := pub.Int("to"); to > 0 && cfg.Local.OrderMasters {
		req.To, req.HasTo = int(max(to-1, 1)), true // each level keeps a second for itself
	}
	return req
}

// Events reads the local bus until ctx ends, handing each event to fn in order, and connects again
// whenever the bus goes away. Events of the gap are lost to this reader; the log says so.
func (d *Downstream) Events(ctx context.Context, ready func(), fn func(event.Event)) error {
	wait := newBackoff(50*time.Millisecond, localReconnect)
	connected := false
	for {
		reader, err := event.Dial(ctx, filepath.Join(d.cfg.SockDir, event.PubSocket))
		if err == nil {
			if connected {
				d.log.Info("Local event bus is back", "dir", d.cfg.SockDir)
			}
			connected = true
			wait.reset()
			d.setBus(true)
			ready()
			err = d.read(ctx, reader, fn)
			d.setBus(false)
			err = errors.Join(err, reader.Close())
		}
		if ctx.Err() != nil {
			return nil
		}
		if wait.first() {
			d.log.Warn("Local event bus is away, trying again", "dir", d.cfg.SockDir, "err", err)
		}
		if !sleep(ctx, wait.delay(), nil) {
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
