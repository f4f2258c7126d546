package swarmcmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/saltern-io/saltern/internal/swarm"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/pki"
)

// options are the flags that are not a field of swarm.Config as they stand.
type options struct {
	cfg           swarm.Config
	masters       []string
	retPort       int
	publishPort   int
	level         int
	enc, sig      string
	noStart       bool
	duration      time.Duration
	progress      string
	statsFile     string
	readyFile     string
	verboseErrors bool
	configFile    string
}

// New returns the command. It writes figures to the command's output and everything else to its error
// stream; the exit status is 0 after a signal or --duration, 1 when nothing could run or every key was
// refused.
func New() *cobra.Command {
	return command(&options{})
}

func command(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "swarm",
		Short: "Run simulated minions against one or more masters",
		Long: "Runs simulated minions in one process. Each signs in with a real key, listens for jobs and\n" +
			"returns results as a stock minion does; commands are not run. Accept the keys on the master\n" +
			"(or let it sign them automatically) before expecting answers. Stop it with Ctrl-C: the figures\n" +
			"follow as JSON.\n\n" +
			"Every option can also come from the environment (SALTERN_SWARM_MINIONS for --minions) or from a file\n" +
			"(--config); the command line wins over the environment, the environment over the file.",
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	o.flags(cmd)
	return cmd
}

func (o *options) flags(cmd *cobra.Command) {
	f, c := cmd.Flags(), &o.cfg
	f.StringVarP(&o.configFile, "config", "c", "", "file with options, YAML, JSON or TOML")
	f.StringArrayVarP(&o.masters, "master", "m", nil, "master to sign in to, host or host:ret_port; repeat to spread the minions (default 127.0.0.1)")
	f.BoolVar(&c.Hot, "hot", false, "every minion signs in to every --master, as with a list of masters")
	f.IntVar(&o.retPort, "ret-port", swarm.DefaultRetPort, "request port where --master names none")
	f.IntVar(&o.publishPort, "publish-port", 0, "publish port (default: what the master says)")
	f.IntVarP(&c.N, "minions", "n", 10, "number of minions")
	f.IntVar(&c.FirstIndex, "first", 0, "number of the first minion")
	f.StringVar(&c.IDPrefix, "id-prefix", "", `id is this and a number (default "swarm-")`)
	f.StringVar(&c.IDTemplate, "id-template", "", "id with one %d for the number, as web%04d.example")
	f.IntVar(&o.level, "level", 3, "protocol level, 2 or 3")
	f.StringVar(&o.enc, "encryption-algorithm", string(pki.OAEPSHA1), "OAEP-SHA1 or OAEP-SHA224")
	f.StringVar(&o.sig, "signing-algorithm", string(pki.PKCS1v15SHA1), "PKCS1v15-SHA1 or PKCS1v15-SHA224")
	f.IntVar(&c.KeyPairs, "key-pairs", 1, "different key pairs; the minions share them in turn")
	f.IntVar(&c.KeyBits, "key-bits", swarm.DefaultKeyBits, "size of a key")
	f.StringVar(&c.KeyDir, "key-dir", "", "keep the keys here, so that the next run is the same fleet")
	f.IntVar(&c.AuthParallel, "auth-parallel", 64, "first sign-ins at a time")
	f.Float64Var(&c.SignInRate, "sign-in-rate", 0, "first sign-ins per second, 0 = as fast as it goes")
	f.BoolVar(&o.noStart, "no-start-sequence", false, "do not ask for pillar and fire start events")
	f.BoolVar(&c.RejectedRetry, "rejected-retry", false, "ask again after a refusal instead of ending")
	f.BoolVar(&c.VerifyPublications, "sign-pub-messages", false, "check the signature of publications")
	f.BoolVar(&c.Filtering, "zmq-filtering", false, "subscribe to own topics only")
	f.IntVar(&c.ReturnBytes, "return-bytes", 0, "size of a cmd.run result")
	f.DurationVar(&c.ReturnJitter, "return-jitter", 0, "random delay of returns, up to this")
	f.Float64Var(&c.MutePercent, "mute", 0, "percentage of minions that never answer")
	f.DurationVar(&c.RequestIdle, "request-idle", 0, "close a request connection that was idle for so long, 0 = keep it")
	f.DurationVar(&c.AcceptanceWait, "acceptance-wait-time", swarm.DefaultAcceptanceWait, "between sign-in rounds")
	f.DurationVar(&c.Reconnect, "recon-default", swarm.DefaultReconnect, "shortest wait before subscribing again")
	f.DurationVar(&c.ReconnectMax, "recon-max", swarm.DefaultReconnectMax, "random part added to it")
	f.DurationVar(&o.duration, "duration", 0, "stop after this time (default: at a signal)")
	f.StringVar(&o.progress, "progress", "auto", "progress on stderr: auto (on a terminal), always, never")
	f.StringVar(&o.statsFile, "stats-file", "", "write the figures here instead of stdout")
	f.StringVar(&o.readyFile, "ready-file", "", "create this file when every minion is ready")
	f.BoolVar(&o.verboseErrors, "debug", false, "log every failure of a minion")
}

func (o *options) run(cmd *cobra.Command) error {
	if err := errors.Join(o.settle(cmd), o.complete(cmd)); err != nil {
		return err
	}
	connections := o.cfg.N
	if o.cfg.Hot {
		connections *= len(o.cfg.Masters)
	}
	if err := checkDescriptors(connections); err != nil {
		return err
	}
	s, err := swarm.New(o.cfg)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if o.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.duration)
		defer cancel()
	}
	// Thousands of idle minions are live memory and little garbage: collecting twice as often costs 1 % of a
	// core and saves a third of the resident size.
	defer debug.SetGCPercent(debug.SetGCPercent(50))
	began := time.Now()
	side, endSide := context.WithCancel(ctx)
	done := make(chan error, 2)
	go func() { done <- o.announce(side, cmd, s, began) }()
	go func() { done <- o.report(side, cmd, s) }()
	err = s.Run(ctx)
	endSide()
	err = errors.Join(err, <-done, <-done)
	return errors.Join(err, o.figures(cmd, s.Stats(), time.Since(began)))
}

