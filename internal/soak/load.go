package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/saltern-io/saltern/internal/demo"
	"github.com/saltern-io/saltern/jobcache"
)

// load publishes jobs and remembers them.
type load struct {
	tier *demo.Tier
	pace time.Duration // between two jobs of one publisher
	wg   sync.WaitGroup

	seen map[*demo.Master]*tally // what the masters of masters fire

	mu      sync.Mutex
	jobs    map[*demo.Master][]string
	local   int
	slowest time.Duration // answer at the steady master of masters since the last look
	late    int           // answers there that were not complete
	err     error
}

// newLoad listens to the masters of masters; close ends that.
func newLoad(ctx context.Context, tier *demo.Tier, pace time.Duration) (*load, error) {
	l := &load{tier: tier, pace: pace, seen: map[*demo.Master]*tally{}, jobs: map[*demo.Master][]string{}}
	for _, m := range tier.Tops() {
		t, err := newTally(ctx, m)
		if err != nil {
			return nil, errors.Join(err, l.close())
		}
		l.seen[m] = t
	}
	return l, nil
}

func (l *load) close() error {
	var errs []error
	for _, t := range l.seen {
		errs = append(errs, t.close())
	}
	return errors.Join(errs...)
}

// short is how many jobs lack returns on the bus of their master of masters.
func (l *load) short() (n int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for m, t := range l.seen {
		k, terr := t.short(l.jobs[m], l.tier.Minions())
		if terr != nil {
			err = errors.Join(err, fmt.Errorf("event bus of %s: %w", m.Name, terr))
		}
		n += k
	}
	return n, err
}

// begin starts the publishers; they end with ctx.
func (l *load) begin(ctx context.Context) {
	steady, far := l.tier.Tops()[0], l.tier.Tops()[1]
	l.every(ctx, 0, func(ctx context.Context) error { return l.ask(ctx, steady) })
	l.every(ctx, l.pace/3, func(ctx context.Context) error { return l.publish(ctx, far) })
	l.every(ctx, 2*l.pace/3, l.askBelow)
}

// every publishes at its own moment of each interval: masters that publish in the same microsecond give out the same job id,
// which happened twice in half an hour of publishing at the same time.
func (l *load) every(ctx context.Context, offset time.Duration, job func(context.Context) error) {
	l.wg.Go(func() {
		select {
		case <-time.After(offset):
		case <-ctx.Done():
		}
		tick := time.NewTicker(l.pace)
		defer tick.Stop()
		for ctx.Err() == nil {
			// A job that was begun is finished: it would be half known otherwise.
			if err := job(context.WithoutCancel(ctx)); err != nil {
				l.mu.Lock()
				l.err = errors.Join(l.err, err)
				l.mu.Unlock()
				return
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	})
}

// end waits for the publishers and tells what they could not do.
func (l *load) end() error {
	l.wg.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

func (l *load) failed() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// ask publishes and waits for the answers, as an operator does.
func (l *load) ask(ctx context.Context, m *demo.Master) error {
	began := time.Now()
	text, err := l.tier.Run(ctx, "salt", "-c", m.Config, "--no-color", "--out", "txt", "-v", "*", "test.ping")
	took := time.Since(began)
	_, rest, ok := strings.Cut(text, "Executing job with jid ")
	jid, _, _ := strings.Cut(rest, "\n")
	if !ok {
		return fmt.Errorf("no job at %s: %w: %q", m.Name, err, text)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.jobs[m] = append(l.jobs[m], strings.TrimSpace(jid))
	l.slowest = max(l.slowest, took)
	if strings.Count(text, ": True") != l.tier.Minions() {
		l.late++
	}
	return nil
}

// publish does not wait.
func (l *load) publish(ctx context.Context, m *demo.Master) error {
	text, err := l.tier.Run(ctx, "salt", "-c", m.Config, "--no-color", "--async", "*", "test.ping")
	_, jid, ok := strings.Cut(strings.TrimSpace(text), "with job ID: ")
	if err != nil || !ok {
		return fmt.Errorf("no job at %s: %w: %q", m.Name, err, text)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.jobs[m] = append(l.jobs[m], jid)
	return nil
}

// askBelow publishes at the masters below in turn: their events go to every master of masters, so also to the dead one.
func (l *load) askBelow(ctx context.Context) error {
	l.mu.Lock()
	hosts := l.tier.Hosts()
	m := hosts[l.local%len(hosts)]
	l.local++
	l.mu.Unlock()
	_, err := l.tier.Run(ctx, "salt", "-c", m.Config, "--no-color", "--async", "*", "test.ping")
	return err
}

// took is how many jobs there were, and the slowest answer at the steady master of masters since the last call.
func (l *load) took() (steady, far, local, late int, slowest time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	slowest, l.slowest = l.slowest, 0
	tops := l.tier.Tops()
	return len(l.jobs[tops[0]]), len(l.jobs[tops[1]]), l.local, l.late, slowest
}

// complete reads the stopped tier's stores: every job must have every return, and no minion may have been given a job
// twice.
func (l *load) complete(out io.Writer) error {
	var errs []error
	for _, m := range l.tier.Tops() {
		n, err := l.stored(m)
		fmt.Fprintf(out, "%s: %d jobs, %d of %d returns stored\n", m.Name, len(l.jobs[m]), n, len(l.jobs[m])*l.tier.Minions())
		errs = append(errs, err)
	}
	for _, m := range l.tier.Hosts() {
		var s struct {
			Again   int `json:"targeted_again"`
			Dropped int `json:"returns_dropped"`
		}
		text, err := os.ReadFile(filepath.Join(m.Config, "swarm.json"))
		if err == nil {
			err = json.Unmarshal(text, &s)
		}
		if err == nil && s.Again+s.Dropped > 0 {
			err = fmt.Errorf("%w: minions of %s were given a job twice %d times and dropped %d returns", errUnsound, m.Name, s.Again, s.Dropped)
		}
		errs = append(errs, err)
	}
	if l.late > 0 {
		errs = append(errs, fmt.Errorf("%w: %d answers at the steady master of masters were not complete in time", errUnsound, l.late))
	}
	return errors.Join(errs...)
}

// stored counts the returns of m's jobs.
func (l *load) stored(m *demo.Master) (all int, err error) {
	store, err := jobcache.Open(m.JobCache, jobcache.Options{})
	if err != nil {
		return 0, err
	}
	defer store.Close()
	short := 0
	for _, jid := range l.jobs[m] {
		n := 0
		if err := store.Returns(jid, func(jobcache.Return) error { n++; return nil }); err != nil {
			return all, err
		}
		if n != l.tier.Minions() {
			short++
			err = fmt.Errorf("%w: %d jobs of %s lack returns, the last is %s with %d", errUnsound, short, m.Name, jid, n)
		}
		all += n
	}
	return all, err
}
