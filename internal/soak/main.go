package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/saltern-io/saltern/internal/demo"
)

// settings are the flags.
type settings struct {
	saltern string
	length  time.Duration
	every   time.Duration
	minions int
	pace    time.Duration
}

// errUnsound says that the tier did not do what it promises.
var errUnsound = errors.New("not sound")

func main() {
	var s settings
	flag.StringVar(&s.saltern, "saltern", "bin/saltern", "binary to run")
	flag.DurationVar(&s.length, "for", 30*time.Minute, "how long")
	flag.DurationVar(&s.every, "every", 0, "between two lines (default: a twentieth of -for)")
	flag.IntVar(&s.minions, "minions", 20, "simulated minions under each of the two hosts")
	flag.DurationVar(&s.pace, "pace", 500*time.Millisecond, "between two jobs of each of the three publishers; a short one fills in minutes what fills in hours")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := s.run(ctx, os.Stdout)
	switch {
	case err == nil:
	case errors.Is(err, errUnsound):
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	default:
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(2)
	}
}

// minLength is several rounds of what the line does: in less, the connections that it forgot still come and go.
const minLength = time.Minute

// settleTime bounds what comes after the load: queues that run empty.
const settleTime = 2 * time.Minute

func (s *settings) run(ctx context.Context, out io.Writer) (err error) {
	if s.length < minLength || s.minions < 1 || s.pace <= 0 {
		return fmt.Errorf("-for must be at least %v, -minions at least 1 and -pace more than nothing", minLength)
	}
	if s.every <= 0 {
		s.every = s.length / 20
	}
	path, err := exec.LookPath(s.saltern)
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return err
	}
	line, err := newLine()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, line.close()) }()
	tier, err := demo.NewTier(path, demo.Shape{
		Tops: 2, Hosts: 2, PerHost: s.minions, Upstreams: line.upstreams,
		SwarmArgs: []string{"--recon-default", "200ms", "--recon-max", "800ms"},
	})
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, tier.Stop())
		if err != nil {
			fmt.Fprintln(out, "kept:", tier.Dir)
			return
		}
		err = os.RemoveAll(tier.Dir)
	}()
	start, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	if err := tier.Start(start, io.Discard); err != nil {
		return err
	}
	fmt.Fprintf(out, "2 masters of masters, one of them behind a line that flaps, and one that is dead; 2 syndics, %d minions each; %v\n", s.minions, s.length)
	return s.soak(ctx, out, tier, line)
}

func (s *settings) soak(ctx context.Context, out io.Writer, tier *demo.Tier, line *line) (err error) {
	load, err := newLoad(ctx, tier, s.pace)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, load.close()) }()
	working, stop := context.WithTimeout(ctx, s.length)
	defer stop()
	load.begin(working)
	flapped := make(chan struct{})
	go func() {
		defer close(flapped)
		line.flap(working)
	}()
	w := newWatch(tier)
	err = w.follow(working, out, s.every, load)
	stop()
	<-flapped
	err = errors.Join(err, load.end())
	if ctx.Err() != nil {
		return errors.Join(err, context.Cause(ctx))
	}
	if err != nil {
		return err
	}
	after, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	if err := w.settle(after, out, load); err != nil {
		return err
	}
	w.print(out)
	sums := w.sums()
	if err := tier.Stop(); err != nil {
		return err
	}
	return errors.Join(sums, w.flat(), load.complete(out))
}
