package swarm

import (
	"context"
	"errors"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// maxRunning bounds the jobs one minion works on at a time; beyond it the minion stops reading its
// subscription, and the master's per-subscriber queue decides.
const maxRunning = 32

// minion is one simulated minion, or what of it belongs to one of its masters. Its own goroutine runs the life cycle and then reads the
// subscription; each job gets a goroutine for as long as it lasts.
//
//	sign in ─► subscribe ─► start sequence ─► ready: publication ─► job ─► return
//	   ▲           ▲                            │
//	   │           └──── connection lost ───────┤
//	   └──── does not decrypt (re-auth) ────────┘
type minion struct {
	swarm    *Swarm
	body     *body // shared by the connections of one minion to several masters
	index    int
	id       string
	identity *identity
	master   *masterState
	dials    gate
	muted    bool
	slots    gate // jobs at work
	link     *requestLink

	end    context.CancelCauseFunc // set by run before anything can call it
	authMu sync.Mutex              // one sign-in at a time
	creds  atomic.Pointer[credentials]

	// The subscription goroutine's own: serial of the last publication accepted under shared.
	shared *sharedKey
	serial uint64
}

// run is the life of the minion; it ends with ctx or when the master refuses the key, at the start or at
// a later sign-in: a stock minion exits then with code 77 (spec: transport §2.7).
func (m *minion) run(ctx context.Context) {
	ctx, m.end = context.WithCancelCause(ctx)
	defer m.end(nil)
	defer m.link.Close()
	if err := m.live(ctx); errors.Is(err, ErrRefused) || errors.Is(context.Cause(ctx), ErrRefused) {
		m.end(ErrRefused)
		m.swarm.cfg.Log.Warn("Master refuses the minion's key", "minion", m.id)
		if m.body.refuse() {
			m.swarm.counters.ended.add(1)
		}
		m.swarm.counters.lost.add(1)
	}
}

func (m *minion) live(ctx context.Context) error {
	if err := onFreshStack(func() error { return m.firstSignIn(ctx) }); err != nil {
		return err
	}
	// Drawn once as libzmq's RECONNECT_IVL is (spec: transport §4.1).
	wait := between(m.swarm.cfg.Reconnect, m.swarm.cfg.Reconnect+m.swarm.cfg.ReconnectMax)
	started := !m.swarm.cfg.StartSequence
	for {
		if err := m.subscribed(ctx, &started); err != nil && ctx.Err() == nil {
			m.swarm.cfg.Log.Debug("Subscription lost", "minion", m.id, "err", err)
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// firstSignIn asks until the key is accepted, round after round as the stock daemon does.
func (m *minion) firstSignIn(ctx context.Context) error {
	s := m.swarm
	pending := false
	defer func() {
		if pending {
			s.counters.pending.add(-1)
		}
	}()
	for {
		if err := s.authPacer.wait(ctx); err != nil {
			return err
		}
		if err := s.authGate.enter(ctx); err != nil {
			return err
		}
		err := m.signIn(ctx, nil)
		s.authGate.leave()
		switch {
		case err == nil, ctx.Err() != nil:
			return err
		case errors.Is(err, ErrRefused) && !s.cfg.RejectedRetry:
			return err
		case errors.Is(err, errPending) && !pending:
			pending = true
			s.counters.pending.add(1)
		case !errors.Is(err, errPending):
			s.failed.Do(func() {
				s.cfg.Log.Warn("Cannot sign in; further failures are only counted", "minion", m.id, "master", m.master.addr, "err", err)
			})
		}
		s.cfg.Log.Debug("Not signed in yet", "minion", m.id, "err", err)
		if err := sleep(ctx, s.cfg.AcceptanceWait); err != nil {
			return err
		}
	}
}

// subscribed holds one subscription connection until it breaks.
func (m *minion) subscribed(ctx context.Context, started *bool) error {
	s := m.swarm
	addr := net.JoinHostPort(m.master.host, strconv.Itoa(m.creds.Load().publishPort))
	var conn *zmtpConn
	err := onFreshStack(func() (err error) {
		conn, err = m.dials.dial(ctx, addr, "SUB", m.subscriptions(), s.linkOptions())
		return err
	})
	if err != nil {
		return err
	}
	s.counters.connects.Add(1)
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer func() {
		stop()
		_ = conn.Close()
		s.counters.disconnects.Add(1)
	}()
	if !*started {
		if err := onFreshStack(func() error { return m.startSequence(ctx) }); err != nil {
			return err
		}
		*started = true
	}
	s.counters.ready.add(m.body.leg(1))
	defer func() { s.counters.ready.add(m.body.leg(-1)) }()
	for {
		frames, err := conn.ReadMessage()
		if err != nil {
			return err
		}
		now := time.Now()
		if err := m.publication(ctx, frames, now); err != nil {
			return err
		}
	}
}

// onFreshStack runs fn in a goroutine of its own and waits for it. What needs a deep stack (RSA, connecting)
// runs so: a stack that has grown shrinks only by half with each garbage collection, and an idle minion
// would keep three times the stack it needs.
func onFreshStack(fn func() error) error {
	done := make(chan error, 1)
	go func() { done <- fn() }()
	return <-done
}
