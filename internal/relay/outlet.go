package relay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/outbox"
	"github.com/saltern-io/saltern/transport"
	"github.com/saltern-io/saltern/transport/zmtp"
)

// OutletConfig describes an outlet.
type OutletConfig struct {
	Outlet      config.RelayOutlet
	Client      *redis.Client
	Key         string // of the stream
	MaxAge      time.Duration
	MaxMsgBytes int64
	IPv6        bool
	Context     *transport.Context
	Store       *outbox.Store
	Missed      func(Missed) // does not wait
	Logger      *slog.Logger
}

// OutletStats is a snapshot of an Outlet.
type OutletStats struct {
	Name         string
	Follower     FollowerStats
	Direct       int64 // publications that the direct link brought first
	Requests     int64
	Dropped      int64 // requests that were not passed on
	Resent       int64 // publications sent again to who subscribed anew
	Subscribers  int
	DirectUp     bool
	DirectSince  time.Time
	Both         bool
	RequestsUp   bool
	RequestSince time.Time
	Reason       string // why requests cannot be passed on
}

// Outlet serves a stream to the syndics beside it, and passes their requests on. Make it with NewOutlet, run it once.
type Outlet struct {
	cfg      OutletConfig
	log      *slog.Logger
	follower *Follower
	pub      *publisher
	once     *once
	reqs     *requests
	pubs     *zmtp.Listener
	rets     *zmtp.Listener

	mu     sync.Mutex // guards race and the order of what goes out
	race   race
	joined time.Time // when the direct link was made
	direct atomic.Int64
	link   linkMark
}

// NewOutlet binds both ports.
func NewOutlet(cfg OutletConfig) (o *Outlet, err error) {
	name := cfg.Outlet.Name
	o = &Outlet{cfg: cfg, log: cfg.Logger.With("outlet", name)}
	o.once = &once{fire: cfg.Missed}
	o.follower, err = NewFollower(FollowerConfig{
		Name: name, Log: NewLog(cfg.Client, cfg.Key, 0, 0), Store: cfg.Store, MaxAge: cfg.MaxAge, Sink: o, Ordered: true, Passed: o.once.passed, Logger: o.log,
	})
	if err != nil {
		return nil, err
	}
	keepalive := zmtp.Keepalive{Idle: 300 * time.Second}
	came, err := o.newcomers(name)
	if err != nil {
		return nil, err
	}
	o.pub = newPublisher(cfg.MaxAge, came, func(m Missed) { m.MoM = name; o.follower.report(m) }, o.log)
	o.reqs = newRequests(transport.Endpoint(cfg.Outlet.Host, cfg.Outlet.MasterRetPort), zmtp.Config{
		MaxFrameBytes: cfg.MaxMsgBytes, SendQueue: maxInFlight, Keepalive: keepalive, IPv6: cfg.IPv6, Log: o.log,
	}, came, o.log)
	o.pubs, err = zmtp.Listen(transport.BindEndpoint(cfg.Outlet.Interface, cfg.Outlet.PublishPort), zmtp.Config{
		Role: zmtp.RoleXPub, Handler: o.pub, MaxFrameBytes: 1024, SendQueue: subscriberQueue, Keepalive: keepalive, IPv6: cfg.IPv6, Log: o.log,
		HeartbeatIvl: subscriberHeartbeat, HeartbeatTimeout: 2 * subscriberHeartbeat,
	})
	if err != nil {
		return nil, fmt.Errorf("publish port of outlet %s: %w", name, err)
	}
	o.rets, err = zmtp.Listen(transport.BindEndpoint(cfg.Outlet.Interface, cfg.Outlet.RetPort), zmtp.Config{
		Role: zmtp.RoleRouter, Handler: o.reqs, MaxFrameBytes: cfg.MaxMsgBytes, Keepalive: keepalive, IPv6: cfg.IPv6, Log: o.log,
	})
	if err != nil {
		_ = o.pubs.Close() // the first error says it
		return nil, fmt.Errorf("request port of outlet %s: %w", name, err)
	}
	return o, nil
}

