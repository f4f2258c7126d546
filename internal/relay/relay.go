package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/event"
	"github.com/saltern-io/saltern/internal/outbox"
	"github.com/saltern-io/saltern/internal/redisdb"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/transport"
)

// TagMissed is the event that reports publications which were not delivered.
const TagMissed = "saltern/relay/missed"

// Bounds of reports that wait for the local bus.
const (
	maxReports   = 1000
	fireTimeout  = 2 * time.Second
	fireInterval = time.Second
)

// Relay is the daemon: the taps and outlets of one configuration. Make it with New, run it once with Run.
type Relay struct {
	cfg     *config.Relay
	log     *slog.Logger
	client  *redis.Client
	store   *outbox.Store
	zctx    *transport.Context
	taps    []*Tap
	outlets []*Outlet

	reports    chan event.Event
	unreported atomic.Int64
	ready      chan struct{}
	readyAt    atomic.Int64
}

// New opens the buffers and binds the ports of outlets. It fails for a directory or a port that is in use, and for TLS files
// that cannot be read; Redis and the masters may be away.
func New(cfg *config.Relay, log *slog.Logger) (_ *Relay, err error) {
	r := &Relay{cfg: cfg, log: log, ready: make(chan struct{}), reports: make(chan event.Event, maxReports)}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.close())
		}
	}()
	if r.client, err = redisdb.Open(cfg.Redis); err != nil {
		return nil, err
	}
	r.store, err = outbox.Open(filepath.Join(cfg.CacheDir, "outbox"), outbox.Options{
		MaxItems: int64(cfg.BufferMax), MaxBytes: int64(cfg.BufferBytes), MaxAge: cfg.StreamKeep, Log: log,
	})
	if err != nil {
		return nil, err
	}
	if r.zctx, err = transport.NewContext(1, 256); err != nil {
		return nil, err
	}
	for _, t := range cfg.Taps {
		opens := &t
		if t.PKIDir == "" {
			opens = nil
		}
		tap, err := NewTap(TapConfig{
			Name: t.Name, ID: cfg.ID, Endpoint: transport.Endpoint(t.Host, t.PublishPort), Context: r.zctx, Store: r.store,
			Options: transport.SocketOptions{MaxMsgBytes: cfg.MaxMsgBytes, IPv6: cfg.IPv6, ReconnectMax: 2 * time.Second},
			Log:     NewLog(r.client, cfg.StreamKey(t.Name), cfg.StreamMax, cfg.StreamKeep), Logger: log, Opens: opens,
		})
		if err != nil {
			return nil, err
		}
		r.taps = append(r.taps, tap)
	}
	for _, o := range cfg.Outlets {
		outlet, err := NewOutlet(OutletConfig{
			Outlet: o, Client: r.client, Key: cfg.StreamKey(o.Name), MaxAge: cfg.ReplayMaxAge, MaxMsgBytes: cfg.MaxMsgBytes, IPv6: cfg.IPv6,
			Context: r.zctx, Store: r.store, Missed: r.missed, Logger: log,
		})
		if err != nil {
			return nil, err
		}
		r.outlets = append(r.outlets, outlet)
	}
	return r, nil
}

// Outlets are the running outlets, in the order of the configuration.
func (r *Relay) Outlets() []*Outlet { return r.outlets }

// Ready is closed when ports are bound and buffers open: from then on nothing that is heard is lost.
func (r *Relay) Ready() <-chan struct{} { return r.ready }

// Run relays until ctx ends, then lets taps write what they have, for at most two seconds. It returns an error when a part
// fails for good.
func (r *Relay) Run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var wg sync.WaitGroup
	part := func(name string, run func(context.Context) error) {
		wg.Go(func() {
			if err := run(ctx); err != nil && ctx.Err() == nil {
				stop(fmt.Errorf("%s: %w", name, err))
			}
		})
	}
	for _, t := range r.taps {
		part("tap "+t.cfg.Name, t.Run)
	}
	for _, o := range r.outlets {
		part("outlet "+o.cfg.Outlet.Name, o.Run)
	}
	part("reports", r.fireReports)
	part("buffer", func(ctx context.Context) error {
		select {
		case <-ctx.Done():
			return nil
		case err := <-r.store.Dead():
			return fmt.Errorf("failed: %w", err)
		}
	})
	r.readyAt.Store(time.Now().UnixNano())
	close(r.ready)
	wg.Wait()
	err := context.Cause(ctx)
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		err = nil
	}
	return errors.Join(err, r.close())
}

func (r *Relay) close() error {
	var errs []error
	if r.store != nil {
		errs = append(errs, r.store.Close())
	}
	if r.client != nil {
		errs = append(errs, r.client.Close())
	}
	for _, t := range r.taps {
		if t.track != nil {
			errs = append(errs, t.track.o.client.Close())
		}
	}
	if r.zctx != nil {
		errs = append(errs, r.zctx.Close())
	}
	return errors.Join(errs...)
}

// missed queues a report for the local bus. The log has it already.
func (r *Relay) missed(m Missed) {
	if r.cfg.EventDir == "" {
		return
	}
	data := wire.NewMap("relay", r.cfg.ID, "upstream", m.MoM, "kind", m.Reason, "reason", m.Text, "entry", m.ID, "tap", m.Tap, "t", m.Time.UnixMilli())
	if m.Count > 0 {
		data.Set("count", m.Count)
	}
	if m.Serial > 0 {
		data.Set("serial", m.Serial)
	}
	e, err := event.New(TagMissed, data, time.Now())
	if err == nil {
		select {
		case r.reports <- e:
			return
		default:
		}
	}
	if r.unreported.Add(1) == 1 {
		r.log.Error("Reports of missed publications do not fit the queue to the local bus, they are in this log only")
	}
}

// fireReports fires what waits, whenever the local bus is there.
func (r *Relay) fireReports(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-r.reports:
			for ctx.Err() == nil {
				err := r.fire(ctx, e)
				if err == nil {
					break
				}
				r.log.Debug("Report not fired on the local bus, trying again", "err", err)
				sleep(ctx, fireInterval)
			}
		}
	}
}

func (r *Relay) fire(ctx context.Context, e event.Event) error {
	ctx, cancel := context.WithTimeout(ctx, fireTimeout)
	defer cancel()
	w, err := event.DialPull(ctx, filepath.Join(r.cfg.EventDir, event.PullSocket))
	if err != nil {
		return err
	}
	return errors.Join(w.Fire(ctx, e), w.Close())
}
