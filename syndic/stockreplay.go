package syndic

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/saltern-io/saltern/internal/jid"
	"github.com/saltern-io/saltern/internal/wire"
)

const (
	// stockEvery is the least time between two looks at the jobs of a stock master: each reads its whole job cache.
	stockEvery = 30 * time.Second
	// stockTimeout is the time it gets for that.
	stockTimeout = 15 * time.Second
	// stockMost is how many jobs of one gap are looked at one by one.
	stockMost = 20
	maxLosses = 16
)

// loss is a gap in the publications of a stock master.
type loss struct {
	gap
	seen time.Time
}

// lookForLosses asks a stock master for the jobs of a gap, as far as its peer_run lets us, runs what may run and
// reports the rest (spec: relay-and-broker §3.2).
func (u *Upstream) lookForLosses(ctx context.Context) error {
	looks := stockLooks{
		losses: u.losses, now: u.now,
		list:  func(ctx context.Context) (*wire.Map, error) { return u.runner(ctx, "jobs.list_jobs") },
		await: func(ctx context.Context, l *loss) bool { return u.stream == nil || u.stream.fill(ctx, l) },
		settle: func(ctx context.Context, l loss, jobs *wire.Map, reason string) {
			u.settleLoss(ctx, l, chooseStock(jobs, l, u.now(), u.cfg.ReplayMaxAge, u.cfg.ReplayAll), reason)
		},
	}
	looks.run(ctx)
	return nil
}

// settleLoss runs and reports what was found of a gap.
func (u *Upstream) settleLoss(ctx context.Context, l loss, found stockJobs, reason string) {
	ran := uint64(0)
	for i := range found.run {
		p := &found.run[i]
		switch {
		case u.relay.handled(p.jid):
			continue
		case i >= stockMost:
			found.report = append(found.report, p.report("too many jobs are missing"))
		case u.doneAlready(ctx, p.jid):
			found.skipped++
		case u.queue(ctx, p):
			ran++
		}
	}
	for _, r := range found.report {
		r.Serial = l.pos.Serial
		u.relay.missed(u, r)
	}
	if told := ran + found.skipped + uint64(len(found.report)); told < l.count {
		u.relay.missed(u, missedReport{Count: l.count - told, Serial: l.pos.Serial, Reason: reason})
	}
	u.unrecovered.Add(int64(max(l.count, ran) - ran))
}

// doneAlready reports whether minions of ours have returned to a job. When that cannot be told, they have not: the
// local minions pass over a job id that they know.
func (u *Upstream) doneAlready(ctx context.Context, jobID string) bool {
	job, err := u.runner(ctx, "jobs.list_job", jobID)
	now, _ := u.people.current()
	if err != nil || now == nil {
		return false
	}
	for id := range job.Map("Result").All() {
		if name, ok := id.(string); ok {
			if _, ours := slices.BinarySearch(now.ids, name); ours {
				return true
			}
		}
	}
	return false
}

// runner has a stock master run one of its runner functions.
func (u *Upstream) runner(ctx context.Context, fun string, args ...any) (*wire.Map, error) {
	u.listMu.Lock()
	defer u.listMu.Unlock()
	if u.lister == nil {
		c, err := u.newClient()
		if err != nil {
			return nil, err
		}
		u.lister = c
	}
	ctx, cancel := context.WithTimeout(ctx, stockTimeout)
	defer cancel()
	value, err := u.requestOver(ctx, u.lister, func(p wire.Proof) ([]byte, error) {
		m := wire.NewMap("cmd", wire.CmdMinionRunner, "fun", fun, "arg", append([]any{}, args...), "tok", p.Tok, "tmo", 5, "id", u.ident.ID,
			"no_parse", []any{}, "nonce", p.Nonce)
		if p.TS != 0 {
			m.Set("ts", p.TS)
		}
		return wire.Encode(m, wire.Wire)
	})
	if err != nil {
		return nil, err
	}
	m, err := wire.DecodeMap(value, wire.Wire, wire.LoadLimits)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", fun, errUntold, err)
	}
	return m, nil
}

// stockJobs is what becomes of the jobs of a gap.
type stockJobs struct {
	run     []publication
	report  []missedReport
	skipped uint64 // useless late
}

// chooseStock picks the jobs of a gap out of a list of all jobs, by their ids, which are times of the master's clock.
// Only jobs of root run, unless all is set: the list does not tell what other users may do, and a job without their
// rights would have all. Its result is in the order of the ids.
func chooseStock(jobs *wire.Map, l loss, now time.Time, maxAge time.Duration, all bool) (s stockJobs) {
	behind, ok := jid.Time(l.before)
	if !ok {
		return s
	}
	if jobs == nil {
		return s
	}
	var ids []string
	for id := range jobs.All() {
		if name, ok := id.(string); ok && jid.Valid(name) && name > l.after && name < l.before {
			ids = append(ids, name)
		}
	}
	slices.Sort(ids)
	for _, id := range ids {
		job := jobs.Map(id)
		fun, _ := job.Get("Function")
		if name := job.Str("Function"); strings.HasPrefix(name, "runner.") || strings.HasPrefix(name, "wheel.") {
			continue // ran at the master, our own questions, too: never published
		}
		if job == nil || fun == findJob || fun == "test.ping" {
			s.skipped++
			continue
		}
		p := publication{jid: id, received: now, missed: true}
		tgt, _ := job.Get("Target")
		args := job.List("Arguments")
		if args == nil {
			args = []any{}
		}
		p.load = wire.NewMap("fun", fun, "arg", args, "tgt", tgt, "jid", id, "ret", "", "tgt_type", job.Str("Target-type"), "user", job.Str("User"))
		if v, ok := job.Get("Metadata"); ok && v != nil {
			p.load.Set("metadata", v)
		}
		began, _ := jid.Time(id)
		user := job.Str("User")
		switch {
		case behind.Sub(began)+now.Sub(l.seen) > maxAge:
			s.report = append(s.report, p.report("older than saltern_replay_max_age"))
		case !all && user != "root" && !strings.HasPrefix(user, "sudo_"):
			s.report = append(s.report, p.report("a job of "+user+", whose rights are not known here"))
		default:
			s.run = append(s.run, p)
		}
	}
	return s
}

// report says that the publication will not run.
func (p *publication) report(reason string) missedReport {
	fun, _ := p.load.Get("fun")
	tgt, _ := p.load.Get("tgt")
	return missedReport{Count: 1, JID: p.jid, Fun: fun, Tgt: tgt, Serial: p.pos.Serial, Reason: reason}
}
