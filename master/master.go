package master

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/event"
	"github.com/saltern-io/saltern/internal/jid"
	"github.com/saltern-io/saltern/internal/jobexport"
	"github.com/saltern-io/saltern/internal/minioncache"
	"github.com/saltern-io/saltern/jobcache"
	"github.com/saltern-io/saltern/pki"
	"github.com/saltern-io/saltern/transport"
)

// Master is one running master. Make it with New, run it once with Run.
type Master struct {
	cfg     atomic.Pointer[config.Master] // the current snapshot; replaced whole by Reload
	log     *slog.Logger
	limited limitedLog // for what many peers can cause at once
	now     func() time.Time

	keys       *pki.DirStore
	masterKeys atomic.Pointer[pki.MasterKeys] // replaced by a rotation of the master key
	identity   sync.RWMutex                   // a sign-in reads the master and the shared key as one pair
	shared     *pki.SharedKey
	sessions   atomic.Pointer[pki.Sessions] // replaced when its lifetime is changed
	autosign   atomic.Pointer[pki.Autosign]
	authLocks  *stripes
	sealed     *sealedKeys
	cores      int // processors
	pending    pendingCount
	local      *localKeys

	jobs    *jobcache.Store
	export  *jobexport.Exporter // nil without an export
	loads   jobcache.LocalDir
	minions *minioncache.Cache
	syndics *syndicRegistry

	inventories *inventories
	people      atomic.Pointer[population] // the last one, with order_masters
	guard       *loopGuard
	origins     *origins
	beside      beside

	jids *jid.Generator
	ends *endTimes

	bus    *event.Bus
	events *event.Server
	zctx   *transport.Context
	reqs   *transport.RequestServer
	pubs   *transport.PublishServer

	announced  int // the publish port, as told to minions
	maxPending int // bound of keys waiting for acceptance

	publisher *publisher
	presence  *presence
	revoked   atomic.Bool // a minion gave up its key, or another master deleted it: a new AES key is due
	fresh     *freshener
	sharing   *keySharing // nil: keys are not shared
	stats     counters

	flagged    chan struct{} // holds one note that a rotation is asked for
	later      time.Time     // when a rotation is due that was put off; zero: none was. Of maintain alone
	probe      func(context.Context) error
	stuck      func()
	lastResort atomic.Pointer[time.Timer]

	ready    chan struct{}
	reloaded chan struct{} // holds one note that the configuration changed
	cleanups []cleanup
	runOnce  sync.Once
}

// cleanup is one named step of stopping; steps run in reverse order of their making.
type cleanup struct {
	name string
	run  func() error
}

// Options change what a test or an embedding needs to change. The zero value is right for a daemon.
type Options struct {
	// Cores is how many processors the work is spread over; default GOMAXPROCS. A daemon that gave the
	// scheduler more than it has processors says here how many there are.
	Cores      int
	Now        func() time.Time // default time.Now
	MaxPending int              // keys waiting for acceptance that strangers can make; default 50,000
	// Stuck ends the process. It is called when a master that does not answer itself (saltern_watchdog) does not end
	// in good order either; nil: nothing is done then.
	Stuck func()
	// Probe replaces Alive as what the watchdog asks; nil: Alive.
	Probe func(context.Context) error
}

// New opens stores, makes missing keys and binds every socket: when it returns without an error,
// the ports are taken and a client that connects will be served once Run is called. Nothing is left
// open when it fails.
func New(cfg *config.Master, log *slog.Logger, opts Options) (*Master, error) {
	m := &Master{log: log, limited: newLimitedLog(log), now: opts.Now, ready: make(chan struct{}), reloaded: make(chan struct{}, 1), flagged: make(chan struct{}, 1), fresh: newFreshener(), stuck: opts.Stuck, probe: opts.Probe}
	if m.probe == nil {
		m.probe = m.Alive
	}
	if m.now == nil {
		m.now = time.Now
	}
	if m.maxPending = opts.MaxPending; m.maxPending <= 0 {
		m.maxPending = maxPending
	}
	if m.cores = opts.Cores; m.cores < 1 {
		m.cores = runtime.GOMAXPROCS(0)
	}
	m.cfg.Store(cfg)
	if err := m.wire(cfg); err != nil {
		return nil, errors.Join(err, m.close())
	}
	return m, nil
}

// Ready is closed when requests are being served.
func (m *Master) Ready() <-chan struct{} { return m.ready }

// Run serves until ctx ends or a part fails. Stopping goes from the outside in: publications
// under way are sent and the publish port closes, no new requests, requests in flight are answered
// (saltern_drain_timeout), the event bus closes, the stores close last. It returns nil after an orderly stop.
func (m *Master) Run(ctx context.Context) error {
	err := errors.New("Run was called before")
	m.runOnce.Do(func() { err = m.run(ctx) })
	return err
}

