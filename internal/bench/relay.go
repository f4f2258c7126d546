package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/jobexport"
	"github.com/saltern-io/saltern/internal/redisdb"
	"github.com/saltern-io/saltern/internal/relay"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/jobcache"
	"github.com/saltern-io/saltern/transport"
)

// Sizes of one measurement.
const (
	relayPublications = 10_000
	relayWindow       = 1000 // publications under way
	relayFrame        = 600  // bytes: a test.ping, sealed
	exportReturns     = 10_000
)

// measureRelay has tap, outlet and exporter in this process, and a redis-server without persistence beside it.
func measureRelay(ctx context.Context, s *settings, t *table) (err error) {
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		fmt.Fprintln(os.Stderr, "relay: redis-server is not installed, left out")
		return nil
	}
	server, stop, err := startRedis(ctx, binary, filepath.Join(s.dir, "redis"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	through := row{name: "publications tap, Redis, outlet, subscriber", unit: "/s"}
	exported := row{name: "returns exported to Redis", unit: "/s"}
	for i := range s.repeat {
		dir := filepath.Join(s.dir, fmt.Sprintf("relay%d", i))
		rate, err := relayOnce(ctx, server, dir)
		if err != nil {
			return err
		}
		through.values = append(through.values, rate)
		if rate, err = exportOnce(ctx, server, filepath.Join(dir, "jobs")); err != nil {
			return err
		}
		exported.values = append(exported.values, rate)
	}
	t.add(through)
	t.add(exported)
	return nil
}

func startRedis(ctx context.Context, binary, dir string) (cfg config.Redis, stop func() error, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return cfg, nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return cfg, nil, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		return cfg, nil, err
	}
	cmd := exec.CommandContext(ctx, binary, "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--loglevel", "warning")
	if err := cmd.Start(); err != nil {
		return cfg, nil, err
	}
	stop = func() error {
		err := cmd.Process.Kill()
		_ = cmd.Wait() // killed: its status says so
		return err
	}
	err = until(ctx, func() bool {
		conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		return err == nil && conn.Close() == nil
	})
	if err != nil {
		return cfg, nil, errors.Join(err, stop())
	}
	return config.Redis{Host: "127.0.0.1", Port: port}, stop, nil
}

// until polls a condition.
func until(ctx context.Context, ok func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

// relayOnce sends publications through a tap and an outlet and returns how many arrived in a second.
func relayOnce(ctx context.Context, server config.Redis, dir string) (rate float64, err error) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	zctx, err := transport.NewContext(1, 64)
	if err != nil {
		cancel()
		return 0, err
	}
	defer func() {
		cancel()
		wg.Wait()
		err = errors.Join(err, zctx.Close())
	}()
	pub, err := transport.ListenPublish(transport.PublishServerConfig{Context: zctx, Endpoint: "tcp://127.0.0.1:0"})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, pub.Close()) }()
	port, err := strconv.Atoi(pub.Addr()[strings.LastIndexByte(pub.Addr(), ':')+1:])
	if err != nil {
		return 0, err
	}
	failed := make(chan error, 3)
	start := func(name string, change func(*config.Relay)) (*relay.Relay, error) {
		cfg := config.DefaultRelay()
		cfg.ID, cfg.CacheDir, cfg.EventDir, cfg.Redis, cfg.StreamPrefix = name, filepath.Join(dir, name), "", server, "bench:"+filepath.Base(dir)+":"
		change(cfg)
		r, err := relay.New(cfg, slog.New(slog.DiscardHandler))
		if err == nil {
			wg.Go(func() { failed <- r.Run(ctx) })
		}
		return r, err
	}
	out, err := start("outlet", func(c *config.Relay) {
		c.Outlets = []config.RelayOutlet{{Name: "mom", Host: "127.0.0.1", MasterRetPort: 1, Interface: "127.0.0.1", Mode: config.OutletStream}}
	})
	if err != nil {
		return 0, err
	}
	if _, err := start("tap", func(c *config.Relay) {
		c.Taps = []config.RelayTap{{Name: "mom", Host: "127.0.0.1", PublishPort: port}}
	}); err != nil {
		return 0, err
	}
	sub, err := transport.NewSubscriber(transport.SubscriberConfig{Context: zctx, Endpoint: out.Outlets()[0].PublishAddr()})
	if err != nil {
		return 0, err
	}
	var got atomic.Int64
	wg.Go(func() { failed <- sub.Run(ctx) })
	wg.Go(func() {
		for range sub.Messages() {
			got.Add(1)
		}
	})
	ready := func() bool {
		s := out.Outlets()[0].Stats()
		return s.Follower.Up && s.Subscribers > 0 && pub.Subscribers() > 0
	}
	if err := until(ctx, ready); err != nil {
		return 0, err
	}
	frame := make([]byte, relayFrame)
	frame[0] = 0x82 // a map, as a publication is
	began := time.Now()
	for i := range int64(relayPublications) {
		if i-got.Load() >= relayWindow {
			if err := until(ctx, func() bool { return i-got.Load() < relayWindow }); err != nil {
				return 0, err
			}
		}
		one := strconv.AppendInt(frame[:1:1], i, 10)
		if err := pub.Publish(ctx, [][]byte{append(one, frame[len(one):]...)}); err != nil {
			return 0, err
		}
	}
	err = until(ctx, func() bool { return got.Load() >= relayPublications })
	took := time.Since(began)
	if err != nil {
		return 0, fmt.Errorf("%d of %d publications arrived: %w", got.Load(), relayPublications, err)
	}
	return relayPublications / took.Seconds(), nil
}

// exportOnce stores returns and has them exported; the rate is that of the export alone.
func exportOnce(ctx context.Context, server config.Redis, dir string) (rate float64, err error) {
	store, err := jobcache.Open(dir, jobcache.Options{ExportMax: 10 * exportReturns})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	client, err := redisdb.Open(server)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	faults := make(chan error, exportReturns)
	for i := range exportReturns {
		id := fmt.Sprintf("m%06d", i)
		raw, err := wire.Encode(wire.NewMap("cmd", "_return", "id", id, "jid", "20261120150000000001", "return", true, "retcode", 0, "success", true, "fun", "test.ping"), wire.Wire)
		if err != nil {
			return 0, err
		}
		store.SaveReturn(jobcache.Return{JID: "20261120150000000001", MinionID: id, Body: raw}, func(o jobcache.Outcome) { faults <- o.Err })
	}
	for range exportReturns {
		if err := <-faults; err != nil {
			return 0, err
		}
	}
	exp := jobexport.New(jobexport.Config{
		Source: store, Client: client, Keep: func() time.Duration { return time.Hour }, Log: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	began := time.Now()
	wg.Go(func() { exp.Run(ctx) })
	if err := until(ctx, func() bool { return exp.Stats().Exported >= exportReturns }); err != nil {
		return 0, fmt.Errorf("%+v: %w", exp.Stats(), err)
	}
	return exportReturns / time.Since(began).Seconds(), nil
}
