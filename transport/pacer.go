package transport

import "time"

// Pace of forgiving stuck subscribers.
const (
	minStallWait  = 50 * time.Millisecond
	forgiveAfter  = time.Minute
	maxStallSteps = 16
)

// pacer decides how long a burst may wait. Pure: time is given.
type pacer struct {
	full  time.Duration
	steps int       // recent time-outs
	since time.Time // when steps last changed
}

// limit returns how long to wait now.
func (p *pacer) limit(now time.Time) time.Duration {
	if p.steps > 0 {
		if n := int(now.Sub(p.since) / forgiveAfter); n > 0 {
			p.steps = max(0, p.steps-n)
			p.since = now
		}
	}
	return min(p.full, max(minStallWait, p.full>>p.steps))
}

// timedOut records that a wait was in vain.
func (p *pacer) timedOut(now time.Time) {
	p.steps = min(p.steps+1, maxStallSteps)
	p.since = now
}
