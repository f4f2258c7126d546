package status

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

const (
	// nearlyFull is the fill at which a queue is a problem; it stops being logged as one below relieved.
	nearlyFull = 0.8
	relieved   = 0.6

	// settle is how long a link may be down after the start, and how long a sum has to be off without a
	// break, before it is told: less is work under way.
	settle = 10 * time.Second

	// maxWatched bounds the memory of a Watcher; what is beyond it is not watched.
	maxWatched = 1024
)

// Watcher compares reports: it finds what is wrong, and logs each change once.
//
//	link    down ⇒ problem at once;  logged when it was up before, or stays down for 10 s
//	peer    silent ⇒ problem;        logged when it falls silent and when it is back
//	queue   above 80 % ⇒ problem;    logged when crossing 80 % upward and 60 % downward
//	sum     off for 10 s without a break ⇒ problem until it balances again, where off means:
//	        the counters stand still, no work is in hand, and the sides differ; or they differ by
//	        more than can be under way (Sum.Slack)
type Watcher struct {
	log     *slog.Logger
	watched map[string]*watched
	round   uint64
	faulty  bool // a fault of the metrics was logged
}

// watched is what is known about one link, peer, queue or sum.
type watched struct {
	round uint64 // of the newest report that has it

	told  bool      // the bad state was logged
	since time.Time // link: of its state; sum: off since
	up    bool      // link

	off   bool // sum: found not to balance
	terms []Term
}

// NewWatcher makes a Watcher that logs to log.
func NewWatcher(log *slog.Logger) *Watcher {
	return &Watcher{log: log, watched: make(map[string]*watched)}
}

// Observe fills in r.Problems and logs what changed since the report before.
func (w *Watcher) Observe(r *Report) {
	w.round++
	r.Problems = []Problem{}
	add := func(kind string, s Section, name, format string, args ...any) {
		r.Problems = append(r.Problems, Problem{Kind: kind, Upstream: s.Upstream, Name: name, Text: fmt.Sprintf(format, args...)})
	}
	if r.Ready.IsZero() {
		add(Starting, Section{}, "", "the daemon does not serve yet")
	}
	for _, s := range r.Sections {
		for _, l := range s.Links {
			w.link(l, r.Now)
			if !l.Up {
				add(LinkDown, s, l.Name, "link to %s is %s for %s%s", l.Name, l.State, duration(r.Now.Sub(l.Since)), reason(l))
			}
		}
		for _, p := range s.Peers {
			w.peer(p)
			if p.Silent {
				add(PeerSilent, s, p.Name, "%s", silentText(p, r.Now))
			}
		}
		for _, q := range s.Queues {
			w.queue(s, q)
			if q.Fill() >= nearlyFull {
				add(QueueUp, s, q.Name, "queue %s is at %s of its capacity", label(s, q.Name), percent(q.Fill()))
			}
		}
		for _, sum := range s.Sums {
			if since, off := w.sum(s, sum, r.Now); off {
				add(SumOff, s, sum.Name, "sum %s is off by %d for %s", label(s, sum.Name), sum.Difference(), duration(r.Now.Sub(since)))
			}
		}
	}
	w.forget()
	w.faults(r)
}

func reason(l Link) string {
	if l.Reason == "" {
		return ""
	}
	return ": " + l.Reason
}

func label(s Section, name string) string {
	if s.Upstream == "" {
		return name
	}
	return name + " of " + s.Upstream
}

// entry finds or makes what is known; nil when there is no room.
func (w *Watcher) entry(kind, upstream, name string) (e *watched, fresh bool) {
	key := kind + "\x00" + upstream + "\x00" + name
	e = w.watched[key]
	if e == nil {
		if len(w.watched) >= maxWatched {
			return nil, false
		}
		e, fresh = &watched{}, true
		w.watched[key] = e
	}
	e.round = w.round
	return e, fresh
}

// forget drops what is in no report any more.
func (w *Watcher) forget() {
	for key, e := range w.watched {
		if e.round != w.round {
			delete(w.watched, key)
		}
	}
}

func (w *Watcher) link(l Link, now time.Time) {
	e, fresh := w.entry(LinkDown, "", l.Name)
	if e == nil {
		return
	}
	was := *e
	e.up, e.since = l.Up, l.Since
	switch {
	case l.Up && (fresh || !was.up):
		e.told = false
		w.log.Info("Link is up", "upstream", l.Name, "state", l.State, "level", l.Level)
	case l.Up && !was.since.Equal(l.Since):
		w.log.Info("Link was interrupted", "upstream", l.Name, "state", l.State, "since", l.Since)
	case !l.Up && !e.told && (was.up || now.Sub(l.Since) >= settle):
		e.told = true
		w.log.Warn("Link is down", "upstream", l.Name, "state", l.State, "since", l.Since, "reason", l.Reason)
	}
}

func (w *Watcher) queue(s Section, q Queue) {
	e, _ := w.entry(QueueUp, s.Upstream, q.Name)
	if e == nil {
		return
	}
	fill := q.Fill()
	if e.told && fill >= relieved || !e.told && fill < nearlyFull {
		return
	}
	e.told = !e.told
	text, level := "Queue has room again", slog.LevelInfo
	if e.told {
		text, level = "Queue is nearly full", slog.LevelWarn
	}
	w.log.Log(context.Background(), level, text, "queue", q.Name, "upstream", s.Upstream, "depth", q.Depth,
		"capacity", q.Capacity, "bytes", q.Bytes, "capacity_bytes", q.MaxBytes, "oldest", time.Duration(q.Oldest).String())
}

// sum decides whether a sum is off, and since when.
func (w *Watcher) sum(s Section, sum Sum, now time.Time) (since time.Time, off bool) {
	e, fresh := w.entry(SumOff, s.Upstream, sum.Name)
	if e == nil {
		return now, false
	}
	terms := append(append(make([]Term, 0, len(sum.In)+len(sum.Out)), sum.In...), sum.Out...)
	still := !fresh && sameTerms(e.terms, terms)
	e.terms = terms
	d := sum.Difference()
	suspect := d > sum.Slack || d < -sum.Slack || d != 0 && still && !sum.Busy
	switch {
	case d == 0:
		if e.off {
			w.log.Info("Sum balances again", "sum", sum.Name, "upstream", s.Upstream)
		}
		e.since, e.off = time.Time{}, false
	case e.off: // until it balances: what is lost stays lost, however the counters move
	case !suspect:
		e.since = time.Time{}
	case e.since.IsZero():
		e.since = now
	case now.Sub(e.since) >= settle:
		e.off = true
		w.log.Error("Sum does not balance", "sum", sum.Name, "upstream", s.Upstream, "difference", d,
			"in", slog.GroupValue(attributes(sum.In)...), "out", slog.GroupValue(attributes(sum.Out)...))
	}
	return e.since, e.off
}

func sameTerms(a, b []Term) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func attributes(terms []Term) []slog.Attr {
	attrs := make([]slog.Attr, len(terms))
	for i, t := range terms {
		attrs[i] = slog.Int64(t.Name, t.Value)
	}
	return attrs
}

// faults logs the first metric that the catalogue does not allow.
func (w *Watcher) faults(r *Report) {
	if len(r.Metrics.Faults) > 0 && !w.faulty {
		w.faulty = true
		w.log.Error("Metric left out", "err", r.Metrics.Faults[0], "more", len(r.Metrics.Faults)-1)
	}
}
