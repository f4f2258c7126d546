package syndic

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/event"
	"github.com/saltern-io/saltern/internal/outbox"
	"github.com/saltern-io/saltern/internal/status"
	"github.com/saltern-io/saltern/internal/wire"
)

// childEnv holds the setup of a syndic that runs as a process of its own, to be killed.
const childEnv = "SALTERN_TEST_SYNDIC"

// childSetup is what such a process has to know.
type childSetup struct {
	Root, CacheDir, SockDir, PKIDir, MasterPKI, User, Host string
	RetPort                                                int
	Up                                                     config.Upstream
	More                                                   []config.Upstream // beside Up
	Speed                                                  int               // of its clock
	MaxItems                                               int64             // of a queue, 0 = the default
}

func TestMain(m *testing.M) {
	if text := os.Getenv(childEnv); text != "" {
		os.Exit(runChild(text))
	}
	goleak.VerifyTestMain(m)
}

func runChild(text string) int {
	var c childSetup
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		log.Error("setup", "err", err)
		return 1
	}
	s, err := newSyndic(c.config(), log, newClock(c.Speed))
	if err != nil {
		log.Error("new", "err", err)
		return 1
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	shown, err := status.Listen(status.Config{Socket: c.statusSocket(), Ready: s.Ready(), Log: log}, s)
	if err != nil {
		log.Error("status", "err", err)
		return 1
	}
	done := make(chan error, 1)
	go func() { done <- shown.Run(ctx) }()
	if err := errors.Join(s.Run(ctx), <-done); err != nil {
		log.Error("run", "err", err)
		return 1
	}
	return 0
}

func (c *childSetup) statusSocket() string { return filepath.Join(c.SockDir, status.SyndicSocket) }

func (c *childSetup) config() *config.Syndic {
	cfg := config.DefaultSyndic()
	cfg.ID, cfg.User, cfg.SockDir, cfg.CacheDir, cfg.PKIDir = "syn1", c.User, c.SockDir, c.CacheDir, c.PKIDir
	cfg.Interface, cfg.RetPort, cfg.Upstreams = c.Host, c.RetPort, append([]config.Upstream{c.Up}, c.More...)
	if c.MaxItems > 0 {
		cfg.OutboxItems = c.MaxItems
	}
	cfg.Local.PKIDir = c.MasterPKI
	return cfg
}

func setupOf(cfg *config.Syndic) childSetup {
	return childSetup{
		CacheDir: cfg.CacheDir, SockDir: cfg.SockDir, PKIDir: cfg.PKIDir, MasterPKI: cfg.Local.PKIDir, User: cfg.User,
		Host: cfg.Interface, RetPort: cfg.RetPort, Up: cfg.Upstreams[0],
	}
}

// startChild runs a syndic as a process.
func startChild(t testing.TB, setup childSetup) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(setup)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+string(text))
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			kill(t, cmd)
		}
	})
	return cmd
}

// kill ends a process as a power cut does.
func kill(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait() // says that it was killed
}

