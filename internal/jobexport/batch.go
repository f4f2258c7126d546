package jobexport

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/saltern-io/saltern/jobcache"
)

// batch is what goes into one pipeline.
type batch struct {
	writes     []write
	last       uint64 // sequence number of the newest change in it, 0 without one
	repeats    uint64 // changes of a load that is in the batch already: the newest is written, once
	gone       uint64
	unwritable uint64
}

// write is one load or return with its JSON text.
type write struct {
	jid, minionID string
	fun           string // with minionID
	text          string
	loadless      bool // the job has no load of its own
	commands      int  // set by queue
}

// reader makes one batch.
type reader struct {
	e       *Exporter
	written map[string]bool // jobs whose load is in the batch
	loads   map[string]bool // job id → has a load
}

// gather reads the next changes and what they are about.
func (e *Exporter) gather() (*batch, error) {
	var changes []jobcache.Change
	err := e.cfg.Source.Changes(e.position, batchChanges, func(c jobcache.Change) error {
		changes = append(changes, c)
		return nil
	})
	if err != nil {
		return nil, err
	}
	b := &batch{}
	r := reader{e: e, written: map[string]bool{}, loads: map[string]bool{}}
	for bytes := 0; len(changes) > 0 && bytes <= batchBytes; changes = changes[1:] {
		c := changes[0]
		b.last = c.Seq
		if c.MinionID == "" && r.written[c.JID] {
			b.repeats++
			continue
		}
		w, err := r.read(c)
		switch {
		case errors.Is(err, errGone):
			b.gone++
		case errors.Is(err, errUnwritable), errors.Is(err, jobcache.ErrRecord):
			e.log.Error("Job cannot be exported", "jid", c.JID, "minion", c.MinionID, "err", err)
			b.unwritable++
		case err != nil:
			return nil, err
		default:
			bytes += len(w.text)
			b.writes = append(b.writes, w)
		}
	}
	return b, nil
}

var (
	errGone       = errors.New("expired before it was exported")
	errUnwritable = errors.New("has no JSON form")
)

// read makes the write of one change.
func (r *reader) read(c jobcache.Change) (write, error) {
	if c.MinionID != "" {
		return r.readReturn(c)
	}
	job, there, err := r.e.cfg.Source.Job(c.JID)
	if err != nil {
		return write{}, err
	}
	r.loads[c.JID] = there && job.Load != nil
	if !r.loads[c.JID] {
		return write{}, errGone
	}
	text, err := loadJSON(job)
	if err != nil {
		return write{}, fmt.Errorf("%w: %w", errUnwritable, err)
	}
	r.written[c.JID] = true
	return write{jid: c.JID, text: text}, nil
}

func (r *reader) readReturn(c jobcache.Change) (write, error) {
	ret, there, err := r.e.cfg.Source.Return(c.JID, c.MinionID)
	switch {
	case err != nil:
		return write{}, err
	case !there:
		return write{}, errGone
	}
	hasLoad, known := r.loads[c.JID]
	if !known {
		job, there, err := r.e.cfg.Source.Job(c.JID)
		if err != nil {
			return write{}, err
		}
		hasLoad = there && job.Load != nil
		r.loads[c.JID] = hasLoad
	}
	text, fun, err := returnJSON(ret)
	if err != nil {
		return write{}, fmt.Errorf("%w: %w", errUnwritable, err)
	}
	return write{jid: c.JID, minionID: c.MinionID, fun: fun, text: text, loadless: !hasLoad}, nil
}

// queue appends the commands of a write, as Salt's returner sends them: HSET, EXPIRE, SET, SADD for a return, SETEX for a
// load. A return to a job that has no load becomes the load when there is none, so that listings show the job.
func (w *write) queue(pipe redis.Pipeliner, keep time.Duration) {
	ctx := context.Background() // commands are only queued here
	before := pipe.Len()
	life := time.Duration(0) // for ever
	if keep > 0 {
		life = seconds(keep)
	}
	if w.minionID == "" {
		pipe.Set(ctx, prefixLoad+w.jid, w.text, life)
		w.commands = pipe.Len() - before
		return
	}
	if w.loadless {
		pipe.SetNX(ctx, prefixLoad+w.jid, w.text, life)
	}
	pipe.HSet(ctx, prefixRet+w.jid, w.minionID, w.text)
	if life > 0 {
		pipe.Expire(ctx, prefixRet+w.jid, life)
	}
	if w.fun != "" {
		pipe.Set(ctx, fmt.Sprintf("%s:%s", w.minionID, w.fun), w.jid, life)
	}
	pipe.SAdd(ctx, keyMinions, w.minionID)
	w.commands = pipe.Len() - before
}
