package master

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/saltern-io/saltern/internal/jid"
	"github.com/saltern-io/saltern/jobcache"
)

// endTimes writes the time of a job's last return (job_cache_store_endtime). A job of ten thousand
// minions has ten thousand last returns: only the latest that is known when the writer comes round is
// stored. pending holds one entry per job with returns in flight, a few bytes each.
type endTimes struct {
	jobs *jobcache.Store
	log  *slog.Logger
	wake chan struct{}

	mu      sync.Mutex
	pending map[string]string
}

func newEndTimes(jobs *jobcache.Store, log *slog.Logger) *endTimes {
	return &endTimes{jobs: jobs, log: log, wake: make(chan struct{}, 1), pending: map[string]string{}}
}

// note remembers that a return came in; it never blocks.
func (e *endTimes) note(id string, at time.Time) {
	text := jid.Start(jid.New(at))
	e.mu.Lock()
	e.pending[id] = text
	e.mu.Unlock()
	select {
	case e.wake <- struct{}{}:
	default: // the writer has been woken
	}
}

// run writes until ctx ends, and once more then: nothing that was noted is lost at an orderly stop.
func (e *endTimes) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			e.flush()
			return nil
		case <-e.wake:
			e.flush()
		}
	}
}

func (e *endTimes) flush() {
	e.mu.Lock()
	due := e.pending
	e.pending = map[string]string{}
	e.mu.Unlock()
	for id, text := range due {
		if err := e.jobs.SetEndTime(context.Background(), id, text); err != nil {
			e.log.Error("End time of a job not stored", "jid", id, "err", err)
		}
	}
}
