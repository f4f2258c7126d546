package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/saltern-io/saltern/internal/cliargs"
	"github.com/saltern-io/saltern/internal/client"
	"github.com/saltern-io/saltern/internal/wire"
)

// batchSize reads "3", "25%" or "%25" for a number of responders: at least 1 when there is anyone.
// spec: local-client-and-salt-cli §6
func batchSize(text string, responders int) (int, error) {
	percent := strings.Trim(text, "%")
	if percent == text {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return 0, batchFault(text)
		}
		return n, nil
	}
	p, err := strconv.ParseFloat(percent, 64)
	if err != nil || p <= 0 || math.IsInf(p, 0) || math.IsNaN(p) {
		return 0, batchFault(text)
	}
	return int(max(1, math.Floor(float64(responders)*min(p, 100)/100))), nil
}

// batchFault is stock's text; unlike stock the command stops before anything is published.
func batchFault(text string) error {
	return &batchSizeError{text}
}

type batchSizeError struct{ text string }

func (e *batchSizeError) Error() string {
	return "Invalid batch data sent: " + e.text + "\nData must be in the form of %10, 10% or 3"
}

// runBatch pings the target and then keeps a limited number of the responders at work. --static is a
// batch of everybody that prints one map at the end.
func (r *saltRun) runBatch(ctx context.Context) error {
	if r.opts.batch == "" {
		r.opts.batch = "100%"
	}
	if _, err := batchSize(r.opts.batch, 1); err != nil {
		fmt.Fprintln(r.stdout, err)
		return cliargs.Exit(saltExitNothing)
	}
	up, err := r.responders(ctx)
	if err != nil {
		return err
	}
	size, err := batchSize(r.opts.batch, len(up))
	if err != nil {
		return err
	}
	b := &batch{run: r, todo: up, size: size, wait: time.Duration(r.opts.batchWait * float64(time.Second))}
	if err := b.all(ctx); err != nil {
		return err
	}
	if r.opts.static {
		return r.finishStatic(b.results)
	}
	return cliargs.Exit(int(min(b.worst, 255)))
}

func (r *saltRun) finishStatic(results []client.Result) error {
	all := wire.NewMap()
	for _, res := range results {
		all.Set(res.ID, res.Return)
	}
	if err := r.print.show(all, "", showGood); err != nil {
		return err
	}
	if all.Len() == 0 {
		return &cliargs.ExitError{Code: saltExitNothing, Text: saltTextNoReturn}
	}
	return nil
}

// responders pings the target, names those that stay silent and returns the others, sorted.
func (r *saltRun) responders(ctx context.Context) ([]string, error) {
	kwargs := wire.NewMap("gather_job_timeout", r.opts.gatherSeconds(r.cfg), "yield_pub_data", true)
	r.call.addAuth(kwargs)
	job, err := r.client.Start(ctx, r.call.publish("test.ping", nil, "", kwargs, r.cfg), r.jobOptions())
	if err != nil {
		return nil, err
	}
	defer job.Close()
	if job.JID == "" {
		fmt.Fprintln(r.stdout, saltTextNoMatch)
		if !r.opts.static {
			fmt.Fprintln(r.stdout, "No minions matched the target.")
		}
		return nil, nil
	}
	var up []string
	for res, err := range job.Results(ctx) {
		if err != nil {
			return nil, err
		}
		up = append(up, res.ID)
	}
	slices.Sort(up)
	if !r.opts.static {
		for _, id := range job.Unanswered() {
			fmt.Fprintf(r.stdout, "Minion %s did not respond. No job will be sent.\n", id)
		}
	}
	return up, nil
}

// batch is the rolling part: a place is filled as soon as its minion has returned and the wait is over.
type batch struct {
	run     *saltRun
	todo    []string
	size    int
	wait    time.Duration
	active  int
	resting []time.Time // when places that wait become free, oldest first
	results []client.Result
	worst   int64
	news    chan batchNews
	jobs    sync.WaitGroup
}

