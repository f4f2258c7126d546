package zmtp

import (
	"fmt"
	"log/slog"
	"time"
)

// Defaults that Config fields take when they are zero.
const (
	DefaultMaxFrameBytes    = 64 << 20
	DefaultMaxFrames        = 32
	DefaultMaxPartialBytes  = 1 << 30
	DefaultHandshakeTimeout = 10 * time.Second
	DefaultMessageTimeout   = time.Minute
	DefaultBacklog          = 1000
	DefaultSendQueue        = 1000
	DefaultSendQueueBytes   = 64 << 20
)

// Config describes a Listener or a dialled Conn. Zero fields take the default named beside them.
type Config struct {
	Role     Role    // required
	Handler  Handler // required
	Identity []byte  // announced to the peer; at most 255 bytes

	// What a peer may send. A larger frame cuts its sender. A message above MaxFrames or MaxMessageBytes goes to
	// OversizeHandler, or cuts its sender when the Handler is none. Negative = no limit.
	MaxFrameBytes   int64 // 0 = 64 MiB. For RolePub and RoleXPub it limits one subscription
	MaxFrames       int   // 0 = 32
	MaxMessageBytes int64 // 0 = MaxFrameBytes
	MaxPartialBytes int64 // of all messages not yet taken by the Handler; above it, the oldest unfinished one of 256 KiB or more is cut. 0 = 1 GiB
	MaxConnections  int   // further peers are cut at once. 0 = no limit but the process's descriptors

	HandshakeTimeout time.Duration // 0 = 10 s
	MessageTimeout   time.Duration // within this an unfinished message must end or grow by 64 KiB; negative = no limit. 0 = 1 min
	WriteTimeout     time.Duration // within this a peer with queued messages must read something. 0 = no limit

	// Heartbeats go to peers of ZMTP 3.1 and later, and to such of 3.0 with HeartbeatAny; a peer that ignores PING is cut.
	// Without a HeartbeatTTL, which a peer counts from what it hears, only those are asked that are silent.
	HeartbeatIvl     time.Duration // of silence before a PING; with HeartbeatTTL between PINGs. 0 = none
	HeartbeatTimeout time.Duration // of silence after a PING; 0 = HeartbeatIvl
	HeartbeatTTL     time.Duration // announced in PING, so that the peer cuts us; at most 6553 s
	HeartbeatAny     bool          // for dialled PUB and ROUTER peers only: see knowsPing

	SendQueue      int   // messages waiting for one peer; 0 = 1000
	SendQueueBytes int64 // of these; a larger message passes when it is alone. 0 = 64 MiB

	IPv6      bool // "*" means all addresses of both families
	Backlog   int  // listen queue; 0 = 1000, capped by the system
	Keepalive Keepalive

	Log *slog.Logger // nil = none
}

// Keepalive are TCP's keepalive settings. Zero durations and counts leave the system's value.
type Keepalive struct {
	Off            bool
	Idle, Interval time.Duration
	Count          int
}

// Handler takes what peers send. Its methods are called from the connection's own goroutine, one at a time for one
// connection; waiting in them holds up that peer alone. Frames and topics belong to the Handler.
type Handler interface {
	// Opened is called after the handshake, before anything else. An error ends the connection, without Closed.
	Opened(c *Conn) error
	// Message brings a whole message of at least one frame. RolePub ignores messages.
	Message(c *Conn, frames [][]byte)
	// Subscribed brings a subscription (on) or its end, for RolePub and RoleXPub. It comes as often as the peer
	// sends it: a set is the Handler's (see Index). An error ends the connection.
	Subscribed(c *Conn, topic []byte, on bool) error
	// Closed is called once for every connection that was opened, after everything else. err is the reason, never
	// nil: io.EOF when the peer ended it, ErrClosed when we did.
	Closed(c *Conn, err error)
}

// OversizeHandler may be implemented by a Handler that wants to answer messages above a limit.
type OversizeHandler interface {
	// Oversize brings the first frames, within the limits, of a message above MaxFrames or MaxMessageBytes.
	Oversize(c *Conn, frames [][]byte)
}

// withDefaults fills zero fields and checks the others.
func (cfg Config) withDefaults() (Config, error) {
	switch {
	case !cfg.Role.valid():
		return cfg, fmt.Errorf("%w: Role %d", ErrConfig, cfg.Role)
	case cfg.Handler == nil:
		return cfg, fmt.Errorf("%w: no Handler", ErrConfig)
	case len(cfg.Identity) > maxIdentity:
		return cfg, fmt.Errorf("%w: Identity of %d bytes", ErrConfig, len(cfg.Identity))
	case cfg.MaxFrames < 0 || cfg.MaxConnections < 0 || cfg.MaxPartialBytes < 0:
		return cfg, fmt.Errorf("%w: MaxFrames %d, MaxConnections %d, MaxPartialBytes %d", ErrConfig,
			cfg.MaxFrames, cfg.MaxConnections, cfg.MaxPartialBytes)
	case cfg.SendQueue < 0 || cfg.SendQueueBytes < 0 || cfg.Backlog < 0:
		return cfg, fmt.Errorf("%w: SendQueue %d, SendQueueBytes %d, Backlog %d", ErrConfig,
			cfg.SendQueue, cfg.SendQueueBytes, cfg.Backlog)
	case cfg.HandshakeTimeout < 0 || cfg.WriteTimeout < 0 || cfg.HeartbeatIvl < 0 || cfg.HeartbeatTimeout < 0 || cfg.HeartbeatTTL < 0:
		return cfg, fmt.Errorf("%w: a negative time", ErrConfig)
	}
	orDefault(&cfg.MaxFrameBytes, DefaultMaxFrameBytes)
	orDefault(&cfg.MaxFrames, DefaultMaxFrames)
	orDefault(&cfg.MaxMessageBytes, cfg.MaxFrameBytes)
	orDefault(&cfg.MaxPartialBytes, DefaultMaxPartialBytes)
	orDefault(&cfg.HandshakeTimeout, DefaultHandshakeTimeout)
	orDefault(&cfg.MessageTimeout, DefaultMessageTimeout)
	orDefault(&cfg.HeartbeatTimeout, cfg.HeartbeatIvl)
	orDefault(&cfg.SendQueue, DefaultSendQueue)
	orDefault(&cfg.SendQueueBytes, DefaultSendQueueBytes)
	orDefault(&cfg.Backlog, DefaultBacklog)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return cfg, nil
}

func orDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// limits are those of the decoder.
func (cfg *Config) limits() limits {
	l := limits{
		frameBytes: cfg.MaxFrameBytes, frames: cfg.MaxFrames, messageBytes: cfg.MaxMessageBytes, command: maxCommandBytes,
	}
	if cfg.Role.publishes() && cfg.MaxFrameBytes > 0 {
		l.command = max(l.command, cfg.MaxFrameBytes+1+int64(len(commandSubscribe)))
	}
	return l
}
