package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/event"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/transport"
)

// level is the protocol level of our requests; masters that know less treat it as what they know.
const level = wire.Level(3)

// Config says how to reach the master of this host.
type Config struct {
	Endpoint string // request port, tcp://host:port
	SockDir  string // event bus and placeholders
	// BusAddress replaces the bus socket in SockDir, host:port with ipc_mode tcp; "" otherwise. There is
	// no placeholder to look for then.
	BusAddress string
	KeyFile    string // local key
	User       string // claimed in requests
	CacheDir   string // for the texts about silent minions
	SyndicDir  string

	PublishPort     int  // whose connections tell who is connected
	MinionDataCache bool // without it nobody is called "not connected"

	Timeout      time.Duration // default of jobs and limit of one request
	Gather       time.Duration // gather_job_timeout
	SyndicWait   time.Duration
	OrderMasters bool
	ExtJobCache  string // added to the returners of each job

	Socket transport.SocketOptions
	Log    *slog.Logger
}

// FromMaster takes the settings of a master's configuration.
func FromMaster(m *config.Master, id Identity, log *slog.Logger) Config {
	cfg := Config{
		Endpoint: transport.Endpoint(m.ClientHost(), m.RetPort),
		SockDir:  m.SockDir, KeyFile: keyFile(m.CacheDir, id.KeyUser), User: id.User,
		CacheDir: m.CacheDir, SyndicDir: m.SyndicDir,
		PublishPort: m.PublishPort, MinionDataCache: m.MinionDataCache,
		Timeout: m.Timeout, Gather: m.GatherJobTimeout, SyndicWait: m.SyndicWait,
		OrderMasters: m.OrderMasters, ExtJobCache: m.ExtJobCache,
		Socket: transport.SocketOptions{IPv6: m.IPv6, MaxMsgBytes: m.MaxMsgBytes},
		Log:    log,
	}
	if m.IPCMode == "tcp" {
		cfg.BusAddress = fmt.Sprintf("127.0.0.1:%d", m.TCPMasterPubPort)
	}
	return cfg
}

// Client publishes on one master. Safe for concurrent use.
type Client struct {
	cfg Config
	log *slog.Logger
	ctx *transport.Context
	req *transport.RequestClient
	hub *hub
}

// New prepares a client; nothing is sent yet. Close it.
func New(cfg Config) (*Client, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	zctx, err := transport.NewContext(1, 0)
	if err != nil {
		return nil, err
	}
	req, err := transport.NewRequestClient(transport.RequestClientConfig{
		Context: zctx, Endpoint: cfg.Endpoint, Options: cfg.Socket, Log: cfg.Log,
	})
	if err != nil {
		return nil, errors.Join(err, zctx.Close())
	}
	c := &Client{cfg: cfg, log: cfg.Log, ctx: zctx, req: req}
	c.hub = newHub(c)
	return c, nil
}

// Close ends both connections. Jobs have to be closed before; no call may follow.
func (c *Client) Close() error {
	c.hub.stop()
	return errors.Join(c.req.Close(), c.ctx.Close())
}

// CheckMaster returns ErrMasterDown when the placeholder that a running master keeps is missing.
// spec: event-bus §1
func (c *Client) CheckMaster() error {
	if c.cfg.BusAddress != "" {
		return nil
	}
	if _, err := os.Stat(filepath.Join(c.cfg.SockDir, event.PublishPullSocket)); err != nil {
		return fmt.Errorf("%w: %w", ErrMasterDown, err)
	}
	return nil
}

// Publish sends one publish request with the local key and the user of the configuration, unless the
// request names others, and waits at most until ctx ends or Config.Timeout is over. An empty answer
// makes it read the key again, once: the master may have made a new one.
//
// Nobody matching is no error: the reply has an empty JID then. Errors: ErrNoAnswer, ErrKey,
// *RefusedError, or that of the answer's form.
//
// spec: local-client-and-salt-cli §3
func (c *Client) Publish(ctx context.Context, req wire.PublishRequest) (wire.PublishReply, error) {
	if req.User == "" {
		req.User = c.cfg.User
	}
	if c.cfg.ExtJobCache != "" {
		req.Ret = strings.TrimPrefix(req.Ret+","+c.cfg.ExtJobCache, ",")
	}
	givenKey := req.Key != ""
	var body []byte
	for try := range 2 {
		if !givenKey {
			key, err := readKey(c.cfg.KeyFile)
			if err != nil {
				return wire.PublishReply{}, err
			}
			req.Key = key
		}
		var err error
		if body, err = c.request(ctx, req); err != nil {
			return wire.PublishReply{}, err
		}
		if !emptyAnswer(body) {
			return readReply(body)
		}
		c.log.Debug("Empty answer to publish", "try", try+1)
	}
	return wire.PublishReply{}, ErrKey
}

func (c *Client) request(ctx context.Context, req wire.PublishRequest) ([]byte, error) {
	body, err := req.AppendEnvelope(nil, level)
	if err != nil {
		return nil, fmt.Errorf("publish request: %w", err)
	}
	if c.cfg.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.cfg.Timeout)
		defer cancel()
	}
	answer, err := c.req.Do(ctx, body)
	if errors.Is(err, transport.ErrTimeout) {
		return nil, fmt.Errorf("%w: %w", ErrNoAnswer, err)
	}
	return answer, err
}

// emptyAnswer recognises "", {} and nil.
func emptyAnswer(body []byte) bool {
	return len(body) == 1 && (body[0] == 0xa0 || body[0] == 0x80 || body[0] == 0xc0)
}

// unresolved is how the answer begins when nobody matches.
const unresolved = "Master could not resolve minions"

func readReply(body []byte) (wire.PublishReply, error) {
	reply, err := wire.ParsePublishReply(body)
	switch {
	case err != nil:
		return wire.PublishReply{}, fmt.Errorf("answer to publish: %w", err)
	case reply.ErrName != "":
		return wire.PublishReply{}, &RefusedError{Name: reply.ErrName, Message: reply.Err}
	case reply.Err != "" && !strings.HasPrefix(reply.Err, unresolved):
		return wire.PublishReply{}, &RefusedError{Message: reply.Err}
	}
	return reply, nil
}
