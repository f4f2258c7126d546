package jobexport

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/saltern-io/saltern/internal/redisdb"
	"github.com/saltern-io/saltern/jobcache"
)

// lookEvery is how often an exporter without work asks whether Redis is there.
const lookEvery = 15 * time.Second

const (
	// saveEvery is how often the position is stored while there is work. After a kill what came later is written again.
	saveEvery = time.Second
	// linger lets changes gather: a pipeline for each return would cost more than the return itself.
	linger = 20 * time.Millisecond
)

// Bounds of one pipeline.
const (
	batchChanges = 500
	batchBytes   = 4 << 20
)

// Pauses between tries while Redis does not take anything.
const (
	retryMin = 100 * time.Millisecond
	retryMax = 5 * time.Second
)

// Source is where changes come from: a jobcache.Store.
type Source interface {
	Changes(after uint64, n int, fn func(jobcache.Change) error) error
	ChangesDone(upTo uint64) error
	ChangesWake() <-chan struct{}
	ExportStats() jobcache.ExportStats
	Job(jid string) (jobcache.Job, bool, error)
	Return(jid, minionID string) (jobcache.Return, bool, error)
}

// Config of an Exporter.
type Config struct {
	Source Source
	Client *redis.Client        // not closed by the exporter
	Keep   func() time.Duration // keep_jobs_seconds as it is now; 0 = keys do not expire
	Server string               // for logs
	Log    *slog.Logger
}

// Stats is a snapshot of an Exporter. Counts are since its making.
type Stats struct {
	Connected bool      // Redis took what was offered last
	Since     time.Time // when Connected changed
	Reason    string    // why it does not, "" when it does

	Exported uint64 // changes that Redis has
	Refused  uint64 // changes that Redis refuses for good, or that have no JSON form
	Expired  uint64 // changes whose job was gone from the job cache before its turn
	Retries  uint64 // pipelines that had to be sent again
	Log      jobcache.ExportStats
}

// Exporter writes the changes of a job cache to Redis. Make it with New, run it once with Run.
type Exporter struct {
	cfg Config
	log *slog.Logger

	exported, refused, expired, retries atomic.Uint64
	state                               atomic.Pointer[linkState]
	toldDropped                         uint64

	position uint64 // Redis has everything up to here
	saved    uint64 // and the job cache knows it up to here
	savedAt  time.Time
}

type linkState struct {
	up     bool
	since  time.Time
	reason string
}

// New makes an exporter; nothing is read or sent before Run.
func New(cfg Config) *Exporter {
	e := &Exporter{cfg: cfg, log: cfg.Log}
	e.state.Store(&linkState{since: time.Now(), reason: "not tried yet"})
	return e
}

// Stats returns a snapshot. Safe for concurrent use.
func (e *Exporter) Stats() Stats {
	s := e.state.Load()
	return Stats{
		Connected: s.up, Since: s.since, Reason: s.reason,
		Exported: e.exported.Load(), Refused: e.refused.Load(), Expired: e.expired.Load(), Retries: e.retries.Load(),
		Log: e.cfg.Source.ExportStats(),
	}
}

// drainTimeout is how long a stopping exporter may take for what waits.
const drainTimeout = 2 * time.Second