// batchNews is a return, or a minion that a finished job heard nothing from, or an error.
type batchNews struct {
	result client.Result
	lost   string
	err    error
}

func (b *batch) all(ctx context.Context) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	b.news = make(chan batchNews)
	defer func() {
		cancel()
		b.jobs.Wait()
	}()
	for len(b.todo) > 0 || b.active > 0 {
		if err := b.fill(ctx); err != nil {
			return err
		}
		var wake <-chan time.Time
		if len(b.resting) > 0 && len(b.todo) > 0 {
			wake = time.After(time.Until(b.resting[0]))
		}
		select {
		case n := <-b.news:
			if stop, err := b.take(n); stop || err != nil {
				return err
			}
		case <-wake:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// fill publishes to as many minions as there are free places.
func (b *batch) fill(ctx context.Context) error {
	now := time.Now()
	for len(b.resting) > 0 && !b.resting[0].After(now) {
		b.resting = b.resting[1:]
	}
	n := min(b.size-b.active-len(b.resting), len(b.todo))
	if n <= 0 {
		return nil
	}
	next := b.todo[:n]
	b.todo = b.todo[n:]
	r := b.run
	if !r.opts.static {
		fmt.Fprintf(r.stdout, "\nExecuting run on ['%s']\n\n", strings.Join(next, "', '"))
	}
	tgt := make([]any, n)
	for i, id := range next {
		tgt[i] = id
	}
	call := r.call
	call.tgt, call.tgtType = tgt, "list"
	kwargs := wire.NewMap("raw", false, "gather_job_timeout", r.opts.gatherSeconds(r.cfg))
	call.addAuth(kwargs)
	if r.opts.metadata != "" {
		kwargs.Set("metadata", cliargs.YAMLArg(r.opts.metadata))
	}
	job, err := r.client.Start(ctx, call.publish(call.fun, call.arg, r.opts.ret, kwargs, r.cfg), r.jobOptions())
	if err != nil {
		return err
	}
	r.jid = job.JID
	b.active += n
	b.jobs.Go(func() { b.follow(ctx, job, next) })
	return nil
}

// follow hands the returns of one job to the batch; the batch's context ends it early.
func (b *batch) follow(ctx context.Context, job *client.Job, ids []string) {
	defer job.Close()
	send := func(n batchNews) bool {
		select {
		case b.news <- n:
			return true
		case <-ctx.Done():
			return false
		}
	}
	open := map[string]bool{}
	for _, id := range ids {
		open[id] = true
	}
	for res, err := range job.Results(ctx) {
		if err != nil {
			send(batchNews{err: err})
			return
		}
		delete(open, res.ID)
		if !send(batchNews{result: res}) {
			return
		}
	}
	for _, id := range ids {
		if open[id] && !send(batchNews{lost: id}) {
			return
		}
	}
}

// take counts and prints one piece of news; stop is true when --failhard ends the run.
func (b *batch) take(n batchNews) (stop bool, err error) {
	r := b.run
	if n.err != nil {
		return true, n.err
	}
	b.active--
	if b.wait > 0 {
		b.resting = append(b.resting, time.Now().Add(b.wait))
	}
	if n.lost != "" {
		if !r.opts.static {
			fmt.Fprintf(r.stdout, "Minion '%s' failed to respond to job sent\n", n.lost)
		}
		return false, nil
	}
	code := client.Retcode(n.result.Retcode)
	b.worst = max(b.worst, code)
	b.results = append(b.results, n.result)
	if !r.opts.static {
		shown := wire.NewMap("retcode", n.result.Retcode, "jid", n.result.JID, n.result.ID, n.result.Return)
		if err := r.print.show(shown, n.result.Out, showMark(code != 0)); err != nil {
			return true, err
		}
	}
	if code != 0 && r.opts.failhard {
		fmt.Fprintf(r.stderr, "[ERROR   ] Minion %s returned with non-zero exit code. Batch run stopped due to failhard\n", n.result.ID)
		return true, nil
	}
	return false, nil
}
