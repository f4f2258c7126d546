package syndic

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/logfmt"
	"github.com/saltern-io/saltern/transport"

	"github.com/saltern-io/saltern/internal/signin"
)

// LinkState is where the link to one master of masters stands.
type LinkState uint8

// The states of a link, in the order in which they are reached.
const (
	LinkDown    LinkState = iota // not signed in and subscribed yet: trying, or waiting to try again
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
	index   int
	to      config.Upstream
	cfg     *config.Syndic
	ident   *signin.Identity
	master  signin.Master
	log     *slog.Logger
	limited *logfmt.Limiter
	relay   relay
	clock   *clock
	now     func() time.Time
	lookup  func(ctx context.Context, host string) (addrs []string, err error)

	// zctx has the I/O threads of this link alone: libzmq looks names up in them, and a name server that
	// is silent for one upstream must not hold up the others.
	zctx       *transport.Context
	auth, send *transport.RequestClient
	asker      *transport.RequestClient // for questions
	askMu      sync.Mutex
	lister     *transport.RequestClient // for questions that take a stock master seconds: others do not wait for them. nil until the first one
	listMu     sync.Mutex

	box   *box
	inbox chan publication // opened, in order, waiting for the local master
	stuck atomic.Int64     // since when batches fail, Unix nanoseconds; 0 = they do not
	lost  atomic.Int64     // since when the link does not serve; 0 = it does
	state atomic.Uint32
	since atomic.Int64

	authMu sync.Mutex // one sign-in at a time
	creds  atomic.Pointer[signin.Credentials]

	seq       sequencer     // owned by the subscription goroutine
	knows     func()        // tells the publisher once that it is known what was here; owned by the same
	linked    chan struct{} // one token: a connection was made, hold what comes
	announced chan struct{} // one token: the start events are acknowledged
	look      chan struct{} // one token: ask for what is missing
	questions chan position
	answers   chan reply
	losses    chan loss // gaps that no journal fills

	stream *stream       // nil without a relay
	signed chan struct{} // closed by the first sign-in

	people  *inventory
	tell    chan struct{} // one token: tell the whole inventory
	listSeq uint64        // of the last list sent; owned by tellInventory
	stoodIn bool          // stand-bys got what waited; owned by the queue's consumer

	intake  context.Context // ends when no more publications are taken
	reached bool            // the subscription of this life worked; owned by link, then by run
	starts  atomic.Bool     // start events are due
	dedups  atomic.Bool     // it passes over returns that it has: a saltern master
	revived chan struct{}   // one token: the connection came back, do not wait longer

	retryMin, retryMax time.Duration // between two tries of a batch
	heartbeat          time.Duration // how often the subscription is tested

	sent, forwarded, publications, replayed, failures atomic.Int64
	missed, recovered, unrecovered                    atomic.Int64 // publications
}

// relay is what an upstream does with the world below.
type relay interface {
	// publication hands a job down; it is called in the order of the publications.
	publication(ctx context.Context, from *Upstream, pub publication)
	// streamed hands a job of a stream down; nil when the local master has it.
	streamed(ctx context.Context, from *Upstream, pub publication) error
	// handled reports whether a job needs nothing more here.
	handled(jobID string) bool
	// missed reports publications that will not run.
	missed(from *Upstream, r missedReport)
	// stepIn lets stand-bys have what waits for an upstream that is away for long.
	stepIn(u *Upstream)
	// up is called when the link serves and the upstream knows this syndic.
	up(u *Upstream)
}

