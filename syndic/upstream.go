package syndic

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/transport"
)

// LinkState is where the link to one master of masters stands.
type LinkState uint8

// The states of a link, in the order in which they are reached.
const (
	LinkDown    LinkState = iota // not signed in: trying, or waiting to try again
	LinkPending                  // signed in, but the key waits for acceptance up there
	LinkRefused                  // the key was refused, or theirs is not the pinned one
	LinkServing                  // signed in and subscribed
	LinkAway                     // was serving; the connection is gone and being made again
)

// String is the word for logs and status pages.
func (s LinkState) String() string {
	return [...]string{"down", "pending", "refused", "serving", "away"}[min(int(s), 4)]
}

// Upstream is the link to one master of masters: its sockets, keys, queue and retries. Nothing in
// it waits for another upstream.
//
//	down ──sign in──▶ serving ◀──connection back, sign in again── away
//	  ▲  └ pending, refused: wait acceptance_wait_time, again  ▲
//	  └──────────────── every failure backs off ───────────────┘ connection lost
type Upstream struct {
	index int
	to    config.Upstream
	cfg   *config.Syndic
	ident *identity
	acc   acceptance
	pins  pins
	log   *slog.Logger
	zctx  *transport.Context
	relay relay

	box   *outbox
	state atomic.Uint32
	since atomic.Int64

	authMu sync.Mutex // one sign-in at a time
	creds  atomic.Pointer[credentials]
	serial uint64 // last accepted; owned by the subscription goroutine
	under  *credentials

	auth, send *transport.RequestClient

	sent, acked, publications, replayed, failures atomic.Int64
}

// relay is what an upstream does with the world below.
type relay interface {
	// publication hands a job down; it is called in the order of the publications.
	publication(ctx context.Context, from *Upstream, pub publication)
}

func (u *Upstream) setState(s LinkState, args ...any) {
	if LinkState(u.state.Swap(uint32(s))) == s {
		return
	}
	u.since.Store(time.Now().UnixNano())
	level := slog.LevelInfo
	if s == LinkRefused || s == LinkAway {
		level = slog.LevelWarn
	}
	u.log.Log(context.Background(), level, "Link to the master of masters is "+s.String(), args...)
}

// State returns where the link stands and since when.
func (u *Upstream) State() (LinkState, time.Time) {
	return LinkState(u.state.Load()), time.Unix(0, u.since.Load())
}

func (u *Upstream) options() transport.SocketOptions {
	return transport.SocketOptions{
		IPv6: u.cfg.IPv6, MaxMsgBytes: u.cfg.Local.MaxMsgBytes, ReconnectMax: 2 * time.Second,
		Keepalive: transport.KeepaliveOptions{
			Off: !u.cfg.TCPKeepalive, Idle: time.Duration(u.cfg.TCPKeepaliveIdle) * time.Second,
			Interval: time.Duration(u.cfg.TCPKeepaliveIntvl) * time.Second, Count: u.cfg.TCPKeepaliveCnt,
		},
	}
}

// run keeps the link until ctx ends.
func (u *Upstream) run(ctx context.Context) error {
	endpoint := transport.Endpoint(u.to.Host, u.to.Port)
	for _, client := range []**transport.RequestClient{&u.auth, &u.send} {
		c, err := transport.NewRequestClient(transport.RequestClientConfig{Context: u.zctx, Endpoint: endpoint, Options: u.options(), Log: u.log})
		if err != nil {
			return fmt.Errorf("upstream %s: %w", u.to.Entry, err)
		}
		defer c.Close() // ends a request under way
		*client = c
	}
	wait := newBackoff(100*time.Millisecond, 2*time.Second)
	for ctx.Err() == nil {
		creds, err := u.signIn(ctx, u.creds.Load())
		if err == nil {
			wait.reset()
			err = u.serve(ctx, creds)
		}
		if ctx.Err() != nil {
			return nil
		}
		u.failures.Add(1)
		if !u.pause(ctx, err, wait) {
			return nil
		}
	}
	return nil
}

