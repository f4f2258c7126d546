package scenario

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/saltern-io/saltern/internal/stock"
)

// returnTimeout is how long one job of a poll is waited for; a lost publication is followed by another job.
const returnTimeout = 5 * time.Second

// complete publishes test.ping to m* until one job is returned by all the ids, as seen on the host's bus.
// The first jobs after a restart may be lost in the pause before a minion or syndic connects again
// (spec: syndic §12). The event bus tells at once what the salt command of a master of masters tells only
// after timeout, gather_job_timeout and syndic_wait (spec: syndic §9).
func (h *host) complete(ctx context.Context, software stock.Software, ids ...string) error {
	return stock.Poll(ctx, "every return at "+h.name, settleTimeout, func() error {
		if err := running(h.master); err != nil {
			return err
		}
		return h.returned(ctx, software, "m*", returnTimeout, ids...)
	})
}

// returned publishes one job with --async and waits for the return events of the ids.
func (h *host) returned(ctx context.Context, software stock.Software, target string, patience time.Duration, ids ...string) error {
	if err := h.listen(ctx); err != nil {
		return err
	}
	position := h.bus.Len()
	result, err := h.bench.run(ctx, software, stock.Command, h.configDir, "--async", target, "test.ping")
	if err != nil {
		return err
	}
	jid := jidPattern.FindString(result.Stdout)
	if jid == "" {
		return fmt.Errorf("no job id in %q, %q", result.Stdout, result.Stderr)
	}
	var faults []error
	for _, id := range ids {
		tag := "salt/job/" + jid + "/ret/" + id
		event, err := h.bus.Wait(ctx, tag, position, patience, func(e stock.Event) bool { return e.Tag == tag })
		if err != nil {
			return err
		}
		faults = append(faults, checkReturn(event, jid, id))
	}
	return errors.Join(faults...)
}

// pinged asks test.ping once, which must be answered by exactly the ids with status 0.
func (h *host) pinged(ctx context.Context, software stock.Software, target string, ids ...string) error {
	q := question{args: []string{"-t", "3", "--out", "txt", target, "test.ping"}, sorted: true}
	said, err := h.ask(ctx, software, q)
	if err != nil {
		return err
	}
	var want Answer
	for _, id := range ids {
		want.Stdout += id + ": True\n"
	}
	if said != want {
		return fmt.Errorf("%s salt %s test.ping printed %q with status %d", software.Label(), target, said.Stdout, said.Code)
	}
	return nil
}
