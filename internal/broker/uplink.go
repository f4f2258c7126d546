package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/transport/zmtp"
)

// half is one of the two connections to an upstream: it is made, and made again whenever it ends, until stop. What
// happens is told to the pilot in order.
type half struct {
	name     string // "publish" or "request"
	endpoint string
	role     zmtp.Role
	cfg      func() *config.Broker
	message  func(h *half, frames [][]byte) // from the connection's goroutine
	changed  func(change)                   // must not block for long
	log      *slog.Logger

	cancel context.CancelFunc
	done   chan struct{}
}

// change is what a half tells: a connection is there, or not any more.
type change struct {
	from *half
	conn *zmtp.Conn // nil: down
	err  error      // why it is down
	at   time.Time
}

// Pauses between two tries to connect.
const (
	redialFirst = 100 * time.Millisecond
	redialLast  = 2 * time.Second
)

func (h *half) start() {
	ctx, cancel := context.WithCancel(context.Background())
	h.cancel, h.done = cancel, make(chan struct{})
	go func() {
		defer close(h.done)
		h.run(ctx)
	}()
}

// stop ends the connection and waits for the goroutine. Nothing is told any more.
func (h *half) stop() {
	h.cancel()
	<-h.done
}

func (h *half) run(ctx context.Context) {
	pause, mute := redialFirst, false
	for ctx.Err() == nil {
		conn, ended, err := h.dial(ctx, mute)
		if err == nil {
			began := time.Now()
			h.tell(ctx, change{from: h, conn: conn})
			select {
			case err = <-ended:
			case <-ctx.Done():
				conn.Close()
				<-ended
				return
			}
			// A peer that answered no heartbeat from the first on does not know them: ZMTP 3.0 of libzmq before 4.2.
			lived := time.Since(began)
			cfg := h.cfg()
			mute = !mute && errors.Is(err, zmtp.ErrHeartbeat) && lived < 3*(cfg.Heartbeat+cfg.HeartbeatTimeout)/2
			pause = redialFirst
			if lived > redialLast {
				pause = 0
			}
		}
		if ctx.Err() != nil {
			return
		}
		h.tell(ctx, change{from: h, err: err})
		select {
		case <-time.After(pause/2 + rand.N(pause/2+1)):
		case <-ctx.Done():
			return
		}
		pause = min(max(2*pause, redialFirst), redialLast)
	}
}

func (h *half) tell(ctx context.Context, c change) {
	c.at = time.Now()
	if ctx.Err() == nil {
		h.changed(c)
	}
}

// dial connects within saltern_connect_timeout. ended gets the reason when the connection is over.
func (h *half) dial(ctx context.Context, mute bool) (conn *zmtp.Conn, ended chan error, err error) {
	cfg := h.cfg()
	ctx, cancel := context.WithTimeout(ctx, cfg.ConnectTimeout)
	defer cancel()
	handler := &upHandler{half: h, ended: make(chan error, 1)}
	z := zmtp.Config{
		Role: h.role, Handler: handler, MaxFrameBytes: cfg.MaxMsgBytes, MaxFrames: maxFrames, MaxMessageBytes: 2 * cfg.MaxMsgBytes,
		HandshakeTimeout: cfg.ConnectTimeout, Keepalive: keepalive(cfg), Log: h.log,
		SendQueue: max(cfg.RequestsMax, cfg.TopicsMax) + sendSlack, SendQueueBytes: 2*cfg.RequestsMaxBytes + 2*maxTopicBytes,
	}
	if !mute {
		z.HeartbeatIvl, z.HeartbeatTimeout, z.HeartbeatTTL = cfg.Heartbeat, cfg.HeartbeatTimeout, 2*cfg.HeartbeatTimeout
		z.HeartbeatAny = true // one that does not answer is found out by it: see run
	}
	conn, err = zmtp.Dial(ctx, h.endpoint, z)
	return conn, handler.ended, err
}

// maxFrames is how many frames a message may have: three with a topic or a command line's envelope, a few more with
// further proxies in between.
const maxFrames = 32

// sendSlack is the room in an upstream's queue beside requests and subscriptions: heartbeats, and the unsubscriptions
// of a bounce.
const sendSlack = 1 << 16

// upHandler passes on what comes over one connection of a half.
type upHandler struct {
	half  *half
	ended chan error
}

func (u *upHandler) Opened(*zmtp.Conn) error                   { return nil }
func (u *upHandler) Message(_ *zmtp.Conn, frames [][]byte)     { u.half.message(u.half, frames) }
func (u *upHandler) Subscribed(*zmtp.Conn, []byte, bool) error { return nil }
func (u *upHandler) Closed(_ *zmtp.Conn, err error)            { u.ended <- err }

// upstream is a master with both its connections. The pilot's goroutine alone uses it, but for what status guards.
type upstream struct {
	config.BrokerUpstream
	publish, request *half
	link             *uplink // while its request connection is the one in use

	mu      sync.Mutex // guards what follows: the pilot writes, a status reads
	pubConn *zmtp.Conn
	reqConn *zmtp.Conn
	since   time.Time // of both being there, or not
	silent  bool
	reason  string
	losses  int64
}

func (u *upstream) start() {
	u.publish.start()
	u.request.start()
}

func (u *upstream) stop() {
	u.publish.cancel()
	u.request.cancel()
	u.publish.stop()
	u.request.stop()
}

// note takes a change in and says whether the upstream as a whole came up or went down by it.
func (u *upstream) note(c change) (turned bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	was := u.pubConn != nil && u.reqConn != nil
	if c.from == u.publish {
		u.pubConn = c.conn
	} else {
		u.reqConn = c.conn
	}
	is := u.pubConn != nil && u.reqConn != nil
	if c.conn == nil && c.err != nil {
		u.reason = fmt.Sprintf("%s connection: %v", c.from.name, c.err)
	}
	if was == is {
		return false
	}
	u.since = c.at
	u.silent = !is && errors.Is(c.err, zmtp.ErrHeartbeat)
	if is {
		u.reason = ""
	} else {
		u.losses++
	}
	return true
}

func (u *upstream) standing() standing {
	u.mu.Lock()
	defer u.mu.Unlock()
	return standing{up: u.pubConn != nil && u.reqConn != nil, silent: u.silent, since: u.since}
}

func endpoint(host string, port int) string {
	return "tcp://" + net.JoinHostPort(host, strconv.Itoa(port))
}

func keepalive(cfg *config.Broker) zmtp.Keepalive {
	seconds := func(n int) time.Duration { return max(0, time.Duration(n)*time.Second) }
	return zmtp.Keepalive{
		Off: !cfg.TCPKeepalive, Idle: seconds(cfg.TCPKeepaliveIdle), Interval: seconds(cfg.TCPKeepaliveIntvl),
		Count: max(0, cfg.TCPKeepaliveCnt),
	}
}
