package stock

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// pollInterval is the pause between two looks at a condition.
const pollInterval = 50 * time.Millisecond

// Poll calls check until it returns nil, at least once, and at most for timeout. The error of the last look
// is part of the returned one, so that a failure says what was missing.
func Poll(ctx context.Context, what string, timeout time.Duration, check func() error) error {
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return nil
		}
		if errors.Is(err, ErrGone) {
			return fmt.Errorf("wait for %s: %w", what, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", what, ctx.Err())
		case <-deadline.C:
			return fmt.Errorf("wait for %s: %w after %s: %w", what, ErrTimeout, timeout, err)
		case <-tick.C:
		}
	}
}

// ErrGone ends a Poll at once: the condition cannot come true any more, e.g. because the daemon has ended.
var ErrGone = errors.New("gone")
