package syndic

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/event"
	"github.com/saltern-io/saltern/internal/logfmt"
	"github.com/saltern-io/saltern/internal/outbox"
	"github.com/saltern-io/saltern/internal/redisdb"
	"github.com/saltern-io/saltern/internal/signin"
	"github.com/saltern-io/saltern/transport"
)

// MaxUpstreams is how many masters of masters one syndic serves.
const MaxUpstreams = 64

// Syndic is one running syndic. Make it with New, run it once with Run.
type Syndic struct {
	cfg       *config.Syndic
	clock     *clock
	log       *slog.Logger
	forward   *Forwarder
	upstreams []*Upstream
	down      *Downstream
	zctx      *transport.Context

	ready     chan struct{}
	readyOnce sync.Once

	limited *logfmt.Limiter

	store   *outbox.Store
	redis   *redis.Client // of the streams, nil without
	intake  *intake
	people  *inventory
	reports chan event.Event
	readyAt atomic.Int64 // Unix nanoseconds

	received, repeated, ignored, lost, spared atomic.Int64
}

// New loads or makes the key pair and prepares the links; nothing is connected upward yet. It returns an
// error for a configuration that cannot serve: keys that cannot be read, no upstream or more than
// MaxUpstreams, or only the local master itself. A Syndic that was made has to be run, or its
// sockets stay.
func New(cfg *config.Syndic, log *slog.Logger) (*Syndic, error) {
	return newSyndic(cfg, log, newClock(1))
}

