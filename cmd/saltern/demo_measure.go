package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/saltern-io/saltern/internal/demo"
	"github.com/saltern-io/saltern/internal/event"
	"github.com/saltern-io/saltern/internal/metrics"
)

// measure asks everything from the first top so many times and prints what each time cost.
func measure(ctx context.Context, out io.Writer, tier *demo.Tier, rounds int) error {
	mom := tier.Tops()[0]
	if _, err := askQuietly(ctx, tier, mom); err != nil { // connections, caches, lists of minions
		return err
	}
	fmt.Fprintf(out, "\n%d minions behind %d syndics; salt -c %s '*' test.ping, %d times:\n", tier.Minions(), len(tier.Hosts()), mom.Name, rounds)
	fmt.Fprintf(out, "%8s %10s %12s %14s %10s %10s\n", "answers", "time (s)", "CPU at top", "CPU per return", "requests", "events")
	var slowest time.Duration
	var cpu time.Duration
	for range rounds {
		before, err := tier.Figures(ctx, mom, false)
		if err != nil {
			return err
		}
		took, err := askQuietly(ctx, tier, mom)
		if err != nil {
			return err
		}
		after, err := tier.Figures(ctx, mom, false)
		if err != nil {
			return err
		}
		used := after.CPU - before.CPU
		cpu += used
		slowest = max(slowest, took)
		fmt.Fprintf(out, "%8d %10.2f %9d ms %11.4f ms %10.0f %10.0f\n", tier.Minions(), took.Seconds(), used.Milliseconds(), perReturn(used, tier.Minions()),
			after.Total(metrics.SocketReceived.Name)-before.Total(metrics.SocketReceived.Name),
			after.Total(metrics.EventsFired.Name)-before.Total(metrics.EventsFired.Name))
	}
	fmt.Fprintf(out, "slowest %.2f s, %.4f ms CPU per return at %s\n", slowest.Seconds(), perReturn(cpu, rounds*tier.Minions()), mom.Name)
	return nil
}

func perReturn(used time.Duration, returns int) float64 {
	return float64(used.Microseconds()) / 1000 / float64(returns)
}

// askQuietly runs salt '*' test.ping at a top and wants every minion's answer.
func askQuietly(ctx context.Context, tier *demo.Tier, mom *demo.Master) (took time.Duration, err error) {
	start := time.Now()
	text, err := tier.Run(ctx, "salt", "-c", mom.Config, "--no-color", "--out", "txt", "*", "test.ping")
	took = time.Since(start)
	if err != nil {
		return took, err
	}
	if answers, _ := readAnswers(text); len(answers) != tier.Minions() {
		return took, fmt.Errorf("%s: %d of %d answers", mom.Name, len(answers), tier.Minions())
	}
	return took, nil
}

// healDeadline is how long a tier may take to answer in full again.
const healDeadline = time.Minute

// showRestarts ends and starts daemons, and prints how long after they listen again everything answers.
func showRestarts(ctx context.Context, out io.Writer, tier *demo.Tier) error {
	mom, mid := tier.Tops()[0], tier.Hosts()[0]
	fmt.Fprintf(out, "\n%-34s %s\n", "daemon", "complete answer after it listens again (s)")
	for _, c := range []struct {
		what string
		who  *demo.Master
		how  syscall.Signal
	}{
		{"master of masters restarted", mom, syscall.SIGTERM},
		{"master of masters killed", mom, syscall.SIGKILL},
		{"master beside a syndic restarted", mid, syscall.SIGTERM},
		{"master beside a syndic killed", mid, syscall.SIGKILL},
	} {
		if _, err := askQuietly(ctx, tier, mom); err != nil {
			return err
		}
		if err := tier.StopMaster(ctx, c.who, c.how); err != nil {
			return err
		}
		if err := tier.StartMaster(ctx, c.who); err != nil {
			return err
		}
		took, tries, err := heals(ctx, tier, mom)
		if err != nil {
			return fmt.Errorf("%s: %w", c.what, err)
		}
		fmt.Fprintf(out, "%-34s %.2f (question %d)\n", c.what, took.Seconds(), tries)
	}
	return nil
}

// heals asks again and again, without waiting for the answers of one question before the next, until one has all.
func heals(ctx context.Context, tier *demo.Tier, mom *demo.Master) (took time.Duration, tries int, err error) {
	ctx, cancel := context.WithTimeout(ctx, healDeadline)
	defer cancel()
	start := time.Now()
	bus, err := event.Dial(ctx, filepath.Join(mom.SockDir(), event.PubSocket))
	if err != nil {
		return 0, 0, err
	}
	defer bus.Close()
	asking, stop := context.WithCancel(ctx)
	asked := make(chan error, 1)
	var questions atomic.Int64
	go func() {
		for asking.Err() == nil {
			questions.Add(1)
			if _, err := tier.Run(asking, "salt", "-c", mom.Config, "--async", "*", "test.ping"); err != nil && asking.Err() == nil {
				asked <- err
				cancel()
				return
			}
		}
		asked <- nil
	}()
	defer func() {
		stop()
		err = errors.Join(<-asked, err)
	}()
	answers := map[string]map[string]bool{}
	for {
		e, err := bus.Next(ctx)
		if err != nil {
			return 0, 0, err
		}
		rest, ok := strings.CutPrefix(e.Tag, "salt/job/")
		jid, id, isReturn := strings.Cut(rest, "/ret/")
		if !ok || !isReturn {
			continue
		}
		if answers[jid] == nil {
			answers[jid] = map[string]bool{}
		}
		if answers[jid][id] = true; len(answers[jid]) == tier.Minions() {
			return time.Since(start), int(questions.Load()), nil
		}
	}
}
