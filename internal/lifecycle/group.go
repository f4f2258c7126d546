package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"
)

// DefaultCleanupTime is how long one clean-up may take before the next one starts.
const DefaultCleanupTime = 15 * time.Second

// ErrPanic marks errors made from a panic; the stack is in the log.
var ErrPanic = errors.New("panic")

// ErrCleanupTime is a clean-up that did not end in its time and was left behind.
var ErrCleanupTime = errors.New("clean-up did not end in time")

// Group owns the goroutines of one daemon. The first one that fails cancels the others; Run returns
// after all have ended and every clean-up ran.
type Group struct {
	log *slog.Logger

	mu       sync.Mutex
	pending  []task // added before Run
	running  bool
	done     bool
	ctx      context.Context
	cancel   context.CancelCauseFunc
	first    error
	wait     sync.WaitGroup
	cleanups []cleanup
	active   map[string]int
}

type task struct {
	name string
	fn   func(context.Context) error
}

type cleanup struct {
	task
	time time.Duration
}

// New makes an empty group. log may be nil.
func New(log *slog.Logger) *Group {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Group{log: log, active: make(map[string]int)}
}

// Go adds a goroutine. It starts with Run, at once when Run is active, and never after the group has
// ended. A nil return means the task is finished; an error cancels the group. context.Canceled after
// the group was cancelled is a normal end.
func (g *Group) Go(name string, fn func(ctx context.Context) error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch t := (task{name, fn}); {
	case g.done:
		g.log.Warn("Task added after the end, not started", "task", name)
	case g.running:
		g.start(t)
	default:
		g.pending = append(g.pending, t)
	}
}

// Cleanup adds a function that Run calls after all goroutines have ended, last added first, each with
// DefaultCleanupTime.
func (g *Group) Cleanup(name string, fn func(ctx context.Context) error) {
	g.CleanupWithin(name, DefaultCleanupTime, fn)
}

// CleanupWithin is Cleanup with its own time.
func (g *Group) CleanupWithin(name string, most time.Duration, fn func(ctx context.Context) error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.cleanups = append(g.cleanups, cleanup{task{name, fn}, most})
}

// Run starts the goroutines and waits. It returns the first task's error joined with those of the
// clean-ups; nil when ctx ended it or every task finished. Run may be called once.
func (g *Group) Run(ctx context.Context) error {
	g.mu.Lock()
	if g.running || g.done {
		g.mu.Unlock()
		return errors.New("lifecycle: group was run before")
	}
	g.running = true
	g.ctx, g.cancel = context.WithCancelCause(ctx)
	for _, t := range g.pending {
		g.start(t)
	}
	g.pending = nil
	g.mu.Unlock()

	g.wait.Wait()

	g.mu.Lock()
	g.running, g.done = false, true
	g.cancel(nil)
	errs := []error{g.first}
	steps := g.cleanups
	g.mu.Unlock()
	for i := len(steps) - 1; i >= 0; i-- {
		errs = append(errs, g.clean(context.WithoutCancel(ctx), steps[i]))
	}
	return errors.Join(errs...)
}

// Stop cancels the group's context with a reason; Run then ends without an error of its own.
func (g *Group) Stop(reason error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.cancel != nil {
		g.cancel(reason)
	}
}

// Running lists the goroutines that have not ended, by name, for a status page or a stuck stop.
func (g *Group) Running() map[string]int {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := make(map[string]int, len(g.active))
	for name, n := range g.active {
		out[name] = n
	}
	return out
}

// start launches a task; g.mu is held.
func (g *Group) start(t task) {
	g.wait.Add(1)
	g.active[t.name]++
	ctx := g.ctx
	go func() {
		defer g.wait.Done()
		err := g.call(ctx, t)
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.active[t.name]--; g.active[t.name] == 0 {
			delete(g.active, t.name)
		}
		if err == nil || (ctx.Err() != nil && errors.Is(err, context.Canceled)) {
			return
		}
		err = fmt.Errorf("%s: %w", t.name, err)
		if g.first == nil {
			g.first = err
			g.cancel(err)
			return
		}
		g.log.Warn("Task failed while stopping", "task", t.name, "err", err)
	}()
}

// call runs a function and turns a panic into an error.
func (g *Group) call(ctx context.Context, t task) (err error) {
	defer func() {
		if p := recover(); p != nil {
			g.log.Error("Task panicked", "task", t.name, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = fmt.Errorf("%w: %v", ErrPanic, p)
		}
	}()
	return t.fn(ctx)
}

// clean runs one clean-up within its time. One that does not end is left behind: the process is about
// to exit, and what comes after it (the pid file, the lock) must still happen.
func (g *Group) clean(ctx context.Context, c cleanup) error {
	ctx, cancel := context.WithTimeout(ctx, c.time)
	defer cancel()
	began := time.Now()
	done := make(chan error, 1)
	go func() { done <- g.call(ctx, c.task) }()
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
		select {
		case err = <-done:
		default:
			err = ErrCleanupTime
		}
	}
	if err != nil {
		return fmt.Errorf("clean up %s: %w", c.name, err)
	}
	g.log.Debug("Cleaned up", "what", c.name, "took", time.Since(began))
	return nil
}
