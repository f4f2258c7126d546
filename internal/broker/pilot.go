package broker

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/transport/zmtp"
)

// pilot keeps both connections to every upstream and connects one upstream, the active one, with the minions' side.
// The others stand by: connected, with no subscription and no request, so that a failover costs no time. One
// goroutine does all of it; what other goroutines may look at is under mu or atomic.
type pilot struct {
	cfg      *atomic.Pointer[config.Broker]
	requests *requests
	topics   *topics
	forward  func(frames [][]byte) // a publication, to the subscribers
	bounce   func()                // ends the subscribers' connections
	log      *slog.Logger

	changes chan change
	reload  chan struct{}
	gone    chan struct{} // closed when run has ended
	ready   chan struct{} // closed when a master serves for the first time
	turn    atomic.Int64  // when run last went round, Unix nanoseconds

	publishing atomic.Pointer[half] // whose publications are passed on
	count      pilotCounts

	electing time.Time // since when there is no active upstream
	gap      bool      // subscription to a master was lost and is not back

	mu     sync.Mutex
	all    []*upstream
	active *upstream
}

type pilotCounts struct {
	failovers atomic.Int64 // changes of the active upstream, the first choice not counted
	gaps      atomic.Int64 // times that the subscription to the active master was away
	bounces   atomic.Int64
	stray     atomic.Int64 // publications of an upstream that is not active
}

const (
	changeQueue = 64
	pilotTick   = time.Second
	gcTicks     = 10 // between two looks at the heap
)

func newPilot(cfg *atomic.Pointer[config.Broker], r *requests, t *topics, log *slog.Logger) *pilot {
	p := &pilot{
		cfg: cfg, requests: r, topics: t, log: log,
		changes: make(chan change, changeQueue), reload: make(chan struct{}, 1), gone: make(chan struct{}), ready: make(chan struct{}),
	}
	p.turn.Store(time.Now().UnixNano())
	return p
}

// run works until ctx ends and has then closed every connection upward.
func (p *pilot) run(ctx context.Context) {
	p.electing = time.Now()
	p.adopt()
	defer p.close()
	tick := time.NewTicker(pilotTick)
	defer tick.Stop()
	look := time.NewTimer(0)
	defer look.Stop()
	ticks := 0
	for {
		select {
		case <-ctx.Done():
			return
		case c := <-p.changes:
			p.note(c)
		case <-p.reload:
			p.adopt()
		case <-tick.C:
			if ticks++; ticks%gcTicks == 1 {
				tuneGC()
			}
			if n := p.requests.forget(); n > 0 {
				p.log.Warn("Requests are not answered by the master", "requests", n, "for", p.cfg.Load().RequestForget)
			}
		case <-look.C:
		}
		now := time.Now()
		p.turn.Store(now.UnixNano())
		if again := p.elect(now); !again.IsZero() {
			look.Reset(max(time.Until(again), time.Millisecond))
		}
	}
}

func (p *pilot) close() {
	close(p.gone)
	p.mu.Lock()
	all := p.all
	p.all, p.active = nil, nil
	p.mu.Unlock()
	p.publishing.Store(nil)
	p.topics.detach(false)
	for _, u := range all {
		u.stop()
		p.drop(u)
	}
}

// adopt makes the list of upstreams that of the configuration. Those that stay keep their connections.
func (p *pilot) adopt() {
	old := map[config.BrokerUpstream]*upstream{}
	for _, u := range p.all {
		old[u.BrokerUpstream] = u
	}
	var all, fresh []*upstream
	for _, m := range p.cfg.Load().Masters {
		u := old[m]
		delete(old, m)
		if u == nil {
			u = p.newUpstream(m)
			fresh = append(fresh, u)
		}
		all = append(all, u)
	}
	p.mu.Lock()
	p.all = all
	p.mu.Unlock()
	for _, u := range old {
		p.log.Info("Master is no longer used", "upstream", u.Entry)
		if u == p.active {
			p.disconnect()
			p.setActive(nil)
			p.electing = time.Now()
		}
		u.stop()
		p.drop(u)
	}
	for _, u := range fresh {
		u.start()
	}
}

func (p *pilot) newUpstream(m config.BrokerUpstream) *upstream {
	u := &upstream{BrokerUpstream: m, since: time.Now()}
	newHalf := func(name string, port int, role zmtp.Role, message func(*half, [][]byte)) *half {
		return &half{
			name: name, endpoint: endpoint(m.Host, port), role: role, cfg: p.cfg.Load, message: message, changed: p.tell,
			log: p.log.With("upstream", m.Entry),
		}
	}
	u.publish = newHalf("publish", m.PublishPort, zmtp.RoleSub, p.published)
	u.request = newHalf("request", m.RetPort, zmtp.RoleDealer, func(_ *half, frames [][]byte) { p.requests.reply(frames) })
	return u
}

