package scenario

import (
	"context"
	"fmt"
	"time"

	"github.com/saltern-io/saltern/internal/stock"
)

// job is one publication and who has to return it.
type job struct {
	jid string
	top *host
	ids []string
	at  time.Time // when the command that published it was started
}

// publishPatience, in seconds, is for a stock master on a busy machine; 5 are the default.
const publishPatience = "30"

// publishJob publishes with saltern's command, which also works at a stock master and is there at once, so that the
// moment is the one the scenario means. Without saltern it is stock's.
func (h *host) publishJob(ctx context.Context, ids []string, args ...string) (job, error) {
	var software stock.Software = h.bench.Column.Salt
	if h.bench.Column.Saltern != nil {
		software = h.bench.Column.Saltern
	}
	begun := time.Now()
	result, err := h.bench.run(ctx, software, stock.Command, h.configDir, append([]string{"--async", "-t", publishPatience}, args...)...)
	if err != nil {
		return job{}, err
	}
	jid := jidPattern.FindString(result.Stdout)
	if jid == "" {
		return job{}, fmt.Errorf("no job id in %q, %q", result.Stdout, result.Stderr)
	}
	return job{jid: jid, top: h, ids: ids, at: begun}, nil
}

// read brings the host's tally up to date.
func (h *host) read(ctx context.Context) error {
	if err := h.listen(ctx); err != nil {
		return err
	}
	h.tally.read(h.bus)
	return nil
}

// again is the pause between two jobs of untilComplete.
const again = time.Second

// untilComplete publishes test.ping every second until one of the jobs has been returned by all the ids, and tells
// when that was seen. alive ends it when a daemon is gone.
func (h *host) untilComplete(ctx context.Context, alive func() error, target string, ids []string) (time.Time, error) {
	_, done, err := h.publishUntil(ctx, alive, target, ids)
	return done, err
}

// publishUntil is untilComplete, and tells the jobs.
func (h *host) publishUntil(ctx context.Context, alive func() error, target string, ids []string) (jobs []job, done time.Time, err error) {
	var last time.Time
	err = stock.Poll(ctx, "a complete job at "+h.name, settleTimeout, func() error {
		if err := alive(); err != nil {
			return err
		}
		if time.Since(last) > again {
			last = time.Now()
			j, err := h.publishJob(ctx, ids, target, "test.ping")
			if err != nil {
				return err
			}
			jobs = append(jobs, j)
		}
		if err := h.read(ctx); err != nil {
			return err
		}
		for _, j := range jobs {
			if len(h.tally.missing(j.jid, ids)) == 0 {
				return nil
			}
		}
		return fmt.Errorf("%d jobs: %w", len(jobs), errIncomplete)
	})
	return jobs, time.Now(), err
}
