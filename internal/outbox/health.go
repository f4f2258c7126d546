package outbox

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// State of a store.
type State uint8

// States, from good to bad.
const (
	StateOK          State = iota
	StateDiskFull          // nothing new is accepted until there is space; heals by itself
	StateUnavailable       // the engine failed and is being opened anew; heals by itself
	StateDead              // only a restart helps
)

// String is the word for logs and status pages.
func (s State) String() string {
	switch s {
	case StateOK:
		return "ok"
	case StateDiskFull:
		return "disk full"
	case StateUnavailable:
		return "unavailable"
	case StateDead:
		return "dead"
	}
	return fmt.Sprintf("state %d", uint8(s))
}

// Status is a State with its history.
type Status struct {
	State State
	Since time.Time
	Err   error // why; nil when the state is ok
}

// health keeps the status. The committer writes it, everybody reads it.
type health struct {
	log  *slog.Logger
	dead chan error // receives the cause once, then is closed

	mu  sync.Mutex
	now Status
}

func newHealth(log *slog.Logger, now time.Time) *health {
	return &health{log: log, dead: make(chan error, 1), now: Status{Since: now}}
}

func (h *health) status() Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

// set changes the state and logs the change.
func (h *health) set(to State, why error, at time.Time) {
	h.mu.Lock()
	from := h.now
	if from.State == to || from.State == StateDead {
		h.mu.Unlock()
		return
	}
	h.now = Status{State: to, Since: at, Err: why}
	h.mu.Unlock()
	if to == StateOK {
		h.log.Info("Outbox works again", "was", from.State.String(), "for", at.Sub(from.Since).String())
		return
	}
	h.log.Error("Outbox takes nothing new", "state", to.String(), "err", why)
	if to == StateDead {
		h.dead <- why
		close(h.dead)
	}
}

// space notes what the look at the free space showed, with an engine that works.
func (h *health) space(full bool, at time.Time) {
	if full {
		h.set(StateDiskFull, fmt.Errorf("%w: less than the wanted space is free", ErrDiskFull), at)
		return
	}
	h.set(StateOK, nil, at)
}

// broken notes why the engine failed.
func (h *health) broken(why error, at time.Time) {
	if errors.Is(why, ErrDiskFull) {
		h.set(StateDiskFull, why, at)
		return
	}
	h.set(StateUnavailable, why, at)
}
