package syndic

import (
	"context"
	"time"

	"github.com/saltern-io/saltern/internal/jid"
	"github.com/saltern-io/saltern/internal/wire"
)

// stockLooks takes the gaps of a stock master one by one and gets its list of jobs for them, at most every
// stockEvery. A gap found too soon after a look waits for the next; one look serves every gap found before it. run
// is the one goroutine that uses it.
type stockLooks struct {
	losses chan loss
	now    func() time.Time
	list   func(context.Context) (*wire.Map, error)
	await  func(ctx context.Context, l *loss) bool                          // for what another way brings of it, nil = there is none; false: ctx has ended
	settle func(ctx context.Context, l loss, jobs *wire.Map, reason string) // jobs may be nil

	asked time.Time // of the last look, zero before the first
	jobs  *wire.Map // what it gave
	why   string    // why a gap's jobs are not in it
}

// run ends with ctx. A gap that waits then is left for the link's next life.
func (s *stockLooks) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case l := <-s.losses:
			if s.await != nil && !s.await(ctx, &l) {
				select {
				case s.losses <- l:
				default:
					s.settle(ctx, l, nil, "the master of masters keeps no journal, and is away again")
				}
				return
			}
			if s.await != nil && l.count == 0 {
				continue // the other way has brought all of it
			}
			if l.after == "" || !jid.Valid(l.before) {
				s.settle(ctx, l, nil, "the master of masters keeps no journal, and no job before the gap is known")
				continue
			}
			if !s.look(ctx, l) {
				select {
				case s.losses <- l:
				default:
					s.settle(ctx, l, nil, "the master of masters keeps no journal, and is away again")
				}
				return
			}
			s.settle(ctx, l, s.jobs, s.why)
		}
	}
}

// look makes the list younger than the gap; false when ctx has ended before that was allowed.
func (s *stockLooks) look(ctx context.Context, l loss) bool {
	if s.asked.After(l.seen) {
		return true
	}
	if !s.asked.IsZero() {
		if wait := stockEvery - s.now().Sub(s.asked); wait > 0 && !sleep(ctx, wait, nil) {
			return false
		}
	}
	var err error
	s.asked = s.now()
	s.jobs, err = s.list(ctx)
	switch {
	case err != nil:
		s.jobs, s.why = nil, "the master of masters keeps no journal, and did not list its jobs: "+err.Error()
	case s.jobs.Len() == 0:
		s.why = "the master of masters keeps no journal, and does not let us list its jobs"
	default:
		s.why = "not among the jobs that the master of masters lists"
	}
	return true
}
