package master_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/jid"
	"github.com/saltern-io/saltern/internal/swarm"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/jobcache"
	"github.com/saltern-io/saltern/master"
	"github.com/saltern-io/saltern/master/mastertest"
)

// masterDirEnv makes the test binary run as a master below that directory: a process that can be killed.
const masterDirEnv = "SALTERN_TEST_MASTER_DIR"

func TestMain(m *testing.M) {
	dir := os.Getenv(masterDirEnv)
	if dir == "" {
		os.Exit(m.Run())
	}
	if err := runMaster(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// childConfig is the configuration of a master process; parent and child make the same.
func childConfig(dir string) (*config.Master, error) {
	u, err := user.Current()
	if err != nil {
		return nil, err
	}
	cfg, _, err := config.LoadMaster(config.LoadOptions{ConfigDir: filepath.Join(dir, "etc"), Overrides: map[string]any{
		"root_dir": dir, "interface": "127.0.0.1", "ret_port": 0, "publish_port": 0, "id": "test_master", "user": u.Username,
		"sock_dir": filepath.Join(dir, "s"), "auto_accept": true,
	}})
	return cfg, err
}

// runMaster is the child's main: it prints the ports when it serves, and ends at SIGTERM or with its parent.
func runMaster(dir string) error {
	cfg, err := childConfig(dir)
	if err != nil {
		return err
	}
	m, err := master.New(cfg, slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})), master.Options{})
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go func() {
		<-m.Ready()
		fmt.Println(m.RequestAddr(), m.PublishAddr())
	}()
	return m.Run(ctx)
}

// masterProcess is a master in a process of its own.
type masterProcess struct {
	*mastertest.Running
	cmd  *exec.Cmd
	done chan error
}

// startMasterProcess runs this test binary as a master and waits until it serves.
func startMasterProcess(t *testing.T, dir string) *masterProcess {
	t.Helper()
	cfg, err := childConfig(dir)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), masterDirEnv+"="+dir)
	cmd.Stderr = t.Output()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &masterProcess{Running: &mastertest.Running{Dir: dir, Config: cfg, Host: "127.0.0.1"}, cmd: cmd, done: make(chan error, 1)}
	t.Cleanup(func() {
		if p.done != nil {
			p.kill()
			p.wait()
		}
	})
	stdout := bufio.NewReader(out)
	line, err := stdout.ReadString('\n')
	go func() {
		_, drainErr := io.Copy(io.Discard, stdout)
		p.done <- errors.Join(cmd.Wait(), drainErr)
	}()
	if err != nil {
		t.Fatalf("master process did not start: %v", err)
	}
	var request, publish string
	if _, err := fmt.Sscan(line, &request, &publish); err != nil {
		t.Fatalf("master process said %q: %v", line, err)
	}
	for addr, port := range map[string]*int{request: &p.RetPort, publish: &p.PublishPort} {
		if _, err := fmt.Sscanf(addr[strings.LastIndexByte(addr, ':')+1:], "%d", port); err != nil {
			t.Fatalf("address %q: %v", addr, err)
		}
	}
	return p
}

// kill is kill -9. Safe from any goroutine, also when the process has ended.
func (p *masterProcess) kill() { _ = p.cmd.Process.Kill() }

func (p *masterProcess) wait() error {
	err := <-p.done
	p.done = nil
	return err
}

// ledger is what minions were told: the returns that a master acknowledged.
type ledger struct {
	mu    sync.Mutex
	acked map[string][]string // by jid, minion ids
	n     int
	at    int    // this many acknowledgements …
	act   func() // … make it act, once
}

func (l *ledger) note(jid, id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acked[jid] = append(l.acked[jid], id)
	if l.n++; l.n == l.at {
		l.act()
	}
}

// TestKill_acknowledgedReturnsSurvive kills a master with SIGKILL while 1,000 returns come in, several times at
// different moments, and starts it again each time: every return that a minion saw acknowledged is in the job cache.
func TestKill_acknowledgedReturnsSurvive(t *testing.T) {
	dir, err := os.MkdirTemp("", "mk")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	all := map[string][]string{}
	total := 0
	for round, at := range []int{1, 250, 500, 750} {
		l := &ledger{acked: map[string][]string{}, at: at}
		killDuringReturns(t, dir, round, l)
		for jid, ids := range l.acked {
			all[jid] = append(all[jid], ids...)
		}
		total += l.n
		t.Logf("killed at acknowledgement %d, %d arrived of 1000", at, l.n)
	}

	// The restarted master serves the same minions, with the same keys, without a hand.
	p := startMasterProcess(t, dir)
	startSwarm(t, p.Running, swarm.Config{N: 5, IDPrefix: "k", KeyDir: filepath.Join(dir, "minions"), StartSequence: true})
	if reply := publish(t, p.Running, wire.PublishRequest{Tgt: "k0", TgtType: "glob", Fun: "test.ping"}); len(reply.Minions) != 1 {
		t.Errorf("publish after the restart: %+v", reply)
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.wait(); err != nil {
		t.Errorf("restarted master ended with %v", err)
	}

	store, err := jobcache.Open(p.Config.JobCacheDir, jobcache.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for jid, ids := range all {
		if _, ok, err := store.Job(jid); err != nil || !ok {
			t.Errorf("job %s: %v, %v", jid, ok, err)
		}
		for _, id := range ids {
			if _, ok, err := store.Return(jid, id); err != nil || !ok {
				t.Errorf("return of %s for %s was acknowledged and is lost: %v", id, jid, err)
			}
		}
	}
	if total < 1+250+500+750 {
		t.Errorf("%d acknowledged returns", total)
	}
}

// killDuringReturns runs a master and 200 minions, publishes five jobs and kills the master when l says so.
func killDuringReturns(t *testing.T, dir string, round int, l *ledger) {
	t.Helper()
	const minions, jobs = 200, 5
	p := startMasterProcess(t, dir)
	l.act = p.kill
	var ids []string
	s, err := swarm.New(swarm.Config{
		Masters: []swarm.Master{{Host: p.Host, RetPort: p.RetPort}}, N: minions, IDPrefix: "k",
		KeyDir: filepath.Join(dir, "minions"), Level: 3,
		OnReturn: func(jid string, minion int) { l.note(jid, ids[minion]) },
	})
	if err != nil {
		t.Fatal(err)
	}
	ids = s.IDs()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	defer func() {
		cancel()
		<-done
	}()
	wait, stop := context.WithTimeout(ctx, time.Minute)
	defer stop()
	if err := s.WaitReady(wait, minions); err != nil {
		t.Fatal(err)
	}
	// A REQ socket of its own per job, so that all five are on their way when the first returns arrive.
	jids := jid.NewGenerator(time.Now)
	for range jobs {
		body, err := wire.PublishRequest{
			Tgt: "*", TgtType: "glob", Fun: "test.echo", Arg: []any{fmt.Sprint("round ", round)}, Key: p.RootKey(t), User: p.Config.User, JID: jids.Next(),
		}.AppendEnvelope(nil, 3)
		if err != nil {
			t.Fatal(err)
		}
		control, err := dialPeer(p.Running, p.RetPort, "REQ")
		if err != nil {
			break // killed already
		}
		defer control.Close()
		if _, err := control.Write(zmtpMessage(nil, body)); err != nil {
			break
		}
	}
	select {
	case err := <-p.done:
		p.done = nil
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("master ended by itself: %v", err)
		}
	case <-wait.Done():
		t.Fatalf("%d returns acknowledged, waiting for %d", l.n, l.at)
	}
}
