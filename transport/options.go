package transport

import (
	"fmt"
	"strings"
	"time"

	zmq "github.com/pebbe/zmq4"

	"github.com/saltern-io/saltern/transport/zmtp"
)

// Defaults that SocketOptions fields take when they are zero. spec: transport §2.2, §4.1.
const (
	DefaultRequestHWM      = 10000                  // messages per peer on the request server
	DefaultHWM             = 1000                   // messages per peer elsewhere; stock's pub_hwm
	DefaultBacklog         = 1000                   // stock's zmq_backlog
	DefaultServerLinger    = time.Second            // stock waits for ever
	DefaultHandshakeIvl    = 10 * time.Second       // a silent TCP peer is cut after this
	DefaultConnectTimeout  = 10 * time.Second       // a black hole must not hold a connect for minutes
	DefaultReconnectIvl    = 100 * time.Millisecond // first retry; doubles up to ReconnectMax
	DefaultReconnectMax    = 5 * time.Second
	DefaultKeepaliveIdle   = 300 * time.Second // stock's tcp_keepalive_idle
	DefaultMaxMsgBytes     = 64 << 20          // one frame; stock has no limit
	DefaultMaxSubscription = 1024              // one frame sent to a publisher: a subscription or READY
)

// KeepaliveOptions are the tcp_keepalive options. The zero value is stock's default: on, first probe after 300 s,
// interval and count as the system has them.
type KeepaliveOptions struct {
	Off      bool          // tcp_keepalive: False
	Idle     time.Duration // tcp_keepalive_idle, whole seconds; 0 = 300 s, negative = system
	Interval time.Duration // tcp_keepalive_intvl, whole seconds; 0 or negative = system
	Count    int           // tcp_keepalive_cnt; 0 or negative = system
}

// SocketOptions tune one socket. Zero fields take the defaults named beside them, so the zero value is good.
type SocketOptions struct {
	HWM              int           // messages queued per peer, in and out; 0 = 10000 on the request server, else 1000
	Backlog          int           // listen queue; 0 = 1000, capped by net.core.somaxconn
	IPv6             bool          // also set when the endpoint itself is an IPv6 address
	Linger           time.Duration // unsent messages survive Close this long; 0 = 1 s on servers, none on clients; negative = none
	Keepalive        KeepaliveOptions
	MaxMsgBytes      int64         // largest frame accepted; its sender is cut. 0 = 64 MiB (publisher: 1 KiB), negative = no limit
	HandshakeIvl     time.Duration // 0 = 10 s
	HeartbeatIvl     time.Duration // 0 = off. A peer that ignores PING is cut; servers send none to peers older than ZMTP 3.1
	HeartbeatTimeout time.Duration // 0 = HeartbeatIvl
	HeartbeatTTL     time.Duration // 0 = not announced
	ConnectTimeout   time.Duration // clients; 0 = 10 s
	ReconnectIvl     time.Duration // clients; 0 = 100 ms
	ReconnectMax     time.Duration // clients; 0 = 5 s, negative = no back-off
}

// role says which defaults apply.
type role uint8

const (
	roleRequestServer role = iota
	rolePublisher
	roleClient
)

// withDefaults fills the zero fields.
func (o SocketOptions) withDefaults(r role) SocketOptions {
	setInt := func(field *int, value int) {
		if *field == 0 {
			*field = value
		}
	}
	setTime := func(field *time.Duration, value time.Duration) {
		if *field == 0 {
			*field = value
		}
	}
	hwm, linger, maxBytes := DefaultHWM, time.Duration(0), int64(DefaultMaxMsgBytes)
	switch r {
	case roleRequestServer:
		hwm, linger = DefaultRequestHWM, DefaultServerLinger
	case rolePublisher:
		linger, maxBytes = DefaultServerLinger, DefaultMaxSubscription
	case roleClient:
	}
	setInt(&o.HWM, hwm)
	setInt(&o.Backlog, DefaultBacklog)
	setTime(&o.Linger, linger)
	setTime(&o.HandshakeIvl, DefaultHandshakeIvl)
	setTime(&o.ConnectTimeout, DefaultConnectTimeout)
	setTime(&o.ReconnectIvl, DefaultReconnectIvl)
	setTime(&o.ReconnectMax, DefaultReconnectMax)
	setTime(&o.Keepalive.Idle, DefaultKeepaliveIdle)
	if o.MaxMsgBytes == 0 {
		o.MaxMsgBytes = maxBytes
	}
	o.Linger = max(o.Linger, 0)
	o.ReconnectMax = max(o.ReconnectMax, 0)
	return o
}

