package swarm

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/pki"
)

// Defaults of Config; those of a stock minion where it has them.
const (
	DefaultRetPort        = 4506
	DefaultKeyBits        = 2048
	DefaultAuthTimeout    = 5 * time.Second
	DefaultAcceptanceWait = 10 * time.Second
	DefaultRequestTimeout = 60 * time.Second
	DefaultReturnTimer    = 5 * time.Second
	DefaultReturnTimerMax = 10 * time.Second
	DefaultTries          = 3
	DefaultReconnect      = time.Second
	DefaultReconnectMax   = 10 * time.Second
	DefaultMaxFrame       = 64 << 20
	MaxMinions            = 1_000_000
)

// Errors callers decide on.
var (
	// ErrConfig says that a Config cannot be run; the text names the field.
	ErrConfig = errors.New("bad swarm configuration")
	// ErrRefused says that the master does not want a key: rejected, denied or invalid id.
	ErrRefused = errors.New("master refuses the key")
)

// Master is one master to sign in to.
type Master struct {
	Host        string // name or address, IPv6 without brackets
	RetPort     int    // 0 = DefaultRetPort
	PublishPort int    // 0 = what the master says in its authentication reply
}

// Config is what a swarm is. The zero value of a field means its default.
type Config struct {
	Masters []Master // at least one; minion i belongs to Masters[i % len]
	Hot     bool     // every minion belongs to all Masters at once, as with a stock list of masters

	N          int    // number of minions, 1 … MaxMinions
	FirstIndex int    // number of the first one, so that several processes can share a fleet
	IDPrefix   string // id = prefix + number; default "swarm-"
	IDTemplate string // instead of IDPrefix: text with exactly one %d, %05d … for the number

	Level        wire.Level // 2 or 3; 0 = 3
	EncAlgorithm pki.EncAlgorithm
	SigAlgorithm pki.SigAlgorithm

	// Keys are the minions' key pairs: minion i uses Keys[i % len]. Empty: KeyPairs pairs of KeyBits
	// bits are made, or read from KeyDir (key-<n>.pem) and kept there, so that the next run is the same
	// fleet to the master.
	Keys     []*pki.PrivateKey
	KeyPairs int // default 1: the whole swarm shares a pair; N = one per minion
	KeyBits  int
	KeyDir   string

	AuthParallel  int     // first sign-ins at a time, 0 = 64; re-authentications are never held back
	SignInRate    float64 // first sign-ins started per second, 0 = no limit
	StartSequence bool    // ask for pillar and fire the two start events as a stock minion does
	RejectedRetry bool    // a refused minion asks again instead of ending

	VerifyPublications bool // check the publication signature (the minion's sign_pub_messages)
	Filtering          bool // subscribe to "broadcast" and the own id's hash (zmq_filtering)

	ReturnBytes  int           // size of a cmd.run result, 0 = as long as the text comes out
	ReturnJitter time.Duration // each return waits a random time up to this
	MutePercent  float64       // 0 … 100: share of minions that never return anything

	AuthTimeout    time.Duration // per _auth try
	AuthTries      int           // tries before AcceptanceWait; default 7
	AcceptanceWait time.Duration // between sign-in rounds
	RequestTimeout time.Duration // other requests
	RequestTries   int
	RequestIdle    time.Duration // a request connection that was idle for so long is closed until the next request; 0 = kept
	ReturnTimer    time.Duration // a try of a return waits a random time from here …
	ReturnTimerMax time.Duration // … up to here
	ReturnTries    int
	Reconnect      time.Duration // subscription: a random wait from here …
	ReconnectMax   time.Duration // … up to here + Reconnect, drawn once per minion
	Keepalive      time.Duration // TCP keepalive idle; 0 = 300 s
	MaxFrame       int64

	// OnPublication and OnReturn, when set, are called for each accepted publication and acknowledged
	// return, from many goroutines at once; they must not block. minion is the index in the swarm.
	OnPublication func(jid string, minion int)
	OnReturn      func(jid string, minion int)

	Log *slog.Logger // nil = silent; per-message lines are debug
}

