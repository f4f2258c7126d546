package syndic

import (
	"context"
	"time"
)

// clock is the time that a syndic lives in: the world's, or in tests a faster one, in which an hour of back-offs, looks
// and ages passes in seconds. What a master of masters takes to answer cannot be hurried: time limits of requests, and
// the time that a request carries, stay the world's.
type clock struct {
	begin time.Time
	speed int
}

// newClock makes a clock; 1 is the speed of the world.
func newClock(speed int) *clock { return &clock{begin: time.Now(), speed: max(speed, 1)} }

func (c *clock) now() time.Time {
	if c.speed == 1 {
		return time.Now()
	}
	return c.begin.Add(time.Since(c.begin) * time.Duration(c.speed))
}

// real is how long a time of this clock lasts in the world.
func (c *clock) real(d time.Duration) time.Duration { return d / time.Duration(c.speed) }

// sleep waits for a time of this clock, or shorter when early has something; false means that ctx ended meanwhile.
func (c *clock) sleep(ctx context.Context, d time.Duration, early <-chan struct{}) bool {
	return sleep(ctx, c.real(d), early)
}
