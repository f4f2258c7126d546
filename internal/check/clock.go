package check

import (
	"fmt"
	"syscall"
)

// Years outside of which a clock is not set: job ids and log lines are made of it.
const (
	firstYear = 2024
	lastYear  = 2100
)

// Bits and states of adjtimex(2).
const (
	staUnsync = 0x40
	timeError = 5
)

// clock checks that the time is plausible and that something keeps it right. Times of another host are not
// compared: no answer of a master that needs no sign-in carries one.
func (c *checker) clock() {
	now := c.o.Now()
	if y := now.Year(); y < firstYear || y > lastYear {
		c.add(Finding{
			Level: Fault, Area: AreaClock, What: fmt.Sprintf("the clock says %s; job ids are made of it", now.UTC().Format("2006-01-02 15:04")),
			Hint: "timedatectl set-ntp true",
		})
		return
	}
	var t syscall.Timex
	state, err := syscall.Adjtimex(&t)
	switch {
	case err != nil:
		c.add(Finding{Level: Note, Area: AreaClock, What: "the kernel does not say whether the clock is kept in time: " + err.Error()})
	case state == timeError || t.Status&staUnsync != 0:
		c.add(Finding{
			Level: Warning, Area: AreaClock, What: "nothing keeps the clock in time (not synchronised)",
			Hint: "timedatectl timesync-status || chronyc tracking; timedatectl set-ntp true",
		})
	default:
		c.ok(AreaClock, "", "synchronised, %s UTC", now.UTC().Format("2006-01-02 15:04:05"))
	}
}