func (p *pilot) tell(c change) {
	select {
	case p.changes <- c:
	case <-p.gone:
	}
}

// published passes a publication on when it is the active upstream's.
func (p *pilot) published(from *half, frames [][]byte) {
	if p.publishing.Load() != from {
		p.count.stray.Add(1)
		return
	}
	p.forward(frames)
}

// note takes in what happened to a connection.
func (p *pilot) note(c change) {
	var u *upstream
	for _, other := range p.all {
		if c.from == other.publish || c.from == other.request {
			u = other
		}
	}
	if u == nil {
		return // of an upstream that was taken out
	}
	turned := u.note(c)
	switch s := u.standing(); {
	case turned && s.up:
		p.log.Info("Master is connected", "upstream", u.Entry)
	case turned:
		p.log.Warn("Master is lost", "upstream", u.Entry, "connection", c.from.name, "err", c.err)
	case c.conn == nil:
		p.log.Debug("Master is not reached", "upstream", u.Entry, "connection", c.from.name, "err", c.err)
	}
	switch {
	case c.from == u.request && c.conn == nil:
		p.drop(u)
	case u == p.active && c.from == u.request:
		p.serve(u, c.conn)
	case u == p.active && c.conn == nil:
		p.unsubscribe(false)
	case u == p.active:
		p.subscribe(c.conn)
	}
}

// drop ends the use of an upstream's request connection: what is in flight on it is answered.
func (p *pilot) drop(u *upstream) {
	if u.link == nil {
		return
	}
	if n := p.requests.down(u.link); n > 0 {
		p.log.Warn("Requests in flight were lost with the master; their minions are told to sign in again", "upstream", u.Entry, "requests", n)
	}
	u.link = nil
}

// subscribe makes the active upstream's publications flow.
func (p *pilot) subscribe(conn *zmtp.Conn) {
	p.publishing.Store(p.active.publish)
	p.topics.attach(func(topic []byte, on bool) {
		message := make([]byte, 1, 1+len(topic))
		if on {
			message[0] = 1
		}
		if err := conn.Send([][]byte{append(message, topic...)}); err != nil {
			conn.CloseWith(err) // the next connection begins with all topics
		}
	})
	if !p.gap {
		return
	}
	p.gap = false
	if p.cfg.Load().OnUpstreamGap == "bounce" {
		p.count.bounces.Add(1)
		p.log.Warn("Subscriptions of the minions are closed after a gap (on_upstream_gap)", "upstream", p.active.Entry)
		p.bounce()
	}
}

// unsubscribe ends the flow of the active upstream's publications; withdraw when its connection is still there.
func (p *pilot) unsubscribe(withdraw bool) {
	if p.publishing.Load() == nil {
		return
	}
	p.topics.detach(withdraw)
	p.publishing.Store(nil)
	if !withdraw {
		p.gap = true
		p.count.gaps.Add(1)
	}
}

// elect chooses the active upstream and connects it. It returns when to choose again.
func (p *pilot) elect(now time.Time) (again time.Time) {
	cfg := p.cfg.Load()
	all, active := make([]standing, len(p.all)), -1
	for i, u := range p.all {
		all[i] = u.standing()
		if u == p.active {
			active = i
		}
	}
	choice, again := elect(all, active, p.electing, rules{cfg.FailoverAfter, cfg.Failback}, now)
	if choice < 0 || choice == active {
		return again
	}
	p.activate(p.all[choice])
	return again
}

// activate makes u the upstream that serves.
func (p *pilot) activate(u *upstream) {
	if p.active != nil {
		p.log.Warn("Another master takes over", "upstream", u.Entry, "before", p.active.Entry)
		p.count.failovers.Add(1)
		p.disconnect()
	} else {
		p.log.Info("Master serves", "upstream", u.Entry)
	}
	p.setActive(u)
	u.mu.Lock()
	pub, req := u.pubConn, u.reqConn
	u.mu.Unlock()
	if req != nil {
		p.serve(u, req)
	}
	if pub != nil {
		p.subscribe(pub)
	}
	select {
	case <-p.ready:
	default:
		close(p.ready)
	}
}

// disconnect ends the flow from the active upstream. Requests that it still answers stay in flight: only the end of
// their connection ends them.
func (p *pilot) disconnect() {
	p.active.mu.Lock()
	there := p.active.pubConn != nil
	p.active.mu.Unlock()
	p.unsubscribe(there)
}

// serve makes the request connection of u the one that requests go to.
func (p *pilot) serve(u *upstream, conn *zmtp.Conn) {
	if u.link == nil {
		u.link = &uplink{to: conn}
	}
	p.requests.up(u.link)
}

func (p *pilot) setActive(u *upstream) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.active = u
}
