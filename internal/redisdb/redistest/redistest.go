// Package redistest runs a real redis-server for tests: on a free port of loopback, in a directory of the test, started
// and stopped as often as the test wants.
package redistest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/saltern-io/saltern/internal/config"
)

// startTimeout bounds how long a server may take to answer, or to end.
const startTimeout = 30 * time.Second

// Server is one redis-server with its own port and directory. Its methods belong to the test's goroutine.
type Server struct {
	Port int
	Dir  string

	t    testing.TB
	args []string
	cmd  *exec.Cmd
	done chan error
}

// Start runs a server with additional arguments, and stops it with the test. Without the binary the test is skipped.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not installed (Debian package redis-server)")
	}
	s := &Server{Dir: t.TempDir(), t: t, args: args}
	t.Cleanup(s.Kill)
	for tries := 1; ; tries++ {
		s.Port = freePort(t)
		err := s.run()
		if err == nil {
			return s
		}
		if tries == 5 { // somebody may have been faster at the port
			t.Fatal(err)
		}
	}
}

// freePort is one that nobody has now; redis-server cannot be asked which one it took. It lies below the ports that the
// kernel gives away, so that it is still free when the server starts again.
func freePort(t testing.TB) int {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 20_000+rand.IntN(12_000)))
		if err != nil {
			continue
		}
		defer func() { _ = l.Close() }() // nothing was written
		return l.Addr().(*net.TCPAddr).Port
	}
	t.Fatal("no free port")
	return 0
}

// Run starts the server again and waits until it listens.
func (s *Server) Run() {
	s.t.Helper()
	deadline := time.Now().Add(startTimeout)
	for {
		err := s.run()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatal(err)
		}
	}
}

func (s *Server) run() error {
	args := append([]string{
		"--port", strconv.Itoa(s.Port), "--bind", "127.0.0.1", "--dir", s.Dir, "--save", "", "--daemonize", "no",
		"--unixsocket", s.Socket(), "--loglevel", "warning",
	}, s.args...)
	cmd := exec.Command("redis-server", args...)
	log, err := os.OpenFile(filepath.Join(s.Dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // the child has its own
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	s.cmd, s.done = cmd, done
	deadline := time.Now().Add(startTimeout)
	for {
		conn, err := net.DialTimeout("unix", s.Socket(), time.Second)
		if err == nil {
			_ = conn.Close() // only looked whether it is there
			return nil
		}
		select {
		case err := <-done:
			s.cmd = nil
			text, _ := os.ReadFile(filepath.Join(s.Dir, "log")) // "" is what there is to show then
			return fmt.Errorf("redis-server ended: %w\n%s", err, text)
		default:
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("redis-server does not listen: %w", err)
		}
		time.Sleep(10 * time.Millisecond) // until it listens: it tells nobody
	}
}

// Socket is the path of its Unix socket.
func (s *Server) Socket() string { return filepath.Join(s.Dir, "s") }

// Stop ends the server as a service manager does: what it persists is saved.
func (s *Server) Stop() { s.end(os.Interrupt) }

// Kill ends it without a chance to save anything.
func (s *Server) Kill() { s.end(os.Kill) }

func (s *Server) end(sig os.Signal) {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Signal(sig) // it may have ended by itself
	select {
	case <-s.done:
	case <-time.After(startTimeout):
		_ = s.cmd.Process.Kill() // the same
		<-s.done
		s.t.Error("redis-server did not stop")
	}
	s.cmd = nil
}

// Config names the server as a configuration does.
func (s *Server) Config() config.Redis { return config.Redis{Host: "127.0.0.1", Port: s.Port} }

// Client is a plain client for looking at what is there, closed with the test.
func (s *Server) Client() *redis.Client {
	c := redis.NewClient(&redis.Options{Addr: fmt.Sprintf("127.0.0.1:%d", s.Port), Protocol: 2})
	s.t.Cleanup(func() { _ = c.Close() }) // nothing of the test depends on it any more
	return c
}

// Flush drops everything that the server holds.
func (s *Server) Flush() {
	s.t.Helper()
	if err := s.Client().FlushAll(context.Background()).Err(); err != nil {
		s.t.Fatal(err)
	}
}
