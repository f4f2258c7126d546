package scenario

import (
	"slices"
	"strings"

	"github.com/saltern-io/saltern/internal/stock"
)

// tally counts the return events on a host's bus, over the restarts of its master, and collects what a saltern
// syndic says about publications that it will not run. It belongs to the goroutine of the bench.
type tally struct {
	bus     *stock.Bus
	next    int
	returns map[string]map[string]int // by job id and minion id
	jobs    map[string]bool           // announced there: salt/job/<jid>/new
	missed  []stock.Event             // saltern/relay/missed
}

const missedTag = "saltern/relay/missed"

// read takes in what the bus has seen since the last time.
func (t *tally) read(bus *stock.Bus) {
	if t.returns == nil {
		t.returns, t.jobs = make(map[string]map[string]int), make(map[string]bool)
	}
	if bus != t.bus {
		t.bus, t.next = bus, 0
	}
	fresh := bus.Since(t.next)
	t.next += len(fresh)
	for _, event := range fresh {
		if event.Tag == missedTag {
			t.missed = append(t.missed, event)
		}
		// salt/job/<jid>/ret/<id>; an id may hold a slash.
		rest, ok := strings.CutPrefix(event.Tag, "salt/job/")
		if !ok {
			continue
		}
		jid, id, ok := strings.Cut(rest, "/ret/")
		if !ok {
			if jid, ok = strings.CutSuffix(rest, "/new"); ok {
				t.jobs[jid] = true
			}
			continue
		}
		if t.returns[jid] == nil {
			t.returns[jid] = make(map[string]int)
		}
		t.returns[jid][id]++
	}
}

// missing are those of ids that have not returned the job.
func (t *tally) missing(jid string, ids []string) []string {
	var missing []string
	for _, id := range ids {
		if t.returns[jid][id] == 0 {
			missing = append(missing, id)
		}
	}
	return missing
}

// extra is the number of return events of a job beyond one for each minion.
func (t *tally) extra(jid string) int {
	extra := 0
	for _, n := range t.returns[jid] {
		extra += n - 1
	}
	return extra
}

// reported is the number of publications of one upstream said to be missed, from position on in missed. With jobs
// given a report that names another one does not count.
func (t *tally) reported(upstream string, position int, jobs ...job) int {
	total := 0
	for _, event := range t.missed[min(position, len(t.missed)):] {
		jid := event.Str("jid")
		other := jid != "" && len(jobs) > 0 && !slices.ContainsFunc(jobs, func(j job) bool { return j.jid == jid })
		if other || event.Str("upstream") != upstream {
			continue
		}
		total += max(1, number(event.Value("count")))
	}
	return total
}

// number is a decoded integer of any width, 0 for anything else.
func number(v any) int {
	switch n := v.(type) {
	case int8:
		return int(n)
	case int16:
		return int(n)
	case int32:
		return int(n)
	case int64:
		return int(n)
	case uint8:
		return int(n)
	case uint16:
		return int(n)
	case uint32:
		return int(n)
	case uint64:
		return int(n)
	}
	return 0
}
