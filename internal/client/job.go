package client

import (
	"context"
	"iter"
	"time"

	"github.com/saltern-io/saltern/internal/event"
	"github.com/saltern-io/saltern/internal/wire"
)

// findJob is the function that asks minions whether they still run a job.
const findJob = "saltutil.find_job"

// JobOptions vary one job; zero fields take the client's defaults.
type JobOptions struct {
	Timeout time.Duration // wait for a first return
	Gather  time.Duration // wait for answers to find_job
}

// Result is what one minion returned.
type Result struct {
	ID, JID string
	Return  any    // tree of package wire, Local mode
	Retcode any    // int64, a map from function to int64 for compound calls, or nil when absent
	Out     string // outputter asked for by the minion, "" for none
	Silent  bool   // there is no return: Return is the text that says so, Out is "no_return"
}

// Failed reports a non-zero retcode.
func (r Result) Failed() bool { return Retcode(r.Retcode) != 0 }

// Retcode is the number to judge by: the highest of a compound call, 1 for true and odd values.
func Retcode(v any) int64 {
	switch v := v.(type) {
	case nil:
		return 0
	case int64:
		return v
	case bool:
		if v {
			return 1
		}
		return 0
	case *wire.Map:
		worst := int64(0)
		for _, item := range v.All() {
			worst = max(worst, Retcode(item))
		}
		return worst
	}
	return 1
}

// Job is one publication whose returns are awaited. It belongs to one goroutine.
type Job struct {
	JID     string // "" when nobody matched
	Minions []string
	Missing []string

	client *Client
	opts   JobOptions
	user   string
	kwargs *wire.Map
	inbox  *inbox
	state  *wait
}

// Start subscribes to the bus, then publishes req. Close the Job. Errors are those of CheckMaster and
// Publish, and ErrNoAnswer when the bus cannot be reached in time. When nobody matches, JID is "".
func (c *Client) Start(ctx context.Context, req wire.PublishRequest, opts JobOptions) (*Job, error) {
	if opts.Timeout <= 0 {
		opts.Timeout = c.cfg.Timeout
	}
	if opts.Gather <= 0 {
		opts.Gather = c.cfg.Gather
	}
	if err := c.CheckMaster(); err != nil {
		return nil, err
	}
	box, err := c.hub.join(ctx, c.cfg.Timeout)
	if err != nil {
		return nil, err
	}
	j := &Job{client: c, opts: opts, user: req.User, kwargs: req.Kwargs, inbox: box}
	reply, err := c.Publish(ctx, req)
	if err != nil {
		j.Close()
		return nil, err
	}
	j.JID, j.Minions, j.Missing = reply.JID, reply.Minions, reply.Missing
	j.inbox.follow(j.JID)
	j.state = newWait(waitConfig{
		timeout: opts.Timeout, gather: opts.Gather,
		syndicWait: c.cfg.SyndicWait, orderMasters: c.cfg.OrderMasters, complete: reply.Complete,
	}, j.JID, j.Minions, j.Missing, time.Now())
	return j, nil
}

// Close leaves the bus. It may be called more than once.
func (j *Job) Close() { j.client.hub.leave(j.inbox) }

// Unanswered are the minions that were published to or asked for and have not returned, sorted.
func (j *Job) Unanswered() []string {
	if j.JID == "" {
		return nil
	}
	return j.state.unanswered()
}

// Unknown are those of Unanswered that a list named and the master does not know. Stock reports them
// even where it is asked not to report silent minions.
func (j *Job) Unknown() []string {
	if j.JID == "" {
		return nil
	}
	return j.state.unknown()
}

// Results yields returns as they come, until every minion has answered or is past hope. The error, if
// any, comes last: that of ctx, ErrBusy, or a *RefusedError when the master calls the job off.
//
// spec: local-client-and-salt-cli §4
func (j *Job) Results(ctx context.Context) iter.Seq2[Result, error] {
	return func(yield func(Result, error) bool) {
		if j.JID == "" {
			return
		}
		timer := time.NewTimer(time.Hour)
		defer timer.Stop()
		for {
			events, broken := j.inbox.take()
			for _, e := range events {
				r, ok, err := j.take(e)
				if err != nil {
					yield(Result{}, err)
					return
				}
				if ok && !yield(r, nil) {
					return
				}
			}
			if broken != nil {
				yield(Result{}, broken)
				return
			}
			now := time.Now()
			todo := j.state.tick(now)
			if todo.over {
				return
			}
			if len(todo.ask) > 0 {
				j.ask(ctx, todo.ask)
			}
			timer.Reset(max(0, todo.next.Sub(now)))
			select {
			case <-j.inbox.wake:
			case <-timer.C:
			case <-ctx.Done():
				yield(Result{}, ctx.Err())
				return
			}
		}
	}
}

// take gives one event to the decision; data that is no map is nobody's return.
func (j *Job) take(e event.Event) (Result, bool, error) {
	data, err := wire.DecodeMap(e.Data, wire.Local, wire.LoadLimits)
	if err != nil {
		j.client.log.Debug("Event is not readable", "tag", e.Tag, "err", err)
		return Result{}, false, nil
	}
	r, ok, refused := j.state.event(e.Tag, data, time.Now())
	if refused != nil {
		return Result{}, false, refused
	}
	return r, ok, nil
}

// ask publishes find_job to the silent minions. Not being able to is like hearing nothing.
func (j *Job) ask(ctx context.Context, minions []string) {
	j.inbox.widen()
	tgt := make([]any, len(minions))
	for i, id := range minions {
		tgt[i] = id
	}
	reply, err := j.client.Publish(ctx, wire.PublishRequest{
		Tgt: tgt, TgtType: "list", Fun: findJob, Arg: []any{j.JID}, User: j.user, Kwargs: askKwargs(j.kwargs),
	})
	if err != nil {
		j.client.log.Debug("Cannot ask whether the job still runs", "jid", j.JID, "err", err)
	}
	if reply.JID != "" {
		j.state.askedAs(reply.JID)
	}
	j.inbox.follow(reply.JID)
}

// askKwargs is what a find_job publication takes over from its job: all but what concerns display and
// the job's own way to run and to return.
func askKwargs(kwargs *wire.Map) *wire.Map {
	if kwargs == nil {
		return nil
	}
	ask := kwargs.Clone()
	for _, key := range []string{
		"show_timeout", "show_jid", "ret_config", "ret_kwargs", "metadata",
		"module_executors", "executor_opts", "raw", "yield_pub_data",
	} {
		ask.Delete(key)
	}
	return ask
}
