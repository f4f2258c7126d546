// Package mastertest runs a real master on free loopback ports inside a test, as net/http/httptest
// runs a server.
package mastertest

import (
	"context"
	"log/slog"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/master"
)

// Running is one master of a test. It ends with the test.
type Running struct {
	Dir         string // root of all its directories
	Config      *config.Master
	Master      *master.Master
	Host        string
	RetPort     int
	PublishPort int

	cancel context.CancelFunc
	done   chan error
}

// DefaultConfig is a master below dir that listens on free loopback ports.
func DefaultConfig(t testing.TB, dir string) *config.Master {
	t.Helper()
	u, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	cfg, _, err := config.LoadMaster(config.LoadOptions{ConfigDir: filepath.Join(dir, "etc"), Overrides: map[string]any{
		"root_dir": dir, "interface": "127.0.0.1", "ret_port": 0, "publish_port": 0, "id": "test_master", "user": u.Username,
		// Short, because the kernel limits the names of Unix sockets.
		"sock_dir": filepath.Join(dir, "s"), "saltern_rotation_gap": 0,
	}})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// Start runs a master with DefaultConfig after change, and stops it when the test ends.
func Start(t testing.TB, change func(*config.Master)) *Running {
	t.Helper()
	dir, err := os.MkdirTemp("", "mt")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	cfg := DefaultConfig(t, dir)
	if change != nil {
		change(cfg)
	}
	return Run(t, dir, cfg)
}

// Run runs a master with this configuration, for tests that start one twice.
func Run(t testing.TB, dir string, cfg *config.Master) *Running {
	t.Helper()
	return RunWith(t, dir, cfg, master.Options{})
}

// RunWith is Run with options, for tests with a clock of their own. A master without a key gets the
// one that all tests of the process share.
func RunWith(t testing.TB, dir string, cfg *config.Master, opts master.Options) *Running {
	t.Helper()
	giveMasterKey(t, cfg)
	level := slog.LevelWarn
	if testing.Verbose() {
		level = slog.LevelInfo
	}
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: level}))
	m, err := master.New(cfg, log, opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &Running{
		Dir: dir, Config: cfg, Master: m, Host: "127.0.0.1", RetPort: port(t, m.RequestAddr()), PublishPort: port(t, m.PublishAddr()),
		cancel: cancel, done: make(chan error, 1),
	}
	go func() { r.done <- m.Run(ctx) }()
	<-m.Ready()
	t.Cleanup(func() { r.Stop(t) })
	return r
}

func giveMasterKey(t testing.TB, cfg *config.Master) {
	t.Helper()
	path := filepath.Join(cfg.PKIDir, "master.pem")
	if _, err := os.Lstat(path); err == nil || cfg.KeyPass != "" || cfg.KeySize != 2048 {
		return
	}
	if err := os.MkdirAll(cfg.PKIDir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, masterKey().PEM(), 0o400); err != nil {
		t.Fatal(err)
	}
}

// Stop stops the master and reports what went wrong. A second Stop does nothing.
func (r *Running) Stop(t testing.TB) {
	t.Helper()
	if r.done == nil {
		return
	}
	r.cancel()
	select {
	case err := <-r.done:
		if err != nil {
			t.Errorf("master stopped with: %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Error("master did not stop within 30 s")
	}
	r.done = nil
}

// RootKey is the local key of the user that runs the test.
func (r *Running) RootKey(t testing.TB) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(r.Config.CacheDir, "."+r.Config.User+"_key"))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func port(t testing.TB, endpoint string) int {
	t.Helper()
	_, p, err := net.SplitHostPort(strings.TrimPrefix(endpoint, "tcp://"))
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(p)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