func (u *Upstream) setState(s LinkState, args ...any) {
	if LinkState(u.state.Swap(uint32(s))) == s {
		return
	}
	u.since.Store(u.now().UnixNano())
	if s == LinkServing {
		u.lost.Store(0)
	} else {
		u.lost.CompareAndSwap(0, u.now().UnixNano())
	}
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

// awayFor is how long returns have not been taken.
func (u *Upstream) awayFor(now time.Time) (d time.Duration) {
	for _, since := range []int64{u.lost.Load(), u.stuck.Load()} {
		if since != 0 {
			d = max(d, now.Sub(time.Unix(0, since)))
		}
	}
	return d
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

func (u *Upstream) endpoint() string { return transport.Endpoint(u.to.Host, u.to.Port) }

// run keeps the link until ctx ends; publications are taken until intake ends, which is earlier.
func (u *Upstream) run(ctx, intake context.Context) {
	u.intake = intake
	u.since.Store(u.now().UnixNano())
	u.lost.Store(u.now().UnixNano())
	var wg sync.WaitGroup
	wg.Go(func() { u.handDown(intake) })
	defer wg.Wait()
	defer u.close()
	if u.stream != nil {
		var following sync.WaitGroup
		following.Go(func() { u.stream.follower.Run(intake) })
		defer following.Wait() // before close: it may be signing in
	}
	wait := newBackoff(100*time.Millisecond, 2*time.Second)
	verdicts := 0
	for ctx.Err() == nil {
		served, err := u.live(ctx)
		if ctx.Err() != nil {
			return
		}
		u.failures.Add(1)
		u.relay.stepIn(u)
		if served {
			wait.reset()
			verdicts = 0
		}
		if !u.pause(ctx, err, wait, verdicts) {
			return
		}
		if signin.IsVerdict(err) {
			verdicts++
		}
	}
}

// live is one life of the link; served tells whether it got as far as a subscription that works.
func (u *Upstream) live(ctx context.Context) (served bool, err error) {
	if err := u.connect(); err != nil {
		return false, err
	}
	if self, err := u.isLocalMaster(ctx); err != nil {
		return false, err
	} else if self {
		return false, signin.ErrSelf
	}
	creds, err := u.signIn(ctx, u.creds.Load())
	if err != nil {
		return false, err
	}
	u.reached = false
	err = u.serve(ctx, creds)
	return u.reached, err
}

// connect makes the context and the request sockets, once.
func (u *Upstream) connect() error {
	if u.zctx == nil {
		zctx, err := transport.NewContext(1, 64)
		if err != nil {
			return err
		}
		u.zctx = zctx
	}
	for _, client := range []**transport.RequestClient{&u.auth, &u.send, &u.asker} {
		if *client != nil {
			continue
		}
		c, err := u.newClient()
		if err != nil {
			return err
		}
		*client = c
	}
	return nil
}

func (u *Upstream) newClient() (*transport.RequestClient, error) {
	return transport.NewRequestClient(transport.RequestClientConfig{
		Context: u.zctx, Endpoint: u.endpoint(), Options: u.options(), Log: u.log,
	})
}

// close releases what connect made.
func (u *Upstream) close() {
	for _, c := range []*transport.RequestClient{u.auth, u.send, u.asker, u.lister} {
		if c != nil {
			u.closeClient(c)
		}
	}
	if u.zctx == nil {
		return
	}
	if err := u.zctx.Close(); err != nil {
		u.log.Warn("Sockets of the link did not close", "err", err)
	}
}

func (u *Upstream) closeClient(c *transport.RequestClient) {
	if err := c.Close(); err != nil {
		u.log.Warn("Request socket did not close", "err", err)
	}
}

// pause waits as the failure asks for; false means that ctx ended.
func (u *Upstream) pause(ctx context.Context, err error, wait *backoff, verdicts int) bool {
	switch {
	case errors.Is(err, signin.ErrPending):
		u.setState(LinkPending, "hint", "accept the key of "+u.ident.ID+" there: salt-key -a "+u.ident.ID)
		return u.clock.sleep(ctx, u.acceptanceWait(verdicts), nil)
	case signin.IsVerdict(err):
		u.setState(LinkRefused, "err", err)
		return u.clock.sleep(ctx, u.acceptanceWait(verdicts), nil)
	}
	switch LinkState(u.state.Load()) {
	case LinkServing, LinkAway:
		u.setState(LinkAway, "err", err)
	default:
		u.setState(LinkDown)
	}
	if wait.first() {
		u.log.Warn("Master of masters not reached, trying again", "err", err)
	} else {
		u.log.Debug("Master of masters not reached", "err", err)
	}
	return u.clock.sleep(ctx, wait.delay(), nil)
}

// acceptanceWait is the pause after a verdict; it grows by acceptance_wait_time up to
// acceptance_wait_time_max, when that is set.
func (u *Upstream) acceptanceWait(verdicts int) time.Duration {
	d := max(u.cfg.AcceptanceWait, 100*time.Millisecond)
	if u.cfg.AcceptanceWaitMax > d {
		d = min(d*time.Duration(min(verdicts, 1000)+1), u.cfg.AcceptanceWaitMax)
	}
	return d
}

// signIn gets new credentials unless somebody else did since stale.
func (u *Upstream) signIn(ctx context.Context, stale *signin.Credentials) (*signin.Credentials, error) {
	u.authMu.Lock()
	defer u.authMu.Unlock()
	if now := u.creds.Load(); now != stale {
		return now, nil
	}
	ctx, cancel := context.WithTimeout(ctx, u.cfg.AuthTimeout)
	defer cancel()
	creds, err := u.master.SignIn(ctx, u.ident, u.auth.Do)
	if err != nil {
		return nil, err
	}
	creds.Succeed(u.creds.Load(), u.now())
	first := u.creds.Swap(creds) == nil
	if first {
		close(u.signed)
	}
	u.log.Info("Signed in at the master of masters", "level", int(creds.Level), "publish_port", creds.PublishPort)
	return creds, nil
}

// publishPort is the configured port, else the announced one.
func (u *Upstream) publishPort(c *signin.Credentials) int {
	if u.to.PublishPort != 0 {
		return u.to.PublishPort
	}
	return c.PublishPort
}