// Run exports until ctx ends. Then it goes on for at most two seconds when Redis is there; the rest waits on disk for the
// next life. It never fails: a master serves without its export.
func (e *Exporter) Run(ctx context.Context) {
	for pause := retryMin; ctx.Err() == nil; {
		more, err := e.round(ctx)
		switch {
		case ctx.Err() != nil, errors.Is(err, jobcache.ErrClosed), errors.Is(err, jobcache.ErrDead):
			// The master ends, and says why when it was the store.
		case err != nil:
			e.retries.Add(1)
			sleep(ctx, pause)
			pause = min(2*pause, retryMax)
			continue
		case more:
			pause = retryMin
			continue
		}
		pause = retryMin
		look := time.NewTimer(lookEvery)
		select {
		case <-ctx.Done():
		case <-e.cfg.Source.ChangesWake():
			sleep(ctx, linger)
		case <-look.C:
		}
		look.Stop()
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	for more := e.state.Load().up; more && drain.Err() == nil; {
		var err error
		if more, err = e.round(drain); err != nil {
			break
		}
	}
	if err := e.save(); err != nil && !errors.Is(err, jobcache.ErrClosed) {
		e.log.Warn("Position of the export not stored, the last changes will be written again", "err", err)
	}
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// round exports one batch; more tells that others may wait.
func (e *Exporter) round(ctx context.Context) (more bool, err error) {
	e.tellDropped()
	b, err := e.gather()
	if err != nil {
		e.log.Error("Jobs not read for the export, trying again", "err", err)
		return false, err
	}
	if b.last == 0 {
		return false, errors.Join(e.save(), e.look(ctx))
	}
	if err := e.send(ctx, b); err != nil {
		e.down(err)
		return false, err
	}
	e.position = b.last
	e.expired.Add(b.gone)
	if time.Since(e.savedAt) < saveEvery {
		return true, nil
	}
	return true, e.save()
}

// save tells the job cache how far the export is.
func (e *Exporter) save() error {
	if e.position == e.saved {
		return nil
	}
	if err := e.cfg.Source.ChangesDone(e.position); err != nil {
		return err
	}
	e.saved, e.savedAt = e.position, time.Now()
	return nil
}

// look asks Redis whether it is there when there is nothing to write, so that an operator learns of an outage before the
// first job does.
func (e *Exporter) look(ctx context.Context) error {
	err := e.cfg.Client.Ping(ctx).Err()
	switch {
	case err == nil:
		e.up()
	case ctx.Err() == nil:
		e.down(err)
	}
	return err
}

// tellDropped says that the log was full.
func (e *Exporter) tellDropped() {
	dropped := e.cfg.Source.ExportStats().Dropped
	if dropped > e.toldDropped {
		e.log.Error("Changes of jobs given up before they were exported: saltern_export_max is reached", "given_up", dropped-e.toldDropped, "all", dropped)
		e.toldDropped = dropped
	}
}

// down notes that Redis takes nothing.
func (e *Exporter) down(err error) {
	old := e.state.Load()
	next := &linkState{since: old.since, reason: err.Error()}
	if old.up || old.reason == "not tried yet" {
		next.since = time.Now()
		e.log.Warn("Redis does not take jobs, they wait on disk", "redis", e.cfg.Server, "err", err, "waiting", e.cfg.Source.ExportStats().Waiting)
	}
	e.state.Store(next)
}

func (e *Exporter) up() {
	if old := e.state.Load(); !old.up {
		e.state.Store(&linkState{up: true, since: time.Now()})
		e.log.Info("Jobs are exported to Redis", "redis", e.cfg.Server, "waiting", e.cfg.Source.ExportStats().Waiting)
	}
}

// send writes a batch as one pipeline. What Redis refuses for good is counted; anything else fails the whole, which is
// then sent again: every command sets the same again.
func (e *Exporter) send(ctx context.Context, b *batch) error {
	pipe := e.cfg.Client.Pipeline()
	for i := range b.writes {
		b.writes[i].queue(pipe, e.cfg.Keep())
	}
	cmds, _ := pipe.Exec(ctx) // its error is the first of those that each command has
	refused := map[int]bool{}
	at := 0
	for i := range b.writes {
		for range b.writes[i].commands {
			cmdErr := cmds[at].Err()
			at++
			switch {
			case cmdErr == nil || errors.Is(cmdErr, redis.Nil): // SET NX found a key
			case redisdb.Refused(cmdErr):
				if !refused[i] {
					e.log.Error("Redis refuses a job", "jid", b.writes[i].jid, "minion", b.writes[i].minionID, "err", cmdErr)
				}
				refused[i] = true
			default:
				return cmdErr
			}
		}
	}
	if len(b.writes) > 0 {
		e.up()
	}
	e.refused.Add(uint64(len(refused)) + b.unwritable)
	e.exported.Add(uint64(len(b.writes)-len(refused)) + b.repeats)
	return nil
}