func (m *Master) run(ctx context.Context) error {
	front, stopFront := context.WithCancel(ctx) // what takes work in
	defer stopFront()
	back, stopBack := context.WithCancel(context.WithoutCancel(ctx)) // what work in flight still needs
	defer stopBack()

	var fronts, backs sync.WaitGroup
	failures := make(chan error, 10) // one per part
	start := func(wg *sync.WaitGroup, ctx context.Context, name string, run func(context.Context) error) {
		wg.Go(func() {
			if err := run(ctx); err != nil && !errors.Is(err, context.Canceled) {
				failures <- fmt.Errorf("%s: %w", name, err)
				stopFront()
			}
		})
	}
	start(&backs, back, "event bus", m.events.Run)
	start(&fronts, front, "publish socket", m.servePublications)
	start(&backs, back, "end times", m.ends.run)
	start(&backs, back, "export", m.runExport)
	start(&fronts, front, "request socket", m.reqs.Run)
	start(&fronts, front, "maintenance", m.maintain)
	start(&fronts, front, "rotation flag", m.watchDropfile)
	start(&fronts, front, "refresh", m.freshen)
	start(&fronts, front, "watchdog", m.watchdog)
	start(&fronts, front, "shared keys", m.syncKeys)
	start(&fronts, front, "job cache", m.watchStore)
	close(m.ready)
	cfg := m.cfg.Load()
	m.log.Info("Master is serving", "id", cfg.ID, "publish", m.pubs.Addr(), "request", m.reqs.Addr())

	<-front.Done()
	fronts.Wait()
	stopBack()
	backs.Wait()
	close(failures)
	var errs []error
	for err := range failures {
		errs = append(errs, err)
	}
	if last := m.lastResort.Load(); last != nil {
		defer last.Stop()
	}
	return errors.Join(append(errs, m.close())...)
}

// servePublications keeps the publish port open until ctx ends and closes it then at once, before the requests are
// drained: to minions with several masters that is the sign to leave (spec: multi-master §4.4). What was numbered
// before is still sent; a publish request that comes later is refused.
func (m *Master) servePublications(ctx context.Context) error {
	open, shut := context.WithCancel(context.WithoutCancel(ctx))
	defer shut()
	stop := context.AfterFunc(ctx, func() {
		m.publisher.stop(lastPublications)
		shut()
	})
	defer stop()
	return m.pubs.Run(open)
}

// lastPublications is how long publications under way may hold the publish port open.
const lastPublications = time.Second

// watchStore ends the master when its job cache died: what cannot be stored must not be
// acknowledged, and a restart is the only repair.
func (m *Master) watchStore(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-m.jobs.Dead():
		return storeDied(err)
	}
}

// storeDied names the cause, which the store tells only the first who asks.
func storeDied(cause error) error {
	if cause == nil {
		cause = jobcache.ErrDead
	}
	return fmt.Errorf("the store died: %w", cause)
}

// close undoes wire, last thing first.
func (m *Master) close() error {
	var errs []error
	for i := len(m.cleanups) - 1; i >= 0; i-- {
		if err := m.cleanups[i].run(); err != nil {
			errs = append(errs, fmt.Errorf("close %s: %w", m.cleanups[i].name, err))
		}
	}
	m.cleanups = nil
	return errors.Join(errs...)
}

func (m *Master) onClose(name string, run func() error) {
	m.cleanups = append(m.cleanups, cleanup{name, run})
}

// Reload puts a new configuration in force. What is bound at start (addresses, directories, keys,
// sizes) keeps its value until a restart; the list of those that differ is returned.
func (m *Master) Reload(cfg *config.Master) (needRestart []string) {
	old := m.cfg.Load()
	next, needRestart := config.Reloaded(old, cfg)
	m.cfg.Store(next)
	m.wireAutosign(next)
	select {
	case m.reloaded <- struct{}{}:
	default: // the last one is not read yet
	}
	if err := m.reloadMasterKeys(next); err != nil {
		m.log.Error("Master key not reloaded", "err", err)
	}
	if sessionLife(old) != sessionLife(next) {
		if err := m.wireSessions(next); err != nil {
			m.log.Error("Lifetime of session keys not changed", "err", err)
		}
	}
	return needRestart
}

// PublishAddr and RequestAddr are the bound endpoints, with the real port where 0 was asked for.
func (m *Master) PublishAddr() string { return m.pubs.Addr() }

// RequestAddr is the bound endpoint of the request socket.
func (m *Master) RequestAddr() string { return m.reqs.Addr() }
