package jobexport

import (
	"fmt"
	"time"

	"github.com/saltern-io/saltern/internal/output"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/jobcache"
)

// Keys of Salt's Redis returner (spec: job-cache §3).
const (
	prefixLoad = "load:"
	prefixRet  = "ret:"
	keyMinions = "minions"
)

// stampLayout is the form of _stamp.
const stampLayout = "2006-01-02T15:04:05.000000"

// loadJSON is the value of load:<jid>: the published load, with the minions that are known to have it.
func loadJSON(job jobcache.Job) (string, error) {
	load, err := wire.DecodeMap(job.Load, wire.Wire, wire.LoadLimits)
	if err != nil {
		return "", fmt.Errorf("load of job %s: %w", job.JID, err)
	}
	if all := job.AllMinions(); len(all) > 0 {
		list := make([]any, len(all))
		for i, id := range all {
			list[i] = id
		}
		load.Set("Minions", list)
	}
	return output.JSONLine(load)
}

// returnJSON is the value of one field of ret:<jid>, and the function that returned as it stands in key names.
func returnJSON(r jobcache.Return) (text, fun string, err error) {
	load, err := wire.DecodeMap(r.Body, wire.Wire, wire.LoadLimits)
	if err != nil {
		return "", "", fmt.Errorf("return of %s to job %s: %w", r.MinionID, r.JID, err)
	}
	if !load.Has("jid") {
		load.Set("jid", r.JID)
	}
	if !load.Has("id") {
		load.Set("id", r.MinionID)
	}
	if !load.Has("_stamp") {
		load.Set("_stamp", r.Received.UTC().Format(stampLayout))
	}
	if f, ok := load.Get("fun"); ok && f != nil {
		fun = output.PyText(f)
	}
	text, err = output.JSONLine(load)
	return text, fun, err
}

// seconds is how long a key lives; at least one second, as 0 would mean an error or for ever.
func seconds(keep time.Duration) time.Duration { return max(keep.Truncate(time.Second), time.Second) }
