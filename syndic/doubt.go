package syndic

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/saltern-io/saltern/internal/jid"
	"github.com/saltern-io/saltern/internal/signin"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/transport"
)

const (
	// doubtAtStart is how many returns of the process before may have arrived without its having known: a stock
	// master of masters gets no more at once.
	doubtAtStart = 2 * paceStart
	// doubtJobs is how many jobs are asked about: the returns of others are sent again.
	doubtJobs = 16
	// doubtMost is how long a master of masters may take for all questions about one batch.
	doubtMost = 30 * time.Second
)

// doubt is about a batch that was not answered: whether it has arrived. A saltern master of masters passes over what it
// has. A stock one fires again whatever it is sent again, but its job cache tells what it had, for whom its peer_run
// allows jobs.*: it writes there behind each event.
type doubt struct {
	spent   time.Duration // on questions without an answer
	arrived int           // by the answer before
}

// errUntold is an answer that does not tell.
var errUntold = errors.New("the master of masters does not list the returns of a job")

// settleDoubt asks the upstream which returns of a batch that was not answered it has. again means that it has to be
// asked once more; else the doubt is over, and what has not arrived, or cannot be told, will be sent.
func (u *Upstream) settleDoubt(ctx context.Context, d *doubt) (again bool, err error) {
	unsure, err := u.box.unsure()
	if err != nil {
		return false, nil // take meets it, too, and says so
	}
	if len(unsure) == 0 || u.dedups.Load() {
		u.box.settle(nil)
		return false, nil
	}
	begun := time.Now()
	arrived, err := u.inJobCache(ctx, unsure)
	switch {
	case ctx.Err() != nil, signin.IsVerdict(err):
		return true, err
	case err != nil && unanswered(err):
		if !errors.Is(err, transport.ErrNotConnected) {
			d.spent += time.Since(begun)
		}
		if again = d.spent < doubtMost; again {
			return true, err
		}
	case len(arrived) > d.arrived && len(arrived) < len(unsure) && d.spent < doubtMost:
		d.spent += time.Since(begun)
		d.arrived = len(arrived)
		return true, nil // it may be at it
	}
	u.log.Debug("Returns of a batch that was not answered", "returns", len(unsure), "arrived", len(arrived), "err", err)
	u.box.settle(arrived)
	*d = doubt{}
	return false, nil
}

// unanswered reports whether a request may succeed when it is tried again.
func unanswered(err error) bool {
	return !errors.Is(err, errUntold) && !errors.Is(err, signin.ErrNotTaken)
}

// inJobCache are those of the returns, by their keys, that the upstream has there.
func (u *Upstream) inJobCache(ctx context.Context, unsure []*wire.SyndicReturn) (map[string]bool, error) {
	asked := make(map[string]*wire.Map)
	found := make(map[string]bool)
	for _, r := range unsure {
		if !jid.Valid(r.JID) {
			continue
		}
		returned, known := asked[r.JID]
		if !known && len(asked) < doubtJobs {
			job, err := u.runner(ctx, "jobs.list_job", r.JID)
			if err != nil {
				return nil, err
			}
			if !job.Has("jid") {
				return nil, fmt.Errorf("%w: not allowed", errUntold)
			}
			returned = job.Map("Result")
			asked[r.JID] = returned
		}
		if returned.Has(r.Minions[0].ID) {
			found[returnKey(r.JID, r.Minions[0].ID)] = true
		}
	}
	return found, nil
}