func newSyndic(cfg *config.Syndic, log *slog.Logger, clk *clock) (*Syndic, error) {
	ident, err := signin.Load(signin.Options{
		ID: cfg.ID, PKIDir: cfg.PKIDir, KeySize: cfg.KeySize, EncAlg: cfg.EncryptionAlgorithm, SigAlg: cfg.SigningAlgorithm,
	})
	if err != nil {
		return nil, err
	}
	var acc signin.Acceptance
	if cfg.VerifyMasterPubKeySign {
		if acc, err = signin.LoadAcceptance(cfg.PKIDir, cfg.MasterSignKeyName, cfg.AlwaysVerifySignature); err != nil {
			return nil, err
		}
	}
	targets := make([]config.Upstream, 0, len(cfg.Upstreams))
	names := make([]string, 0, len(cfg.Upstreams))
	for _, u := range cfg.Upstreams {
		// Names are looked up when the link is made, and each time again.
		if ip := net.ParseIP(u.Host); u.Host == cfg.Interface && u.Port == cfg.RetPort || ip != nil && isLocal(cfg, u.Port, ip) {
			log.Warn("Upstream is the local master itself, left out", "upstream", u.Entry)
			continue
		}
		targets = append(targets, u)
		names = append(names, u.Entry)
	}
	if len(targets) == 0 || len(targets) > MaxUpstreams {
		return nil, fmt.Errorf("syndic_master names %d usable masters of masters, 1 to %d are possible", len(targets), MaxUpstreams)
	}
	zctx, err := transport.NewContext(1, 64)
	if err != nil {
		return nil, err
	}
	s := &Syndic{
		cfg: cfg, clock: clk, log: log, zctx: zctx, ready: make(chan struct{}), limited: logfmt.NewLimiter(log, 10*time.Second),
		reports: make(chan event.Event, maxReports),
	}
	if s.down, err = newDownstream(cfg, zctx, log); err != nil {
		return nil, errors.Join(err, zctx.Close())
	}
	if err := s.openOutbox(names); err != nil {
		return nil, errors.Join(err, s.down.close(), zctx.Close())
	}
	if err := signin.WriteFile(filepath.Join(cfg.CacheDir, config.SyndicIDFile), []byte(cfg.ID), 0o644); err != nil {
		log.Warn("The local master is not told who serves it, events may come back to it", "err", err)
	}
	s.people = newInventory(cfg, log)
	for i, to := range targets {
		cursor, err := loadCursor(s.store, to.Entry)
		if err != nil {
			return nil, errors.Join(err, s.close())
		}
		s.upstreams = append(s.upstreams, &Upstream{
			lookup: net.DefaultResolver.LookupHost,
			index:  i, to: to, cfg: cfg, ident: ident, relay: s, people: s.people,
			master: signin.Master{
				Host: to.Host, Port: to.Port, Name: to.Entry, Pins: signin.Pins{Dir: cfg.PKIDir}, Acceptance: acc, Finger: cfg.MasterFinger, HashType: cfg.HashType,
			},
			log: log.With("upstream", to.Entry), limited: s.limited, clock: clk, now: clk.now,
			box: s.intake.boxes[i], inbox: make(chan publication, maxWaitingJobs), revived: make(chan struct{}, 1),
			signed: make(chan struct{}), linked: make(chan struct{}, 1), announced: make(chan struct{}, 1), look: make(chan struct{}, 1), tell: make(chan struct{}, 1),
			questions: make(chan position, 1), answers: make(chan reply, 1), losses: make(chan loss, maxLosses),
			seq:      sequencer{marks: [2]position{cursor}},
			listSeq:  uint64(time.Now().UnixMilli()),
			retryMin: 100 * time.Millisecond, retryMax: 2 * time.Second, heartbeat: heartbeat,
		})
	}
	if err := s.openStreams(log); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// openStreams makes upstreams read the streams that saltern_relay names.
func (s *Syndic) openStreams(log *slog.Logger) (err error) {
	if len(s.cfg.Relay) == 0 {
		return nil
	}
	if s.redis, err = redisdb.Open(s.cfg.Local.Redis); err != nil {
		return err
	}
	for _, u := range s.upstreams {
		if name := s.cfg.Relay[u.to.Entry]; name != "" {
			if err := s.follows(u, s.redis, name, log.With("upstream", u.to.Entry)); err != nil {
				return err
			}
		}
	}
	return nil
}

// openOutbox opens what is on disk and makes the forwarder remember the jobs of earlier lives.
func (s *Syndic) openOutbox(entries []string) (err error) {
	if s.store, err = openStore(s.cfg, entries, s.clock, s.log); err != nil {
		return err
	}
	err = s.fillFromStore(entries)
	if err != nil {
		err = errors.Join(err, s.store.Close())
	}
	return err
}

func (s *Syndic) fillFromStore(entries []string) error {
	warn := func(msg string, args ...any) { s.limited.Log(context.Background(), slog.LevelError, msg, args...) }
	s.intake = &intake{store: s.store, names: entries, warn: warn}
	for _, entry := range entries {
		q, err := s.store.Queue(entry)
		if err != nil {
			return err
		}
		s.intake.boxes = append(s.intake.boxes, newBox(q))
	}
	n, err := newNumbers(s.store, time.Now())
	if err != nil {
		return err
	}
	s.forward = NewForwarder(ForwarderConfig{
		ID: s.cfg.ID, Upstreams: entries, Cluster: s.cfg.Mode == "cluster", MasterID: s.cfg.Local.MasterID,
		Ordered: s.cfg.Failover == "ordered", ToAll: s.cfg.LocalReturns == "all",
		Serving: s.serving, Away: s.isAway, Number: n.take,
	})
	return loadJobs(s.store, s.forward)
}

// serving is a bit per upstream whose link serves.
func (s *Syndic) serving() (up uint64) {
	for i, u := range s.upstreams {
		if state, _ := u.State(); state == LinkServing {
			up |= 1 << i
		}
	}
	return up
}

// isAway reports whether stand-bys step in for an upstream.
func (s *Syndic) isAway(upstream uint8) bool {
	u := s.upstreams[upstream]
	return s.cfg.StandbyAfter > 0 && u.awayFor(u.now()) >= s.cfg.StandbyAfter
}

func (s *Syndic) close() error {
	err := errors.Join(s.store.Close(), s.down.close(), s.zctx.Close())
	if s.redis != nil {
		err = errors.Join(err, s.redis.Close())
	}
	return err
}

// lookupTimeout bounds one question to the name server.
const lookupTimeout = 5 * time.Second

// isLocalMaster reports whether an upstream is the master that this syndic serves: a syndic must
// never connect to it, also when its name comes to mean it later (spec: syndic §13.6).
func (u *Upstream) isLocalMaster(ctx context.Context) (bool, error) {
	if u.to.Port != u.cfg.RetPort || net.ParseIP(u.to.Host) != nil {
		return false, nil // New has looked at addresses
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	addrs, err := u.lookup(ctx, u.to.Host)
	if err != nil {
		return false, fmt.Errorf("resolve %s: %w", u.to.Host, err)
	}
	for _, a := range addrs {
		if isLocal(u.cfg, u.to.Port, net.ParseIP(a)) {
			return true, nil
		}
	}
	return false, nil
}

// isLocal reports whether the local master listens on this address.
func isLocal(cfg *config.Syndic, port int, ip net.IP) bool {
	if ip == nil || port != cfg.RetPort {
		return false
	}
	if ip.Equal(net.ParseIP(cfg.Interface)) {
		return true
	}
	wildcard := cfg.Local.Interface == "" || cfg.Local.Interface == "0.0.0.0" || cfg.Local.Interface == "::"
	return wildcard && (ip.IsLoopback() || isOwnAddress(ip))
}

func isOwnAddress(ip net.IP) bool {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.Equal(ip) {
			return true
		}
	}
	return false
}

// Ready is closed once the local event bus was reached: from then on returns go up.
func (s *Syndic) Ready() <-chan struct{} { return s.ready }

// up is called when an upstream has acknowledged the start events.
func (s *Syndic) up(u *Upstream) { u.retell() }

// Run relays until ctx ends. No upstream's failure ends it; an outbox that cannot heal does, with its cause. On the way
// out no more publications are taken, and queued items get up to drainTimeout to be acknowledged; the rest stays on
// disk.
func (s *Syndic) Run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	links, stopLinks := context.WithCancel(context.WithoutCancel(ctx))
	defer stopLinks()
	var wg sync.WaitGroup
	wg.Go(func() { s.people.watch(links) })
	wg.Go(func() { s.intake.unpark(links) })
	wg.Go(func() { s.fireReports(ctx) })
	wg.Go(func() {
		select {
		case err := <-s.store.Dead():
			stop(fmt.Errorf("outbox: %w", err))
		case <-links.Done():
		}
	})
	for _, u := range s.upstreams {
		wg.Go(func() { u.run(links, ctx) })
	}
	err := s.down.Events(ctx, s.isReady, s.localEvent)
	if cause := context.Cause(ctx); err == nil && !errors.Is(cause, context.Canceled) && !errors.Is(cause, context.DeadlineExceeded) {
		err = cause
	}
	s.drain()
	stopLinks()
	wg.Wait()
	return errors.Join(err, s.close())
}

func (s *Syndic) isReady() {
	s.readyOnce.Do(func() {
		s.readyAt.Store(time.Now().UnixNano())
		close(s.ready)
	})
}

// drainTimeout is how long a stopping syndic tries to get rid of what is queued.
const drainTimeout = 5 * time.Second

// drain waits until the queues of the serving upstreams are empty, or the time is over.
func (s *Syndic) drain() {
	if err := s.store.Sync(); err != nil {
		s.log.Warn("Outbox not synced at the end", "err", err)
	}
	deadline := time.Now().Add(drainTimeout)
	for time.Now().Before(deadline) && !s.drained() {
		time.Sleep(10 * time.Millisecond)
	}
}

func (s *Syndic) drained() bool {
	for _, u := range s.upstreams {
		if state, _ := u.State(); state == LinkServing && u.stuck.Load() == 0 && !u.box.idle() {
			return false
		}
	}
	return true
}
