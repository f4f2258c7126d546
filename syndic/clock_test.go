package syndic

import (
	"context"
	"testing"
	"time"
)

func TestClock(t *testing.T) {
	c := newClock(1000)
	began, real := c.now(), time.Now()
	if !c.sleep(context.Background(), 10*time.Second, nil) {
		t.Fatal("no sleep")
	}
	passed, took := c.now().Sub(began), time.Since(real)
	if passed < 10*time.Second || took < 10*time.Millisecond || passed > 1001*took+time.Second {
		t.Errorf("%v passed in %v", passed, took)
	}
	if c = newClock(0); c.real(time.Second) != time.Second {
		t.Errorf("the world's clock makes a second %v", c.real(time.Second))
	}
}

// TestSent: a publication is as old as its master says, not as the difference of two clocks.
func TestSent(t *testing.T) {
	u := &Upstream{clock: newClock(1), now: time.Now}
	const hour = int64(time.Hour / time.Millisecond)
	ahead := time.Now().UnixMilli() + hour // a master whose clock is an hour ahead
	for _, c := range []struct {
		name   string
		t, now int64
		age    time.Duration
	}{
		{"young, clock ahead", ahead - 2000, ahead, 2 * time.Second},
		{"young, clock behind", ahead - 3*hour - 2000, ahead - 3*hour, 2 * time.Second},
		{"from the future", ahead + 5000, ahead, 0},
		{"absurd", -1 << 62, 1 << 62, 0},
		{"old master", time.Now().UnixMilli() - hour, 0, time.Hour},
	} {
		age := time.Since(u.sentAt(c.t, c.now))
		if age < c.age-time.Millisecond || age > c.age+time.Minute {
			t.Errorf("%s: %v old, want %v", c.name, age, c.age)
		}
	}
}
