package saltkey

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/saltern-io/saltern/pki"
)

// watchInterval is how often the state directories are looked at: one stat call each, and one reading
// when something changed.
const watchInterval = 500 * time.Millisecond

// seenKey tells one version of a key from another.
type seenKey struct {
	size     int64
	modified time.Time
}

// snapshot is what the store held at one moment.
type snapshot map[keyID]seenKey

// watchKeys is --watch: it prints what changes in the store, whoever changes it, until a signal.
func (t *tool) watchKeys() error {
	if err := t.needStore(); err != nil {
		return err
	}
	states, ok := listStates(t.list)
	if !ok || states == nil {
		states = oldOrder
	}
	before, stamp, err := t.snapshot(states)
	if err != nil {
		return err
	}
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for {
		select {
		case <-t.ctx.Done():
			if errors.Is(context.Cause(t.ctx), errInterrupted) {
				fmt.Fprintln(t.stderr) // Ctrl-C is how it ends
			}
			return nil
		case <-tick.C:
		}
		if now, err := t.dirStamp(states); err != nil {
			return err
		} else if now == stamp && stamp.settled() {
			continue
		}
		after, newStamp, err := t.snapshot(states)
		if err != nil {
			return err
		}
		if err := t.tellChanges(before, after); err != nil {
			return err
		}
		before, stamp = after, newStamp
	}
}

// stamp is the times of the state directories, and when they were taken.
type stamp struct {
	times [4]int64
	taken bool // long enough after the last change to be trusted
}

func (s stamp) settled() bool { return s.taken }

func (t *tool) dirStamp(states []pki.State) (stamp, error) {
	var s stamp
	now, newest := time.Now(), time.Time{}
	for i, state := range states {
		info, err := os.Stat(filepath.Join(t.cfg.PKIDir, state.Dir()))
		if err != nil {
			return s, err
		}
		s.times[i] = info.ModTime().UnixNano()
		if info.ModTime().After(newest) {
			newest = info.ModTime()
		}
	}
	s.taken = now.Sub(newest) > 3*time.Second // coarser than the clock of any file system
	return s, nil
}

func (t *tool) snapshot(states []pki.State) (snapshot, stamp, error) {
	at, err := t.dirStamp(states) // before the reading: a change during it makes the next look read again
	if err != nil {
		return nil, at, err
	}
	all := snapshot{}
	for _, state := range states {
		if t.filter.states != nil && !t.filter.states[state] {
			continue
		}
		ids, err := t.store.List(state)
		if err != nil {
			return nil, at, err
		}
		for _, id := range ids {
			info, err := os.Lstat(filepath.Join(t.cfg.PKIDir, state.Dir(), id))
			if err != nil {
				continue // gone between the two calls
			}
			all[keyID{state, id}] = seenKey{info.Size(), info.ModTime()}
		}
	}
	return all, at, nil
}

// tellChanges prints one line per change, in the order of the ids.
func (t *tool) tellChanges(before, after snapshot) error {
	var lines []keyLine
	left := map[string][]pki.State{} // states an id is gone from
	for k := range before {
		if _, ok := after[k]; !ok {
			left[k.id] = append(left[k.id], k.state)
		}
	}
	for k, now := range after {
		was, ok := before[k]
		switch {
		case ok && was == now:
		case ok:
			lines = append(lines, keyLine{Change: "replaced", ID: k.id, State: k.state.String()})
		case len(left[k.id]) == 1:
			lines = append(lines, keyLine{Change: "moved", ID: k.id, State: k.state.String(), From: left[k.id][0].String()})
			delete(left, k.id)
		default:
			lines = append(lines, keyLine{Change: "new", ID: k.id, State: k.state.String()})
		}
	}
	for id, states := range left {
		for _, s := range states {
			lines = append(lines, keyLine{Change: "gone", ID: id, From: s.String()})
		}
	}
	slices.SortFunc(lines, func(a, b keyLine) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.State, b.State), cmp.Compare(a.From, b.From))
	})
	now := time.Now()
	for _, line := range lines {
		line.Time = now.UTC().Format(time.RFC3339)
		if err := t.emit(line); err != nil {
			return err
		}
		t.say("%s  %s\n", now.Format(time.DateTime), line.sentence())
	}
	return t.stdout.Flush()
}

// sentence is a change for people.
func (l keyLine) sentence() string {
	switch l.Change {
	case "moved":
		return fmt.Sprintf("%s: %s, was %s", l.ID, l.State, l.From)
	case "gone":
		return fmt.Sprintf("%s: gone, was %s", l.ID, l.From)
	case "replaced":
		return fmt.Sprintf("%s: %s, another key than before", l.ID, l.State)
	}
	return fmt.Sprintf("%s: %s", l.ID, l.State)
}