// fireReturns fires returns to a job on the bus of a master, as its minions' would be.
func fireReturns(t testing.TB, m *top, jid string, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	w, err := event.DialPull(ctx, filepath.Join(m.Config.SockDir, event.PullSocket))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for i := range n {
		id := fmt.Sprint("x", i)
		if err := w.Fire(ctx, event.Event{Tag: event.TagJobReturn(jid, id), Data: returned(t, jid, id)}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRestart_killed: a syndic with thousands of returns in its outbox is killed, once while they come in and once
// while they go out: none is lost, none arrives twice, and each goes to the master that asked.
func TestRestart_killed(t *testing.T) {
	mom, local := startTop(t, 0, nil), startLocal(t)
	runSwarm(t, local, 1)
	cut, up := cutLink(t, mom)
	cfg := testConfig(t, local, up)
	setup := setupOf(cfg)
	const returns = 5000

	child := startChild(t, setup)
	mom.ping(t, 1)
	jid := mom.publish(t, wire.PublishRequest{})
	mom.exactly(t, jid, 1)
	cut.cut()
	fireReturns(t, local, jid, returns)
	eventually(t, "the outbox has them", func() bool { return setup.waiting() >= returns })
	kill(t, child)
	child = startChild(t, setup)
	kill(t, child) // in the middle of its start, or before
	child = startChild(t, setup)
	cut.heal()
	eventually(t, "some arrive", func() bool { _, n := mom.log.returns(jid); return n > returns/10 })
	kill(t, child)
	_, n := mom.log.returns(jid)
	t.Logf("killed with %d of %d returns above", n, returns+1)
	child = startChild(t, setup)
	mom.exactly(t, jid, returns+1)
	mom.ping(t, 1)
	if err := child.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := child.Wait(); err != nil {
		t.Errorf("child: %v", err)
	}
	mom.exactly(t, jid, returns+1)
	st, err := outbox.Open(storeDir(cfg), outbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	for _, q := range st.Queues() {
		if err := q.Audit(); err != nil {
			t.Error(err)
		}
	}
}

// waiting asks the process how many items wait, -1 when it does not answer.
func (c *childSetup) waiting() int64 {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := status.NewClient(c.statusSocket()).Report(ctx)
	if err != nil {
		return -1
	}
	n := int64(0)
	for _, s := range r.Sections {
		for _, q := range s.Queues {
			if q.Name == "outbox" {
				n += q.Depth
			}
		}
	}
	return n
}

// TestRestart_manyJobs: several masters of masters, many jobs from each, no master_id; the local master and one of the
// masters of masters are restarted in between. Every return is at its origin, once.
func TestRestart_manyJobs(t *testing.T) {
	moms, jobs, minions := size(2, 3), size(50, 1000), 3
	local := startLocal(t)
	sw := runSwarm(t, local, minions)
	var tops []*top
	var ups []config.Upstream
	for i := range moms {
		tops = append(tops, startTop(t, i%2, nil))
		ups = append(ups, tops[i].up())
	}
	s := run(t, testConfig(t, local, ups...))
	for _, m := range tops {
		m.ping(t, minions)
	}
	before := executions(sw)
	jids := map[*top][]string{}
	publish := func(n int) {
		for range n {
			for _, m := range tops {
				jids[m] = append(jids[m], m.publish(t, wire.PublishRequest{}))
			}
		}
	}
	publish(jobs)
	tops[0].restart(t, nil)
	publish(5)
	for m, list := range jids {
		for _, jid := range list {
			m.exactly(t, jid, minions)
		}
	}
	for m, list := range jids {
		for _, other := range tops {
			for _, jid := range list {
				if n, _ := other.log.returns(jid); other != m && n != 0 {
					t.Errorf("%d returns of %s at another master", n, jid)
				}
			}
		}
	}
	if n := executions(sw) - before; n != uint64(moms*(jobs+5)*minions) {
		t.Errorf("%d executions, want %d", n, moms*(jobs+5)*minions)
	}
	s.balanced(t)
}

// TestRestart_awayAndBack: a master of masters is away while thousands of returns to its jobs come in, and the syndic
// is stopped and started in that time. They are on disk, and go to that master.
func TestRestart_awayAndBack(t *testing.T) {
	a, b, local := startTop(t, 0, nil), startTop(t, 1, nil), startLocal(t)
	runSwarm(t, local, 1)
	cut, up := cutLink(t, a)
	cfg := testConfig(t, local, up, b.up())
	s := run(t, cfg)
	a.ping(t, 1)
	b.ping(t, 1)
	jid := a.publish(t, wire.PublishRequest{})
	a.exactly(t, jid, 1)
	returns := size(1000, 5000)
	// The master has the return; the cut must not catch its acknowledgement on the way.
	eventually(t, "nothing waits", func() bool { return s.Stats().Upstreams[0].WaitingReturns == 0 })
	cut.cut()
	s.await(t, 0, LinkAway)
	fireReturns(t, local, jid, returns/2)
	eventually(t, "half of them wait", func() bool { return s.Stats().Upstreams[0].WaitingReturns == returns/2 })
	s.stop()
	s = run(t, cfg)
	<-s.Ready()
	eventually(t, "bus connected", func() bool { return s.Stats().LocalEvents > 0 || s.busUp() })
	fireReturns(t, local, jid, returns) // the first half a second time
	eventually(t, "all of them wait", func() bool { return s.Stats().Upstreams[0].WaitingReturns == returns })
	if st := s.Stats().Upstreams[0]; st.Duplicate < int64(returns/2) {
		t.Errorf("%+v", st)
	}
	cut.heal()
	a.exactly(t, jid, returns+1)
	if n, _ := b.log.returns(jid); n != 0 {
		t.Errorf("%d returns at the other", n)
	}
	s.balanced(t)
}

// busUp proves that the local bus has this syndic: an event comes back.
func (r *running) busUp() bool {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	before := r.Stats().LocalEvents
	e, err := event.New("saltern/test", wire.NewMap("x", 1), r.upstreams[0].now())
	return err == nil && r.fire(ctx, e) == nil && r.Stats().LocalEvents > before
}

// TestRestart_diskFull: an outbox that takes nothing is shown; nothing that was accepted is lost, and what came
// meanwhile goes up when there is room again.
func TestRestart_diskFull(t *testing.T) {
	mom, local := startTop(t, 0, nil), startLocal(t)
	runSwarm(t, local, 1)
	s := run(t, testConfig(t, local, mom.up()))
	mom.ping(t, 1)
	for i := range 100 { // as the committer tells it
		s.intake.settled(parked{item: eventItem(fmt.Sprint("late/", i), false), to: 1}, 1, outbox.Outcome{Err: outbox.ErrDiskFull})
	}
	eventually(t, "they arrive later", func() bool { return mom.log.containing("late/99") == 2 })
	if st := s.Stats(); st.Parked != 0 || st.Dropped != 0 {
		t.Errorf("%+v", st)
	}
}

// TestPins_childConfig keeps the two ways to configure a syndic of a test the same.
func TestSetupOf(t *testing.T) {
	cfg := config.DefaultSyndic()
	cfg.CacheDir, cfg.RetPort, cfg.Local.PKIDir, cfg.PKIDir = "c", 1, "l", "p"
	cfg.Upstreams = []config.Upstream{{Host: "h", Port: 2, Entry: net.JoinHostPort("h", "2")}}
	c := setupOf(cfg)
	if got := c.config(); got.CacheDir != "c" || got.RetPort != 1 || got.Local.PKIDir != "l" || got.PKIDir != "p" || got.Upstreams[0] != cfg.Upstreams[0] {
		t.Errorf("%+v", got)
	}
}
