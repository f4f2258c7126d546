package client

import (
	"slices"
	"strings"
	"time"

	"github.com/saltern-io/saltern/internal/wire"
)

// waitConfig are the times of one job (spec: local-client-and-salt-cli §4).
type waitConfig struct {
	timeout      time.Duration // for a first return, and for each minion after it said that it is running
	gather       time.Duration // for answers to find_job
	syndicWait   time.Duration // what syndics may need more; only with orderMasters
	orderMasters bool
	// complete: nobody but the minions of the reply can return, those below syndics included; nothing more is waited
	// for than them.
	complete bool
}

// syndics reports whether minions may return that the reply did not name.
func (c *waitConfig) syndics() bool { return c.orderMasters && !c.complete }

// wait decides when a job is over. It knows no socket and no clock:
//
//	collecting ── timeout, someone silent ──► ask with find_job ──► gathering
//	    ▲                                                              │ window over
//	    └──────── someone said "running" ◄─────────────────────────────┤
//	                                                                   ▼ nobody, all deadlines passed
//	everyone returned (and, unless complete, syndicWait passed) ───────────────────────► over
type wait struct {
	cfg       waitConfig
	jid       string
	retPrefix string
	errTag    string

	expected map[string]bool      // who was published to
	missing  map[string]bool      // named in a list, not known
	found    map[string]bool      // who returned
	deadline map[string]time.Time // per silent minion

	running  bool            // someone may be running the job: ask at windowEnd
	asked    map[string]bool // jids of find_job publications
	window   time.Time       // end of the present phase
	syndicAt time.Time       // not over before, with orderMasters
}

func newWait(cfg waitConfig, jid string, minions, missing []string, now time.Time) *wait {
	w := &wait{
		cfg: cfg, jid: jid,
		retPrefix: "salt/job/" + jid + "/ret/", errTag: "salt/job/" + jid + "/error",
		expected: map[string]bool{}, missing: map[string]bool{}, found: map[string]bool{},
		deadline: map[string]time.Time{}, asked: map[string]bool{},
		running: true, window: now.Add(cfg.timeout), syndicAt: now.Add(cfg.syndicWait),
	}
	add(w.expected, minions)
	add(w.missing, missing)
	return w
}

func add(set map[string]bool, ids []string) {
	for _, id := range ids {
		set[id] = true
	}
}

// event takes one event of the bus; ok is true when it is a return to hand on, and refused is set when
// the master called the job off.
func (w *wait) event(tag string, data *wire.Map, now time.Time) (r Result, ok bool, refused *RefusedError) {
	switch {
	case tag == w.errTag:
		if e := data.Map("error"); e != nil {
			return Result{}, false, &RefusedError{Name: e.Str("name"), Message: e.Str("message")}
		}
		return Result{}, false, nil
	case strings.HasPrefix(tag, w.retPrefix):
		r, ok = w.returned(data)
		return r, ok, nil
	case w.ours(tag):
		if data.Has("minions") {
			add(w.expected, texts(data.List("minions")))
			add(w.missing, texts(data.List("missing")))
		}
		return Result{}, false, nil
	}
	w.findJobAnswer(tag, data, now)
	return Result{}, false, nil
}

// ours reports whether a tag speaks of this job, here or below a syndic.
func (w *wait) ours(tag string) bool {
	if strings.HasPrefix(tag, "salt/job/"+w.jid) || tag == w.jid {
		return true
	}
	return w.cfg.orderMasters && strings.HasPrefix(tag, "syndic/") && strings.Contains(tag, "/"+w.jid)
}

func (w *wait) returned(data *wire.Map) (Result, bool) {
	id := data.Str("id")
	value, has := data.Get("return")
	if id == "" || !has || w.found[id] {
		return Result{}, false
	}
	w.found[id] = true
	w.expected[id] = true
	r := Result{ID: id, JID: w.jid, Return: value, Out: data.Str("out")}
	r.Retcode, _ = data.Get("retcode")
	return r, true
}

// findJobAnswer judges what a minion says about the job: a non-zero retcode means that it cannot tell
// and is not waited for, an empty answer that the job does not run there.
func (w *wait) findJobAnswer(tag string, data *wire.Map, now time.Time) {
	rest, ok := strings.CutPrefix(tag, "salt/job/")
	if !ok {
		return
	}
	jid, what, _ := strings.Cut(rest, "/")
	if !w.asked[jid] || !strings.HasPrefix(what, "ret/") {
		return
	}
	id := data.Str("id")
	if data.Int("retcode") > 0 {
		delete(w.expected, id)
		delete(w.deadline, id)
		return
	}
	if value, _ := data.Get("return"); truthy(value) {
		w.deadline[id] = now.Add(w.cfg.timeout)
		w.running = true
	}
}

// step is what to do next.
type step struct {
	over bool
	ask  []string  // publish find_job to these, then call askedAs
	next time.Time // when to come back even without an event
}

// tick moves on with time.
func (w *wait) tick(now time.Time) step {
	silent := w.silent()
	if len(silent) == 0 {
		if !w.cfg.syndics() {
			return step{over: true}
		}
		if len(w.expected) > 0 {
			if !now.Before(w.syndicAt) {
				return step{over: true}
			}
			return step{next: w.syndicAt}
		}
	}
	for _, id := range silent {
		if _, ok := w.deadline[id]; !ok {
			w.deadline[id] = now.Add(w.cfg.timeout)
		}
	}
	if now.Before(w.window) {
		return step{next: w.window}
	}
	if w.running {
		w.running = false
		w.window = now.Add(w.cfg.gather)
		if w.cfg.syndics() {
			w.window = w.window.Add(w.cfg.syndicWait)
		}
		return step{ask: silent, next: w.window}
	}
	next := time.Time{}
	for _, id := range silent {
		if d := w.deadline[id]; now.Before(d) && (next.IsZero() || d.Before(next)) {
			next = d
		}
	}
	return step{over: next.IsZero(), next: next}
}

// askedAs records the jid under which the answers to find_job come.
func (w *wait) askedAs(jid string) { w.asked[jid] = true }

// silent are the expected minions that have not returned, sorted.
func (w *wait) silent() []string {
	var ids []string
	for id := range w.expected {
		if !w.found[id] {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// unanswered are all that a report has to name at the end: the silent and the unknown ones.
func (w *wait) unanswered() []string { return append(w.silent(), w.unknown()...) }

// unknown are the names of a list that no minion has returned under, sorted.
func (w *wait) unknown() []string {
	var ids []string
	for id := range w.missing {
		if !w.found[id] && !w.expected[id] {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

func truthy(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case string:
		return v != ""
	case int64:
		return v != 0
	case []any:
		return len(v) > 0
	case *wire.Map:
		return v.Len() > 0
	}
	return true
}

func texts(list []any) []string {
	out := make([]string, 0, len(list))
	for _, v := range list {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	return out
}