// complete turns the flags into the configuration.
func (o *options) complete(cmd *cobra.Command) error {
	switch o.progress {
	case "auto", "always", "never":
	default:
		return fmt.Errorf("--progress %q: want auto, always or never", o.progress)
	}
	if o.level < 0 || o.level > 255 {
		return fmt.Errorf("--level %d: want 2 or 3", o.level)
	}
	c := &o.cfg
	c.Level, c.EncAlgorithm, c.SigAlgorithm = wire.Level(o.level), pki.EncAlgorithm(o.enc), pki.SigAlgorithm(o.sig)
	c.StartSequence = !o.noStart
	if len(o.masters) == 0 {
		o.masters = []string{"127.0.0.1"}
	}
	c.Masters = nil
	for _, text := range o.masters {
		m, err := parseMaster(text, o.retPort)
		if err != nil {
			return err
		}
		m.PublishPort = o.publishPort
		c.Masters = append(c.Masters, m)
	}
	level := slog.LevelWarn
	if o.verboseErrors {
		level = slog.LevelDebug
	}
	c.Log = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: level}))
	return nil
}

// parseMaster reads host, host:port, [v6], [v6]:port or a bare IPv6 address.
func parseMaster(text string, port int) (swarm.Master, error) {
	host := text
	if strings.Count(text, ":") == 1 || strings.Contains(text, "]:") {
		h, p, err := net.SplitHostPort(text)
		if err != nil {
			return swarm.Master{}, fmt.Errorf("--master %q: %w", text, err)
		}
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil || n == 0 {
			return swarm.Master{}, fmt.Errorf("--master %q: bad port", text)
		}
		host, port = h, int(n)
	}
	return swarm.Master{Host: host, RetPort: port}, nil
}

// checkDescriptors refuses a fleet that the descriptor limit would cut off in the middle.
func checkDescriptors(minions int) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("descriptor limit: %w", err)
	}
	if need := uint64(2*minions + 64); limit.Cur < need {
		return fmt.Errorf("%d minions need %d descriptors, the limit is %d: raise it with ulimit -n", minions, need, limit.Cur)
	}
	return nil
}

// announce says once that every minion is ready.
func (o *options) announce(ctx context.Context, cmd *cobra.Command, s *swarm.Swarm, began time.Time) error {
	if s.WaitReady(ctx, o.cfg.N) != nil {
		return nil // stopped or refused before: the figures tell
	}
	debug.FreeOSMemory() // what thousands of sign-ins needed is not needed any more
	if o.progress != "never" {
		start, end := "", ""
		if onTerminal(cmd) {
			start, end = "\r", "\x1b[K"
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "%s%d minions ready after %.1f s%s\n", start, o.cfg.N, time.Since(began).Seconds(), end)
	}
	if o.readyFile == "" {
		return nil
	}
	return os.WriteFile(o.readyFile, []byte(strconv.Itoa(o.cfg.N)+"\n"), 0o644)
}

// report keeps the progress line up to date; without a terminal it prints a line now and then.
func (o *options) report(ctx context.Context, cmd *cobra.Command, s *swarm.Swarm) error {
	onTerminal := onTerminal(cmd)
	if o.progress == "never" || o.progress == "auto" && !onTerminal {
		return nil
	}
	every, start, end := 5*time.Second, "", "\n"
	if onTerminal {
		every, start, end = 500*time.Millisecond, "\r", "\x1b[K"
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			fmt.Fprint(cmd.ErrOrStderr(), start+progressLine(s.Stats())+end)
		case <-ctx.Done():
			if onTerminal {
				fmt.Fprint(cmd.ErrOrStderr(), "\r\x1b[K")
			}
			return nil
		}
	}
}

// onTerminal tells whether the error stream is a terminal, the only place for escape sequences.
func onTerminal(cmd *cobra.Command) bool {
	f, ok := cmd.ErrOrStderr().(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func progressLine(st swarm.Stats) string {
	line := fmt.Sprintf("ready %d/%d  publications %d  returns %d/%d", st.Ready, st.Minions, st.Publications, st.ReturnsAcked, st.ReturnsSent)
	for _, extra := range []struct {
		name string
		n    uint64
	}{
		{"pending", uint64(st.Pending)},
		{"refused", uint64(st.Ended)},
		{"retries", st.Retries},
		{"re-auths", st.Reauths},
		{"dropped", st.ReturnsDropped},
		{"failed sign-ins", st.SignInFailures},
	} {
		if extra.n > 0 {
			line += fmt.Sprintf("  %s %d", extra.name, extra.n)
		}
	}
	return line
}

// figures writes the counters as one JSON object.
func (o *options) figures(cmd *cobra.Command, st swarm.Stats, took time.Duration) error {
	out, err := json.MarshalIndent(struct {
		Seconds float64 `json:"seconds"`
		swarm.Stats
	}{took.Seconds(), st}, "", "  ")
	if err != nil {
		return err
	}
	out = append(out, '\n')
	if o.statsFile != "" {
		return os.WriteFile(o.statsFile, out, 0o644)
	}
	_, err = cmd.OutOrStdout().Write(out)
	return err
}