// optionSetter keeps the first failure of a list of settings.
type optionSetter struct{ err error }

func (e *optionSetter) check(name string, err error) {
	if err != nil && e.err == nil {
		e.err = fmt.Errorf("set %s: %w", name, err)
	}
}

// apply sets the options (already with defaults) on a new client socket that will use endpoint.
func (o SocketOptions) apply(s *zmq.Socket, endpoint string) error {
	if o.HWM < 0 {
		return fmt.Errorf("%w: HWM %d", ErrConfig, o.HWM)
	}
	var e optionSetter
	e.check("SNDHWM", s.SetSndhwm(o.HWM))
	e.check("RCVHWM", s.SetRcvhwm(o.HWM))
	e.check("LINGER", s.SetLinger(o.Linger))
	if o.IPv6 || strings.Contains(endpoint, "[") {
		e.check("IPV6", s.SetIpv6(true))
	}
	if o.MaxMsgBytes > 0 {
		e.check("MAXMSGSIZE", s.SetMaxmsgsize(o.MaxMsgBytes))
	}
	e.check("HANDSHAKE_IVL", s.SetHandshakeIvl(o.HandshakeIvl))
	o.applyKeepalive(s, &e)
	o.applyHeartbeat(s, &e)
	e.check("CONNECT_TIMEOUT", s.SetConnectTimeout(o.ConnectTimeout))
	e.check("RECONNECT_IVL", s.SetReconnectIvl(o.ReconnectIvl))
	e.check("RECONNECT_IVL_MAX", s.SetReconnectIvlMax(o.ReconnectMax))
	return e.err
}

// server translates the options (already with defaults) for a listener of our own.
func (o SocketOptions) server(r zmtp.Role) (zmtp.Config, error) {
	if o.HWM < 0 || o.Backlog < 0 || o.HandshakeIvl < 0 {
		return zmtp.Config{}, fmt.Errorf("%w: HWM %d, Backlog %d, HandshakeIvl %v", ErrConfig, o.HWM, o.Backlog, o.HandshakeIvl)
	}
	k := o.Keepalive
	return zmtp.Config{
		Role: r, SendQueue: o.HWM, Backlog: o.Backlog, IPv6: o.IPv6, MaxFrameBytes: o.MaxMsgBytes,
		HandshakeTimeout: o.HandshakeIvl,
		Keepalive:        zmtp.Keepalive{Off: k.Off, Idle: k.Idle, Interval: k.Interval, Count: k.Count},
		HeartbeatIvl:     max(o.HeartbeatIvl, 0), HeartbeatTimeout: max(o.HeartbeatTimeout, 0), HeartbeatTTL: max(o.HeartbeatTTL, 0),
	}, nil
}

func (o SocketOptions) applyKeepalive(s *zmq.Socket, e *optionSetter) {
	if o.Keepalive.Off {
		e.check("TCP_KEEPALIVE", s.SetTcpKeepalive(0))
		return
	}
	seconds := func(d time.Duration) int {
		if d <= 0 {
			return -1 // system default
		}
		return int((d + time.Second - 1) / time.Second)
	}
	count := -1
	if o.Keepalive.Count > 0 {
		count = o.Keepalive.Count
	}
	e.check("TCP_KEEPALIVE", s.SetTcpKeepalive(1))
	e.check("TCP_KEEPALIVE_IDLE", s.SetTcpKeepaliveIdle(seconds(o.Keepalive.Idle)))
	e.check("TCP_KEEPALIVE_INTVL", s.SetTcpKeepaliveIntvl(seconds(o.Keepalive.Interval)))
	e.check("TCP_KEEPALIVE_CNT", s.SetTcpKeepaliveCnt(count))
}

func (o SocketOptions) applyHeartbeat(s *zmq.Socket, e *optionSetter) {
	if o.HeartbeatIvl <= 0 {
		return
	}
	e.check("HEARTBEAT_IVL", s.SetHeartbeatIvl(o.HeartbeatIvl))
	if o.HeartbeatTimeout > 0 {
		e.check("HEARTBEAT_TIMEOUT", s.SetHeartbeatTimeout(o.HeartbeatTimeout))
	}
	if o.HeartbeatTTL > 0 {
		e.check("HEARTBEAT_TTL", s.SetHeartbeatTtl(o.HeartbeatTTL))
	}
}
