package syndic

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/bits"
	"slices"
	"time"

	"github.com/saltern-io/saltern/internal/outbox"
	"github.com/saltern-io/saltern/internal/wire"
)

// jobPatience is how long after its arrival a publication is still handed down. The local master may
// be restarting; a job that nobody waits for any more must not run as a surprise.
const jobPatience = 30 * time.Second

// errOtherJob says that another job has the id of a publication: masters give them out by the clock, each by its own.
var errOtherJob = errors.New("another job has its id")

// errComesRound says that a publication was at this syndic before, as its path shows.
var errComesRound = errors.New("the publication was here before")

func trailing(to uint64) int { return bits.TrailingZeros64(to) }

// publication hands a job of an upstream down, unless it is already here: the same job may come
// from several upstreams, and masters can be each other's syndics.
//
//	record (jid → upstreams) on disk ─▶ publish below ─▶ record and cursor on disk
//
// A crash before the first leaves nothing, and the journal of a saltern master brings the job again; one before the
// last brings it again as well, and the local master answers that it has it.
func (s *Syndic) publication(ctx context.Context, from *Upstream, pub publication) {
	err := s.relayDown(ctx, from, &pub)
	switch {
	case err == nil:
	case errors.Is(err, errComesRound):
		if pub.missed {
			from.missed.Add(-1) // another way brought it
		}
	case ctx.Err() != nil:
		from.log.Warn("Publication not handed down, the syndic stops", "jid", pub.jid)
		return // the cursor stays: the journal brings it again
	default:
		from.failures.Add(1)
		s.lost.Add(1)
		if pub.missed {
			from.unrecovered.Add(1)
		}
		s.limited.Log(ctx, slog.LevelError, "Publication not handed down", "upstream", from.to.Entry, "jid", pub.jid, "err", err)
		fun, _ := pub.load.Get("fun")
		tgt, _ := pub.load.Get("tgt")
		s.missed(from, missedReport{Count: 1, JID: pub.jid, Fun: fun, Tgt: tgt, Serial: pub.pos.Serial, Reason: "the local master did not take it: " + err.Error()})
	}
	s.remember(from, &pub)
}

// remember stores what became of a publication; it does not wait.
func (s *Syndic) remember(from *Upstream, pub *publication) {
	var unit outbox.Unit
	if r, ok := s.forward.record(pub.jid); ok {
		unit.Facts = append(unit.Facts, outbox.Fact{Key: factJob + pub.jid, Value: r.encode(), TTL: jobFactAge})
	}
	if pub.settle && pub.pos.Serial > 0 {
		unit.Facts = append(unit.Facts, outbox.Fact{Key: factCursor + from.to.Entry, Value: pub.pos.encode()})
	}
	if len(unit.Facts) == 0 {
		return
	}
	s.store.Commit(unit, func(outcomes []outbox.Outcome) {
		for _, o := range outcomes {
			if o.Err != nil && !errors.Is(o.Err, outbox.ErrClosed) {
				s.limited.Log(context.Background(), slog.LevelWarn, "Job not remembered on disk", "jid", pub.jid, "err", o.Err)
			}
		}
	})
}

func (s *Syndic) relayDown(ctx context.Context, from *Upstream, pub *publication) error {
	masterID := pub.load.Str("master_id")
	if own := s.cfg.Local.MasterID; own != "" && masterID == own {
		s.ignored.Add(1)
		return errComesRound
	}
	path, err := s.extendPath(pub)
	if err != nil {
		s.ignored.Add(1)
		return err
	}
	if s.answered(from, pub) {
		return nil
	}
	mark := wire.MarkOf(pub.load)
	if !s.forward.same(pub.jid, mark) {
		return errOtherJob
	}
	what := s.forward.Note(pub.jid, masterID, from.index)
	switch what {
	case notedOwn:
		s.ignored.Add(1)
		return errComesRound
	case notedKnown:
		s.repeated.Add(1)
		return errComesRound
	case notedFirst, notedAgain:
		s.forward.change(pub.jid, func(j *knownJob) { j.mark = mark })
	}
	if r, ok := s.forward.record(pub.jid); ok {
		if err := s.store.SetFactTTL(factJob+pub.jid, r.encode(), jobFactAge); err != nil {
			s.limited.Log(ctx, slog.LevelWarn, "Origin of a job not on disk, after a restart its returns may go elsewhere", "jid", pub.jid, "err", err)
		}
	}
	reply, err := s.handDown(ctx, from, pub, path)
	if errors.Is(err, errOtherJob) {
		s.forward.Own(pub.jid) // its returns are the other job's
		return err
	}
	if err != nil {
		s.forward.change(pub.jid, func(j *knownJob) { j.busy = false })
		return err
	}
	if reply.Repeated && what == notedFirst {
		s.forward.Own(pub.jid)
		s.ignored.Add(1)
		return errComesRound
	}
	s.forward.Down(pub.jid)
	if pub.missed {
		from.recovered.Add(1)
		from.log.Info("Missed publication recovered", "jid", pub.jid, "serial", pub.pos.Serial)
	}
	return nil
}

// extendPath returns the way of a publication with this syndic at its end.
func (s *Syndic) extendPath(pub *publication) ([]string, error) {
	way, _ := pub.load.Get(wire.KeyPath)
	path, err := wire.ParsePath(way)
	if err != nil {
		return nil, err
	}
	if slices.Contains(path, s.cfg.ID) {
		return nil, errComesRound
	}
	if len(path) >= wire.MaxPath {
		return nil, fmt.Errorf("%w: %d stations", wire.ErrPath, len(path))
	}
	return append(path, s.cfg.ID), nil
}

func (s *Syndic) handDown(ctx context.Context, from *Upstream, pub *publication, path []string) (wire.PublishReply, error) {
	left := time.Until(pub.received.Add(jobPatience))
	if left <= 0 {
		return wire.PublishReply{}, fmt.Errorf("it waited longer than %v for the local master", jobPatience)
	}
	ctx, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	if err := s.down.AwaitBus(ctx); err != nil {
		return wire.PublishReply{}, err
	}
	reply, err := s.down.Publish(ctx, pub.load, path)
	if err != nil {
		return reply, err
	}
	from.log.Debug("Publication handed down", "jid", pub.jid, "minions", len(reply.Minions), "repeated", reply.Repeated)
	return reply, nil
}

// handled reports whether a missed publication needs nothing more.
func (s *Syndic) handled(jobID string) bool { return s.forward.Handled(jobID) }
