package broker

import "time"

// standing is what the election knows of one upstream.
type standing struct {
	up     bool      // both connections are there
	silent bool      // down because it stopped answering, not because a connection was closed
	since  time.Time // of being up, or down
}

// rules of an election; see the options saltern_failover_after and saltern_failback.
type rules struct {
	failoverAfter time.Duration
	failback      time.Duration // 0 = never
}

// elect chooses the upstream that serves: an index into all, in the operator's order of preference. active is the
// one that serves now, -1 for none yet, since when start is. again is when to look again without an event; zero: no
// need to.
//
//	active up    ──► stays, unless one before it was up for saltern_failback
//	active down  ──► stays for saltern_failover_after, not after silence: that took its time already;
//	                 then the first one that is up; when none is, it stays
//	none yet     ──► the first one that is up; one behind the first only after saltern_failover_after
//
// Pure: values in, values out.
func elect(all []standing, active int, start time.Time, r rules, now time.Time) (choice int, again time.Time) {
	if active >= 0 && all[active].up {
		return failback(all, active, r, now)
	}
	wait := start
	patient := true
	if active >= 0 {
		wait, patient = all[active].since, !all[active].silent
	}
	best := firstUp(all)
	if best < 0 || active < 0 && best == 0 {
		return max(best, active), time.Time{}
	}
	if until := wait.Add(r.failoverAfter); patient && now.Before(until) {
		return active, until
	}
	return best, time.Time{}
}

func failback(all []standing, active int, r rules, now time.Time) (choice int, again time.Time) {
	if r.failback == 0 {
		return active, time.Time{}
	}
	for i, s := range all[:active] {
		if !s.up {
			continue
		}
		due := s.since.Add(r.failback)
		if !now.Before(due) {
			return i, time.Time{}
		}
		if again.IsZero() || due.Before(again) {
			again = due
		}
	}
	return active, again
}

func firstUp(all []standing) int {
	for i, s := range all {
		if s.up {
			return i
		}
	}
	return -1
}