// newcomers opens what is remembered of the syndics.
func (o *Outlet) newcomers(name string) (*newcomers, error) {
	n := &newcomers{present: func() bool { return o.pub.present() }}
	value, ok, err := o.cfg.Store.Fact(syndicKeysFact(name))
	if err == nil && ok {
		n.keys, err = decodeSyndicKeys(value)
	}
	if err != nil {
		return nil, fmt.Errorf("outlet %s: %w", name, err)
	}
	n.save = func(keys []syndicKey) {
		value, err := json.Marshal(keys)
		if err != nil {
			o.log.Error("Keys of syndics not stored", "err", err)
			return
		}
		o.cfg.Store.Commit(outbox.Unit{Facts: []outbox.Fact{{Key: syndicKeysFact(name), Value: value}}}, func(outcomes []outbox.Outcome) {
			for _, outcome := range outcomes {
				if outcome.Err != nil && !errors.Is(outcome.Err, outbox.ErrClosed) {
					o.log.Error("Keys of syndics not stored: after a restart less is sent again, and reported", "err", outcome.Err)
				}
			}
		})
	}
	return n, nil
}

// PublishAddr and RequestAddr are the bound addresses, "tcp://host:port".
func (o *Outlet) PublishAddr() string { return o.pubs.Addr() }

// RequestAddr is the bound address of the request port.
func (o *Outlet) RequestAddr() string { return o.rets.Addr() }

// Stats returns a snapshot. Safe for concurrent use.
func (o *Outlet) Stats() OutletStats {
	s := OutletStats{
		Name: o.cfg.Outlet.Name, Follower: o.follower.Stats(), Direct: o.direct.Load(), Requests: o.reqs.passed.Load(), Dropped: o.reqs.dropped.Load(), Resent: o.pub.resent.Load(),
		Subscribers: o.pubs.Connections(), Both: o.cfg.Outlet.Mode == config.OutletBoth,
	}
	s.DirectUp, s.DirectSince, _ = o.link.get()
	s.RequestsUp, s.RequestSince, s.Reason = o.reqs.link.get()
	return s
}

// Run serves until ctx ends.
func (o *Outlet) Run(ctx context.Context) error {
	defer o.close()
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	wg.Go(func() { o.reqs.run(ctx) })
	wg.Go(func() { o.follower.Run(ctx) })
	if o.cfg.Outlet.Mode != config.OutletBoth {
		<-ctx.Done()
		return nil
	}
	sub, err := transport.NewSubscriber(transport.SubscriberConfig{
		Context: o.cfg.Context, Endpoint: transport.Endpoint(o.cfg.Outlet.Host, o.cfg.Outlet.MasterPublishPort),
		Options: transport.SocketOptions{MaxMsgBytes: o.cfg.MaxMsgBytes, IPv6: o.cfg.IPv6, ReconnectMax: 2 * time.Second}, Topics: topics(), Log: o.log,
	})
	if err != nil {
		return fmt.Errorf("outlet %s: %w", o.cfg.Outlet.Name, err)
	}
	failed := make(chan error, 1)
	wg.Go(func() { failed <- sub.Run(ctx) })
	o.follow(sub)
	return <-failed
}

func (o *Outlet) close() {
	o.pub.stop()
	o.once.overdue()
	for _, l := range []*zmtp.Listener{o.pubs, o.rets} {
		if err := l.Shutdown(time.Second); err != nil {
			o.log.Warn("Port of the outlet did not close", "err", err)
		}
	}
	o.follower.settle()
}

// Ready implements Sink.
func (o *Outlet) Ready(ctx context.Context) error { return o.pub.ready(ctx) }

// Deliver implements Sink.
func (o *Outlet) Deliver(_ context.Context, e *Entry) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, seen := o.follower.Seen(e.Frame); seen {
		return errCopy // the direct link was faster by a moment
	}
	if err := o.follower.mayGo(e); err != nil {
		return err
	}
	if err := o.pub.publish(e.messages(), e.Time, e.Epoch); err != nil {
		return err
	}
	o.follower.claim(e.Tap, e.Frame, e.Time)
	if before, after, held := o.race.stream(e.Frame); held {
		o.pass(before, e.Frame)
		o.send(after)
	}
	return nil
}

// Missed implements Sink.
func (o *Outlet) Missed(m Missed) {
	if m.MoM == "" {
		m.MoM = o.cfg.Outlet.Name
	}
	if o.pub.allKnow() && o.once.hold(m) {
		return
	}
	o.cfg.Missed(m)
}
