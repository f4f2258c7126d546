package master

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// watchdogTries is how many pings in a row must fail: one alone may be a busy second, and a process that was
// stopped and continued has a gap in its clock but answers.
const watchdogTries = 3

// errStuck ends a master that does not answer itself.
var errStuck = errors.New("does not answer its own pings")

// watchdog ends the master when it no longer answers on its request port: to close both ports is the only sign that a
// minion with several masters can see (spec: multi-master §4.3). The end is orderly where that is still
// possible; Options.Stuck is called when it does not come.
func (m *Master) watchdog(ctx context.Context) error {
	limit := m.cfg.Load().Watchdog
	if limit <= 0 {
		return nil
	}
	step := limit / watchdogTries
	tick := time.NewTicker(step)
	defer tick.Stop()
	failed := 0
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		ping, cancel := context.WithTimeout(ctx, step)
		err := m.probe(ping)
		cancel()
		if err == nil || ctx.Err() != nil {
			failed = 0
			continue
		}
		failed++
		m.log.Error("The master does not answer itself", "tries", failed, "of", watchdogTries, "err", err)
		if failed < watchdogTries {
			continue
		}
		if m.stuck != nil {
			m.lastResort.Store(time.AfterFunc(m.cfg.Load().DrainTimeout+stopGrace, m.stuck))
		}
		return fmt.Errorf("%w for %s: %w", errStuck, limit, err)
	}
}

// stopGrace is what stopping may take beside saltern_drain_timeout before a stuck master is ended hard.
const stopGrace = 10 * time.Second
