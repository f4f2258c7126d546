package scenario

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/saltern-io/saltern/internal/stock"
)

// redisServer is a real redis-server of one bench, with its data on disk: what it took is there after a kill.
type redisServer struct {
	bench   *Bench
	host    string
	port    int
	dir     string
	process *stock.Process
}

// noRedis is why scenarios with Redis do not apply; empty: they do.
func noRedis() string {
	if _, err := exec.LookPath("redis-server"); err != nil {
		return "redis-server is not installed"
	}
	return ""
}

func newRedis(b *Bench, host string) (*redisServer, error) {
	dir, err := b.subdir("redis")
	if err != nil {
		return nil, err
	}
	port, err := stock.FreePort(host)
	return &redisServer{bench: b, host: host, port: port, dir: dir}, err
}

// start runs the server and returns when it listens.
func (r *redisServer) start(ctx context.Context) error {
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		return err
	}
	r.process, err = stock.Start("redis", []string{
		binary, "--port", strconv.Itoa(r.port), "--bind", r.host, "--dir", r.dir, "--daemonize", "no", "--save", "",
		"--appendonly", "yes", "--appendfsync", "always",
	}, os.Environ(), filepath.Join(r.bench.Dir, "redis.log"))
	if err != nil {
		return err
	}
	r.bench.processes = append(r.bench.processes, r.process)
	return stock.Poll(ctx, "redis-server", startTimeout, func() error {
		if err := running(r.process); err != nil {
			return err
		}
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(r.host, strconv.Itoa(r.port)))
		return errors.Join(err, closed(conn))
	})
}

func closed(conn net.Conn) error {
	if conn == nil {
		return nil
	}
	return conn.Close()
}

// command sends one command without arguments and wants OK.
func (r *redisServer) command(ctx context.Context, name string) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(r.host, strconv.Itoa(r.port)))
	if err != nil {
		return err
	}
	if _, err = fmt.Fprintf(conn, "%s\r\n", name); err == nil {
		answer := make([]byte, 5)
		if _, err = io.ReadFull(conn, answer); err == nil && string(answer) != "+OK\r\n" {
			err = fmt.Errorf("redis %s: %q", name, answer)
		}
	}
	return errors.Join(err, conn.Close())
}

// kill takes Redis away without a word.
func (r *redisServer) kill() error { return r.process.Kill() }

// options name the server in a master's, minion's or relay's file.
func (r *redisServer) options() []string {
	return []string{"redis.host: " + r.host, fmt.Sprintf("redis.port: %d", r.port), "redis.db: 0"}
}
