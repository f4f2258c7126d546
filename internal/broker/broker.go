package broker

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/status"
	"github.com/saltern-io/saltern/transport/zmtp"
)

// Broker forwards between minions and the masters of its configuration. Make it with New, run it once with Run; the
// other methods may be called from any goroutine.
type Broker struct {
	cfg          atomic.Pointer[config.Broker]
	log          *slog.Logger
	contacts     *contacts
	requests     *requests
	topics       *topics
	publications *publications
	pilot        *pilot

	life     context.Context // ends the waits of requests
	end      context.CancelFunc
	ages     status.Ages // of Status, whose calls do not overlap
	requestL *zmtp.Listener
	publishL *zmtp.Listener
}

// Times of a broker's own.
const (
	writeTimeout = time.Minute      // a minion that has something to read must read something of it
	flushTimeout = 2 * time.Second  // at the end, for answers on their way
	hung         = 30 * time.Second // without a turn of the pilot
)

// New binds both ports and takes connections; requests wait until Run has found a master. An address in use is
// syscall.EADDRINUSE.
func New(cfg *config.Broker, log *slog.Logger) (_ *Broker, err error) {
	b := &Broker{log: log}
	b.cfg.Store(cfg)
	b.life, b.end = context.WithCancel(context.Background())
	b.contacts = newContacts(cfg.ContactsMax)
	b.topics = newTopics(cfg.TopicsMax)
	b.requests = newRequests(cfg.RequestsMax, cfg.RequestsMaxBytes, cfg.PeerRequestsMax, b.contacts)
	b.publications = newPublications(max(1, runtime.GOMAXPROCS(0)), b.topics, log)
	b.pilot = newPilot(&b.cfg, b.requests, b.topics, log)
	b.pilot.forward = b.publications.publish
	b.pilot.bounce = func() { b.publishL.CloseConnections() }
	b.setTimes(cfg)
	if b.publishL, err = zmtp.Listen(endpoint(cfg.Interface, cfg.PublishPort), b.listenConfig(zmtp.RoleXPub, b.publications)); err != nil {
		b.end()
		return nil, fmt.Errorf("publish port: %w", err)
	}
	handler := &requestHandler{requests: b.requests, ctx: b.life}
	if b.requestL, err = zmtp.Listen(endpoint(cfg.Interface, cfg.RetPort), b.listenConfig(zmtp.RoleRouter, handler)); err != nil {
		b.end()
		_ = b.publishL.Close() // never fails after a failed start
		return nil, fmt.Errorf("request port: %w", err)
	}
	return b, nil
}

func (b *Broker) setTimes(cfg *config.Broker) {
	b.requests.limits.hold.Store(int64(cfg.RequestHold))
	b.requests.limits.forget.Store(int64(cfg.RequestForget))
}

// maxTopic is the longest subscription; Salt's have 40 bytes.
const maxTopic = 1024

func (b *Broker) listenConfig(role zmtp.Role, h zmtp.Handler) zmtp.Config {
	cfg := b.cfg.Load()
	z := zmtp.Config{
		Role: role, Handler: h, MaxFrames: maxFrames, MaxFrameBytes: cfg.MaxMsgBytes, MaxMessageBytes: 2 * cfg.MaxMsgBytes,
		MaxConnections: cfg.ConnectionsMax, Backlog: cfg.ZMQBacklog, Keepalive: keepalive(cfg), IPv6: cfg.IPv6, WriteTimeout: writeTimeout,
		HeartbeatIvl: cfg.MinionHeartbeat, HeartbeatTimeout: 3 * cfg.MinionHeartbeat, Log: b.log,
		SendQueue: 2 * cfg.PeerRequestsMax, SendQueueBytes: cfg.RequestsMaxBytes,
	}
	if role == zmtp.RoleXPub {
		z.MaxFrameBytes, z.MaxMessageBytes = maxTopic, 2*maxTopic
		z.SendQueue, z.SendQueueBytes = cfg.PubHWM, cfg.SubscriberBytes
	}
	return z
}

// PublishAddr is the bound address of the minions' subscriptions, "host:port".
func (b *Broker) PublishAddr() string { return strings.TrimPrefix(b.publishL.Addr(), "tcp://") }

// RequestAddr is the bound address of the minions' requests, "host:port".
func (b *Broker) RequestAddr() string { return strings.TrimPrefix(b.requestL.Addr(), "tcp://") }

// Ready is closed when a master serves for the first time.
func (b *Broker) Ready() <-chan struct{} { return b.pilot.ready }

// Run forwards until ctx ends, then drains: no new connections, what is in flight may be answered within
// saltern_drain_timeout, the rest is answered here, and everything is closed.
func (b *Broker) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	piloted, land := context.WithCancel(context.Background())
	defer land()
	wg.Go(func() { b.pilot.run(piloted) })
	wg.Go(b.publications.run)
	b.log.Info("Ports are open", "publish", b.PublishAddr(), "requests", b.RequestAddr())
	<-ctx.Done()
	b.requestL.CloseListener()
	b.publishL.CloseListener()
	b.requests.stop()
	b.drain()
	b.end()
	land()
	<-b.pilot.gone
	b.publications.stop()
	wg.Wait()
	var err error
	if e := b.requestL.Shutdown(flushTimeout); e != nil {
		err = e
	}
	if e := b.publishL.Shutdown(flushTimeout); e != nil && err == nil {
		err = e
	}
	return err
}

// drain waits until nothing is in flight, or for as long as is allowed.
func (b *Broker) drain() {
	limit := time.NewTimer(b.cfg.Load().DrainTimeout)
	defer limit.Stop()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for {
		n, _, _ := b.requests.inFlight()
		if n == 0 && b.requests.waiting.Load() == 0 {
			return
		}
		select {
		case <-look.C:
		case <-limit.C:
			b.log.Warn("Requests are still in flight; their minions are told to sign in again", "requests", n)
			return
		}
	}
}

// Reload takes over what may change while running; later names the options that need a restart.
func (b *Broker) Reload(next *config.Broker) (later []string) {
	merged, later := config.ReloadedBroker(b.cfg.Load(), next)
	b.cfg.Store(merged)
	b.setTimes(merged)
	b.contacts.setMost(merged.ContactsMax)
	select {
	case b.pilot.reload <- struct{}{}:
	default: // one is due already, and reads what was just stored
	}
	return later
}

// Alive reports a broker that hangs: it looks whether the pilot goes round and takes the locks of both sides.
func (b *Broker) Alive(context.Context) error {
	if since := time.Since(time.Unix(0, b.pilot.turn.Load())); since > hung {
		return fmt.Errorf("upstream connections were not looked after for %v", since.Round(time.Second))
	}
	b.requests.inFlight()
	b.publications.subscribers()
	b.topics.len()
	return nil
}

// ContactsPage is the name of the status page with the last contact of every minion.
const ContactsPage = "contacts"

// Contacts lists when each minion was last heard of, sorted by id; at most most of them, those heard of last.
func (b *Broker) Contacts(most int) []Contact { return b.contacts.list(most) }

// pagedContacts keeps the page below what a status client takes.
const pagedContacts = 40_000

// Pages implements status.Paged.
func (b *Broker) Pages() map[string]func() any {
	return map[string]func() any{ContactsPage: func() any { return b.Contacts(pagedContacts) }}
}