// withDefaults returns a checked copy with every default filled in.
func (c Config) withDefaults() (Config, error) {
	bad := func(format string, args ...any) (Config, error) {
		return Config{}, fmt.Errorf("%w: %s", ErrConfig, fmt.Sprintf(format, args...))
	}
	if len(c.Masters) == 0 {
		return bad("no master")
	}
	c.Masters = append([]Master(nil), c.Masters...)
	for i := range c.Masters {
		m := &c.Masters[i]
		setDefault(&m.RetPort, DefaultRetPort)
		m.Host = strings.TrimSuffix(strings.TrimPrefix(m.Host, "["), "]")
		if m.Host == "" || m.RetPort < 0 || m.RetPort > 65535 || m.PublishPort < 0 || m.PublishPort > 65535 {
			return bad("master %q, ports %d and %d", m.Host, m.RetPort, m.PublishPort)
		}
	}
	if c.N < 1 || c.N > MaxMinions {
		return bad("%d minions, want 1 to %d", c.N, MaxMinions)
	}
	setDefault(&c.Level, wire.Level(3))
	if c.Level != 2 && c.Level != 3 {
		return bad("level %d, want 2 or 3", c.Level)
	}
	if c.MutePercent < 0 || c.MutePercent > 100 || c.SignInRate < 0 || c.ReturnBytes < 0 || c.ReturnJitter < 0 || c.RequestIdle < 0 {
		return bad("a share, rate, size or time is out of range")
	}
	var err error
	if c.EncAlgorithm, err = pki.ParseEncAlgorithm(string(c.EncAlgorithm)); err != nil {
		return bad("%v", err)
	}
	if c.SigAlgorithm, err = pki.ParseSigAlgorithm(string(c.SigAlgorithm)); err != nil {
		return bad("%v", err)
	}
	if err := c.checkTemplate(); err != nil {
		return bad("%v", err)
	}
	c.timeDefaults()
	if c.ReturnTimerMax < c.ReturnTimer || c.ReconnectMax < 0 {
		return bad("a maximum is below its minimum")
	}
	return c, nil
}

func (c *Config) timeDefaults() {
	setDefault(&c.AuthParallel, 64)
	setDefault(&c.KeyPairs, 1)
	c.KeyPairs = min(c.KeyPairs, c.N)
	setDefault(&c.KeyBits, DefaultKeyBits)
	setDefault(&c.AuthTimeout, DefaultAuthTimeout)
	setDefault(&c.AuthTries, 7)
	setDefault(&c.AcceptanceWait, DefaultAcceptanceWait)
	setDefault(&c.RequestTimeout, DefaultRequestTimeout)
	setDefault(&c.RequestTries, DefaultTries)
	setDefault(&c.ReturnTimer, DefaultReturnTimer)
	setDefault(&c.ReturnTimerMax, max(DefaultReturnTimerMax, c.ReturnTimer))
	setDefault(&c.ReturnTries, DefaultTries)
	setDefault(&c.Reconnect, DefaultReconnect)
	setDefault(&c.ReconnectMax, DefaultReconnectMax)
	setDefault(&c.Keepalive, 300*time.Second)
	setDefault(&c.MaxFrame, DefaultMaxFrame)
	if c.Log == nil {
		c.Log = slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.Level(100)}))
	}
}

// checkTemplate turns IDPrefix into a template and proves the template by using it.
func (c *Config) checkTemplate() error {
	if c.IDTemplate == "" {
		setDefault(&c.IDPrefix, "swarm-")
		c.IDTemplate = strings.ReplaceAll(c.IDPrefix, "%", "%%") + "%d"
	}
	first, second := fmt.Sprintf(c.IDTemplate, c.FirstIndex), fmt.Sprintf(c.IDTemplate, c.FirstIndex+1)
	if first == second || strings.Contains(first, "%!") {
		return fmt.Errorf("id template %q needs exactly one %%d", c.IDTemplate)
	}
	for _, id := range []string{first, fmt.Sprintf(c.IDTemplate, c.FirstIndex+c.N-1)} {
		if err := pki.CheckID(id); err != nil {
			return err
		}
	}
	return nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
