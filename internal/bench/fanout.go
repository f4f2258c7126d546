package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/saltern-io/saltern/internal/jid"
)

// requestIdle is after which time a minion gives its request connection up: ten thousand with two each need more descriptors than
// many machines allow a process.
const requestIdle = 2 * time.Second

// fanOut measures how long after it was asked for a publication reaches a subscriber of publish that subscribed after all
// minions, so about the last in line, while it goes to all of them. In milliseconds, in the order they were made.
func (s *settings) fanOut(ctx context.Context, m *master, publish string) (times []float64, err error) {
	last, err := subscribe(publish)
	if err != nil {
		return nil, err
	}
	defer last.Close()
	control, err := dialPeer(m.request)
	if err != nil {
		return nil, err
	}
	defer control.Close()
	jids := jid.NewGenerator(time.Now)
	for i := range 20 * s.repeat {
		select {
		case <-time.After(50 * time.Millisecond): // the minions are idle again
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		began := time.Now()
		if _, err := m.publish(ctx, control, jids.Next(), "swarm-0"); err != nil {
			return nil, err
		}
		if _, err := last.topic(); err != nil {
			return nil, err
		}
		if i > 0 { // until the first one came, the subscription may have been on its way
			times = append(times, milliseconds(time.Since(began)))
		}
	}
	return times, nil
}

// fanOutDirect is the median of fanOut of a master without a broker, with as many minions.
func (s *settings) fanOutDirect(ctx context.Context) (median float64, err error) {
	m, err := s.startMaster(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, m.stop()) }()
	publish := net.JoinHostPort("127.0.0.1", strconv.Itoa(m.pubPort))
	stop, err := s.swarms(ctx, publish, m.request)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	times, err := s.fanOut(ctx, m, publish)
	if err != nil {
		return 0, err
	}
	slices.Sort(times)
	return times[len(times)/2], nil
}

// swarms starts the minions in processes of at most 5000: two descriptors each while they sign in.
func (s *settings) swarms(ctx context.Context, publish, request string) (stop func() error, err error) {
	var children []*child
	stop = func() error {
		var errs []error
		for _, c := range children {
			errs = append(errs, c.stop())
		}
		return errors.Join(errs...)
	}
	const most = 5000
	_, pubPort, err := net.SplitHostPort(publish)
	if err != nil {
		return stop, err
	}
	dir, err := os.MkdirTemp(s.dir, "swarm")
	if err != nil {
		return stop, err
	}
	for first := 0; first < s.behind; first += most {
		n := min(most, s.behind-first)
		ready := filepath.Join(dir, fmt.Sprintf("ready-%d", first))
		cmd := exec.Command(s.saltern, "swarm", "--master", request, "--publish-port", pubPort, "--minions", strconv.Itoa(n), "--first", strconv.Itoa(first),
			"--ready-file", ready, "--progress", "never", "--stats-file", ready+".json", "--auth-parallel", "16",
			"--request-idle", requestIdle.String())
		cmd.Stderr = os.Stderr
		c, err := startChild(cmd)
		if err != nil {
			return stop, errors.Join(err, stop())
		}
		children = append(children, c)
		if err := awaitFile(ctx, c, ready); err != nil {
			return stop, errors.Join(err, stop())
		}
	}
	return stop, nil
}

func awaitFile(ctx context.Context, c *child, path string) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for {
		if _, err := os.Stat(path); err == nil {
			return nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-c.done:
			return fmt.Errorf("swarm ended: %w", c.err)
		case <-ctx.Done():
			return errors.New("swarm is not ready in time")
		}
	}
}