// pause waits as the failure asks for; false means that ctx ended.
func (u *Upstream) pause(ctx context.Context, err error, wait *backoff) bool {
	switch {
	case errors.Is(err, ErrPending):
		u.setState(LinkPending, "hint", "accept the key of "+u.ident.id+" there: salt-key -a "+u.ident.id)
		return sleep(ctx, u.cfg.AcceptanceWait)
	case errors.Is(err, ErrRefused), errors.Is(err, ErrFull), errors.Is(err, ErrMasterKey), errors.Is(err, ErrFinger):
		u.setState(LinkRefused, "err", err)
		return sleep(ctx, u.cfg.AcceptanceWait)
	default:
		if LinkState(u.state.Load()) != LinkAway {
			u.setState(LinkDown, "err", err)
		}
		u.log.Debug("Upstream not reached", "err", err)
		return wait.sleep(ctx)
	}
}

// signIn gets new credentials unless somebody else did since stale.
func (u *Upstream) signIn(ctx context.Context, stale *credentials) (*credentials, error) {
	u.authMu.Lock()
	defer u.authMu.Unlock()
	if now := u.creds.Load(); now != stale {
		return now, nil
	}
	pinned, err := u.pins.load(u.to)
	if err != nil {
		return nil, err
	}
	body, ch, err := u.ident.signInRequest(pinned)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, u.cfg.AuthTimeout)
	defer cancel()
	reply, err := u.auth.Do(ctx, body)
	if err != nil {
		return nil, fmt.Errorf("sign in: %w", err)
	}
	creds, err := u.ident.openSignIn(reply, ch, u.acc)
	if err != nil {
		return nil, err
	}
	if err := checkFinger(u.cfg.MasterFinger, u.cfg.HashType, creds.masterKey); err != nil {
		return nil, err
	}
	if err := u.pins.store(u.to, pinned, creds.masterKey); err != nil {
		return nil, fmt.Errorf("pin the key of %s: %w", u.to.Entry, err)
	}
	u.creds.Store(creds)
	u.log.Info("Signed in at the master of masters", "level", int(creds.level), "publish_port", creds.publishPort)
	return creds, nil
}

// publishPort is the configured port, else the announced one.
func (u *Upstream) publishPort(c *credentials) int {
	if u.to.PublishPort != 0 {
		return u.to.PublishPort
	}
	return c.publishPort
}

// serve subscribes and runs until the link has to be made anew.
func (u *Upstream) serve(ctx context.Context, creds *credentials) error {
	topics := [][]byte(nil)
	if u.cfg.ZMQFiltering {
		topics = [][]byte{[]byte("broadcast"), []byte("syndic")}
	}
	port := u.publishPort(creds)
	sub, err := transport.NewSubscriber(transport.SubscriberConfig{
		Context: u.zctx, Endpoint: transport.Endpoint(u.to.Host, port), Options: u.options(), Topics: topics, Log: u.log,
	})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	failed := make(chan error, 4)
	start := func(run func(context.Context) error) {
		wg.Go(func() {
			if err := run(ctx); err != nil && ctx.Err() == nil {
				failed <- err
			}
		})
	}
	start(sub.Run)
	start(func(ctx context.Context) error { return u.takePublications(ctx, sub.Messages()) })
	start(u.sendBatches)
	start(func(ctx context.Context) error { return u.watchLink(ctx, sub.Links(), port) })
	defer wg.Wait()
	defer stop()
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return err
	}
}

// errPortMoved ends serve when a new sign-in announced another publish port.
var errPortMoved = errors.New("the publish port has moved")

// watchLink follows the subscription's connection. A connection that comes back may be another
// life of the master, with other keys: sign in again before the first publication needs it.
func (u *Upstream) watchLink(ctx context.Context, links <-chan transport.LinkEvent, port int) error {
	fresh := true // the credentials belong to this connection
	wait := newBackoff(100*time.Millisecond, 2*time.Second)
	for {
		var e transport.LinkEvent
		var ok bool
		select {
		case <-ctx.Done():
			return nil
		case e, ok = <-links:
			if !ok {
				return errors.New("the subscription ended")
			}
		}
		switch e.Kind {
		case transport.LinkDisconnected:
			fresh = false
			u.setState(LinkAway)
		case transport.LinkConnected:
			for !fresh {
				creds, err := u.signIn(ctx, u.creds.Load())
				if err == nil {
					if u.publishPort(creds) != port {
						return errPortMoved
					}
					fresh = true
					wait.reset()
					break
				}
				if errors.Is(err, ErrPending) || errors.Is(err, ErrRefused) || errors.Is(err, ErrMasterKey) {
					return err
				}
				if !wait.sleep(ctx) {
					return nil
				}
			}
			u.setState(LinkServing)
			u.announce()
		}
	}
}
