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

	received, repeated, ignored, undelivered atomic.Int64
}

// New loads the keys and makes the sockets' context. It returns an error for a configuration that
// cannot serve: no upstream, or only the local master itself.
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
	for _, u := range cfg.Upstreams {
		if isLocalMaster(cfg, u) {
			log.Warn("Upstream is the local master itself, left out", "upstream", u.Entry)
			continue
		}
		targets = append(targets, u)
	}
	if len(targets) == 0 || len(targets) > MaxUpstreams {
		return nil, fmt.Errorf("syndic_master names %d usable masters of masters, 1 to %d are possible", len(targets), MaxUpstreams)
	}
	zctx, err := transport.NewContext(1, 1024)
	if err != nil {
		return nil, err
	}
	s := &Syndic{cfg: cfg, log: log, zctx: zctx, forward: NewForwarder(cfg.ID, len(targets), cfg.Mode), ready: make(chan struct{})}
	if s.down, err = newDownstream(cfg, zctx, log); err != nil {
		return nil, errors.Join(err, zctx.Close())
	}
	for i, to := range targets {
		s.upstreams = append(s.upstreams, &Upstream{
			index: i, to: to, cfg: cfg, ident: ident, acc: acc, pins: pins{cfg.PKIDir}, zctx: zctx, relay: s,
			log: log.With("upstream", to.Entry), box: newOutbox(),
		})
	}
	return s, nil
}

// isLocalMaster reports whether an upstream is the master that this syndic serves: a syndic must
// never connect to it (spec: syndic §13.6).
func isLocalMaster(cfg *config.Syndic, u config.Upstream) bool {
	if u.Port != cfg.RetPort {
		return false
	}
	local := net.ParseIP(cfg.Interface)
	addrs, err := net.LookupHost(u.Host)
	if err != nil || local == nil {
		return u.Host == cfg.Interface
	}
	wildcard := cfg.Local.Interface == "" || cfg.Local.Interface == "0.0.0.0" || cfg.Local.Interface == "::"
	for _, a := range addrs {
		ip := net.ParseIP(a)
		if ip.Equal(local) || wildcard && isOwnAddress(ip) {
			return true
		}
	}
	return false
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

// Run relays until ctx ends. No upstream's failure ends it. On the way out queued items get up to
// drainTimeout to be acknowledged.
func (s *Syndic) Run(ctx context.Context) error {
	links, stopLinks := context.WithCancel(context.WithoutCancel(ctx))
	defer stopLinks()
	var wg sync.WaitGroup
	failures := make(chan error, len(s.upstreams)+1)
	for _, u := range s.upstreams {
		wg.Go(func() {
			if err := u.run(links); err != nil {
				failures <- err
			}
		})
	}
	err := s.down.Events(ctx, func() { s.readyOnce.Do(func() { close(s.ready) }) }, s.localEvent)
	s.drain()
	stopLinks()
	wg.Wait()
	close(failures)
	errs := []error{err}
	for err := range failures {
		errs = append(errs, err)
	}
	return errors.Join(append(errs, s.down.close(), s.zctx.Close())...)
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
				u.log.Error("Queue of the upstream is full, oldest items dropped", "dropped", dropped)
			}
		}
	}
}

// publication hands a job of an upstream down, unless it is already here: the same job may come
// from several upstreams, and masters can be each other's syndics.
func (s *Syndic) publication(ctx context.Context, from *Upstream, pub publication) {
	if own := s.cfg.Local.MasterID; own != "" && pub.load.Str("master_id") == own {
		s.ignored.Add(1)
		return
	}
	if !s.forward.Note(pub.jid, from.index) {
		s.repeated.Add(1)
		return
	}
	minions, err := s.down.Publish(ctx, pub.load)
	if err != nil {
		from.failures.Add(1)
		from.log.Error("Publication not handed down", "jid", pub.jid, "err", err)
		return
	}
	from.log.Debug("Publication handed down", "jid", pub.jid, "minions", len(minions))
}
