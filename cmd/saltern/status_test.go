package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/cliargs"
	"github.com/saltern-io/saltern/internal/status"
	"github.com/saltern-io/saltern/master/mastertest"
)

// statusHost is a host without a running daemon: a configuration whose sock_dir is short enough.
func statusHost(t *testing.T, extra string) (configDir, sockDir string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "st")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	writeStatusConfig(t, dir, "sock_dir: "+dir+"\n"+extra)
	return dir, dir
}

func writeStatusConfig(t *testing.T, dir, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "master"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// runStatus is one call of the command.
func runStatus(t *testing.T, ctx context.Context, args ...string) (code int, out, errOut string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := newStatusCommand()
	cmd.SetOut(&stdout)
	cmd.SetErr(&stderr)
	cmd.SetContext(ctx)
	code = cliargs.Execute(cmd, args)
	return code, stdout.String(), stderr.String()
}

// stub is a daemon whose report a test makes; it is served until the test ends.
type stub struct{ report func() status.Report }

func (s stub) Status() status.Report { return s.report() }

func serveStub(t *testing.T, path string, report func() status.Report) {
	t.Helper()
	s, err := status.Listen(status.Config{Socket: path}, stub{report})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func report(program string, up bool) func() status.Report {
	return func() status.Report {
		r := status.New(program, "1", "", time.Now())
		r.AddSyndic(status.SyndicNumbers{Upstreams: []status.UpstreamNumbers{{
			Link:   status.Link{Name: "mom1", Up: up, State: "waiting", Since: time.Now()},
			Outbox: status.Queue{Depth: 1, Capacity: 10}, Received: 1, Stored: 1,
		}}})
		return r
	}
}

func TestStatus_master(t *testing.T) {
	m := mastertest.Start(t, nil)
	etc := filepath.Join(m.Dir, "etc2")
	if err := os.MkdirAll(etc, 0o700); err != nil {
		t.Fatal(err)
	}
	writeStatusConfig(t, etc, "sock_dir: "+m.Config.SockDir+"\n")
	code, out, _ := runStatus(t, t.Context(), "-c", etc)
	if code != exitNoStatus || !strings.Contains(out, "salt-master: not running: nobody listens on "+m.Config.SockDir) {
		t.Errorf("without a server: %d, %s", code, out)
	}
	stop := showStatus(status.Config{Socket: filepath.Join(m.Config.SockDir, status.MasterSocket)}, m.Master, slog.New(slog.DiscardHandler))
	code, out, errOut := runStatus(t, t.Context(), "-c", etc)
	if code != 0 || errOut != "" {
		t.Errorf("status %d, %s", code, errOut)
	}
	for _, want := range []string{
		"\nall well\n", ", serving since ", "\n  minions  ", "\n  auth  ", "\n  control  ", "\n  publish  ", "\n  jobcache  ", "\n  events  ",
		"sum requests: received 0 = answered 0 + not answerable 0 + waiting 0: balances", "sum returns: ", "keys accepted",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	code, out, _ = runStatus(t, t.Context(), "-c", etc, "--json", "master")
	var got map[string]answer
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != 0 || got["salt-master"].Report == nil || got["salt-master"].Report.PID != os.Getpid() {
		t.Errorf("status %d, %v, %.300s", code, err, out)
	}
	stop()
	if _, err := os.Lstat(filepath.Join(m.Config.SockDir, status.MasterSocket)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func TestStatus_exit(t *testing.T) {
	tests := []struct {
		name, config   string
		master, syndic string // "", "well", "degraded"
		args           []string
		code           int
		want, not      string
	}{
		{name: "nobody", code: 1, want: "salt-master: not running", not: "salt-syndic"},
		{name: "a syndic should run", config: "syndic_master: mom1\n", code: 1, want: "salt-syndic: not running"},
		{name: "a master alone", master: "well", want: "salt-master 1, process", not: "salt-syndic"},
		{name: "a master whose syndic does not run", config: "syndic_master: mom1\n", master: "well", code: 1, want: "salt-syndic: not running"},
		{name: "only the master is asked for", config: "syndic_master: mom1\n", master: "well", args: []string{"master"}, not: "salt-syndic"},
		{name: "a syndic beside a stock master", config: "syndic_master: mom1\n", syndic: "well", want: "salt-syndic 1, process", not: "salt-master"},
		{name: "both", syndic: "well", master: "well", want: "balances\n\nsalt-syndic 1, process"},
		{name: "a link is down", syndic: "degraded", master: "well", code: 2, want: "DEGRADED: link to mom1 is waiting"},
		{name: "down counts more than degraded", master: "degraded", args: []string{"syndic"}, code: 1},
		{name: "master asked for", syndic: "well", args: []string{"master"}, code: 1, want: "salt-master: not running"},
		{name: "two names", args: []string{"master", "syndic"}, code: 64},
		{name: "another name", args: []string{"minion"}, code: 64},
		{name: "too often", args: []string{"--watch", "0"}, code: 64},
		{name: "not a number", args: []string{"--watch", "nan"}, code: 64},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			etc, sock := statusHost(t, tt.config)
			if tt.master != "" {
				serveStub(t, filepath.Join(sock, status.MasterSocket), report("salt-master", tt.master == "well"))
			}
			if tt.syndic != "" {
				serveStub(t, filepath.Join(sock, status.SyndicSocket), report("salt-syndic", tt.syndic == "well"))
			}
			code, out, errOut := runStatus(t, t.Context(), append([]string{"-c", etc}, tt.args...)...)
			if code != tt.code || !strings.Contains(out, tt.want) || tt.not != "" && strings.Contains(out, tt.not) {
				t.Errorf("status %d, want %d\n%s%s", code, tt.code, out, errOut)
			}
		})
	}
}

func TestStatus_noConfig(t *testing.T) {
	dir := t.TempDir()
	writeStatusConfig(t, dir, "a: [\n")
	if code, _, errOut := runStatus(t, t.Context(), "-c", dir); code != exitNoStatus || errOut == "" {
		t.Errorf("status %d, %q", code, errOut)
	}
}

// TestStatus_watch ends it as an interrupt does, at the third round, and wants the state before.
func TestStatus_watch(t *testing.T) {
	etc, sock := statusHost(t, "")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	asked := 0
	serveStub(t, filepath.Join(sock, status.MasterSocket), func() status.Report {
		if asked++; asked == 3 {
			cancel()
		}
		return report("salt-master", false)()
	})
	code, out, _ := runStatus(t, ctx, "-c", etc, "--watch", "0.3", "--json")
	if n := strings.Count(out, "\n"); code != exitDegraded || n < 2 {
		t.Errorf("status %d, %d rounds", code, n)
	}
}

// TestShowStatus_busy looks that a daemon runs on when its metrics address, or its status, cannot be served.
func TestShowStatus_busy(t *testing.T) {
	m := mastertest.Start(t, nil)
	_, sock := statusHost(t, "")
	var lines bytes.Buffer
	log := slog.New(slog.NewTextHandler(&lines, nil))
	path := filepath.Join(sock, status.MasterSocket)
	stop := showStatus(status.Config{Socket: path, MetricsAddress: strings.TrimPrefix(m.Master.RequestAddr(), "tcp://")}, m.Master, log)
	if _, err := status.NewClient(path).Report(t.Context()); err != nil {
		t.Errorf("the socket: %v", err)
	}
	second := showStatus(status.Config{Socket: path}, m.Master, log)
	second()
	if _, err := status.NewClient(path).Report(t.Context()); err != nil {
		t.Errorf("the socket, after a second server: %v", err)
	}
	stop()
	for _, want := range []string{"Metrics address not served", "Status not served"} {
		if strings.Count(lines.String(), want) != 1 {
			t.Errorf("no %q in\n%s", want, lines.String())
		}
	}
}
