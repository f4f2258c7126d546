package syndic

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/event"
	"github.com/saltern-io/saltern/internal/logfmt"
	"github.com/saltern-io/saltern/transport"
)

// MaxUpstreams is how many masters of masters one syndic serves.
const MaxUpstreams = 64

// Syndic is one running syndic. Make it with New, run it once with Run.
type Syndic struct {
	cfg       *config.Syndic
	log       *slog.Logger
	forward   *Forwarder
	upstreams []*Upstream
	down      *Downstream
	zctx      *transport.Context

	ready     chan struct{}
	readyOnce sync.Once

	limited *logfmt.Limiter

	received, repeated, ignored, lost, undelivered atomic.Int64
}

// New loads or makes the key pair and prepares the links; nothing is connected upward yet. It returns an
// error for a configuration that cannot serve: keys that cannot be read, no upstream or more than
// MaxUpstreams, or only the local master itself. A Syndic that was made has to be run, or its
// sockets stay.
func New(cfg *config.Syndic, log *slog.Logger) (*Syndic, error) {
	ident, err := loadIdentity(cfg)
	if err != nil {
		return nil, err
	}
	acc, err := loadAcceptance(cfg)
	if err != nil {
		return nil, err
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
		cfg: cfg, log: log, zctx: zctx, ready: make(chan struct{}), limited: logfmt.NewLimiter(log, 10*time.Second),
		forward: NewForwarder(ForwarderConfig{ID: cfg.ID, Upstreams: names, Cluster: cfg.Mode == "cluster", MasterID: cfg.Local.MasterID}),
	}
	if s.down, err = newDownstream(cfg, zctx, log); err != nil {
		return nil, errors.Join(err, zctx.Close())
	}
	for i, to := range targets {
		s.upstreams = append(s.upstreams, &Upstream{
			index: i, to: to, cfg: cfg, ident: ident, acc: acc, pins: pins{cfg.PKIDir}, relay: s,
			log: log.With("upstream", to.Entry), limited: s.limited, now: time.Now,
			box: newOutbox(), inbox: make(chan publication, maxWaitingJobs), revived: make(chan struct{}, 1),
			retryMin: 100 * time.Millisecond, retryMax: 2 * time.Second,
		})
	}
	return s, nil
}

// lookupTimeout bounds one question to the name server.
const lookupTimeout = 5 * time.Second

// isLocalMaster reports whether an upstream is the master that this syndic serves: a syndic must
// never connect to it, also when its name comes to mean it later (spec: syndic §13.6).
func isLocalMaster(ctx context.Context, cfg *config.Syndic, u config.Upstream) (bool, error) {
	if u.Port != cfg.RetPort || net.ParseIP(u.Host) != nil {
		return false, nil // New has looked at addresses
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupHost(ctx, u.Host)
	if err != nil {
		return false, fmt.Errorf("resolve %s: %w", u.Host, err)
	}
	for _, a := range addrs {
		if isLocal(cfg, u.Port, net.ParseIP(a)) {
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

// Run relays until ctx ends. No upstream's failure ends it. On the way out no more publications are
// taken, and queued items get up to drainTimeout to be acknowledged.
func (s *Syndic) Run(ctx context.Context) error {
	links, stopLinks := context.WithCancel(context.WithoutCancel(ctx))
	defer stopLinks()
	var wg sync.WaitGroup
	for _, u := range s.upstreams {
		wg.Go(func() { u.run(links, ctx) })
	}
	err := s.down.Events(ctx, func() { s.readyOnce.Do(func() { close(s.ready) }) }, s.localEvent)
	s.drain()
	stopLinks()
	wg.Wait()
	return errors.Join(err, s.down.close(), s.zctx.Close())
}

// drainTimeout is how long a stopping syndic tries to get rid of what is queued.
const drainTimeout = 5 * time.Second

// drain waits until the queues of the serving upstreams are empty, or the time is over.
func (s *Syndic) drain() {
	deadline := time.Now().Add(drainTimeout)
	for time.Now().Before(deadline) {
		waiting := 0
		for _, u := range s.upstreams {
			if state, _ := u.State(); state == LinkServing {
				items, _, _, _ := u.box.depth()
				waiting += items
			}
		}
		if waiting == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// localEvent sends one event of the local bus to whom it concerns.
func (s *Syndic) localEvent(e event.Event) {
	s.received.Add(1)
	for _, r := range s.forward.Sort(e.Tag, e.Data) {
		for i, u := range s.upstreams {
			if r.To&(1<<i) == 0 {
				continue
			}
			if dropped := u.box.put(r.Item); dropped > 0 {
				s.undelivered.Add(int64(dropped))
				s.limited.Log(context.Background(), slog.LevelError, "Queue of an upstream is full, oldest items dropped", "upstream", u.to.Entry, "dropped", dropped)
			}
		}
	}
}

// jobPatience is how long after its arrival a publication is still handed down. The local master may
// be restarting; a job that nobody waits for any more must not run as a surprise.
const jobPatience = 30 * time.Second

// publication hands a job of an upstream down, unless it is already here: the same job may come
// from several upstreams, and masters can be each other's syndics.
func (s *Syndic) publication(ctx context.Context, from *Upstream, pub publication) {
	masterID := pub.load.Str("master_id")
	if own := s.cfg.Local.MasterID; own != "" && masterID == own {
		s.ignored.Add(1)
		return
	}
	if !s.forward.Note(pub.jid, masterID, from.index) {
		s.repeated.Add(1)
		return
	}
	err := s.handDown(ctx, from, pub)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		from.log.Warn("Publication not handed down, the syndic stops", "jid", pub.jid)
	default:
		from.failures.Add(1)
		s.lost.Add(1)
		s.limited.Log(ctx, slog.LevelError, "Publication not handed down", "upstream", from.to.Entry, "jid", pub.jid, "err", err)
	}
}

func (s *Syndic) handDown(ctx context.Context, from *Upstream, pub publication) error {
	left := time.Until(pub.received.Add(jobPatience))
	if left <= 0 {
		return fmt.Errorf("it waited longer than %v for the local master", jobPatience)
	}
	ctx, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	if err := s.down.AwaitBus(ctx); err != nil {
		return err
	}
	minions, err := s.down.Publish(ctx, pub.load)
	if err != nil {
		return err
	}
	from.log.Debug("Publication handed down", "jid", pub.jid, "minions", len(minions))
	return nil
}
