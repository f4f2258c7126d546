package lifecycle

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var errBoom = errors.New("boom")

// order collects names from several goroutines.
type order struct {
	mu    sync.Mutex
	names []string
}

func (o *order) add(name string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.names = append(o.names, name)
}

func (o *order) step(name string) func(context.Context) error {
	return func(context.Context) error { o.add(name); return nil }
}

func untilDone(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }

func TestGroup_firstErrorCancels(t *testing.T) {
	g := New(nil)
	var o order
	g.Cleanup("first", o.step("first"))
	g.Cleanup("second", o.step("second"))
	g.Go("waiter", func(ctx context.Context) error {
		<-ctx.Done()
		o.add("waiter")
		return ctx.Err()
	})
	g.Go("failer", func(context.Context) error { return errBoom })
	err := g.Run(context.Background())
	if !errors.Is(err, errBoom) || err.Error() != "failer: boom" {
		t.Errorf("got %v", err)
	}
	if !slices.Equal(o.names, []string{"waiter", "second", "first"}) {
		t.Errorf("order %v", o.names)
	}
	if len(g.Running()) != 0 {
		t.Errorf("still running: %v", g.Running())
	}
}

func TestGroup_normalEnds(t *testing.T) {
	t.Run("context", func(t *testing.T) {
		g := New(nil)
		g.Go("a", untilDone)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := g.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Run("stop", func(t *testing.T) {
		g := New(nil)
		g.Go("a", untilDone)
		g.Go("b", func(context.Context) error { g.Stop(errBoom); return nil })
		if err := g.Run(context.Background()); err != nil {
			t.Error(err)
		}
	})
	t.Run("all finish", func(t *testing.T) {
		g := New(nil)
		g.Go("a", func(context.Context) error { return nil })
		if err := g.Run(context.Background()); err != nil {
			t.Error(err)
		}
		if err := g.Run(context.Background()); err == nil {
			t.Error("ran twice")
		}
		g.Go("late", func(context.Context) error { t.Error("started after the end"); return nil })
	})
}

func TestGroup_addsWhileRunning(t *testing.T) {
	g := New(nil)
	var o order
	g.Go("parent", func(context.Context) error {
		g.Go("child", o.step("child"))
		g.Cleanup("late", o.step("late"))
		return nil
	})
	if err := g.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(o.names, []string{"child", "late"}) {
		t.Errorf("got %v", o.names)
	}
}

func TestGroup_panics(t *testing.T) {
	g := New(nil)
	var o order
	g.Cleanup("last", o.step("last"))
	g.Cleanup("bad", func(context.Context) error { panic("again") })
	g.Go("a", func(context.Context) error { panic("boom") })
	err := g.Run(context.Background())
	if !errors.Is(err, ErrPanic) || !strings.Contains(err.Error(), "a: panic: boom") || !strings.Contains(err.Error(), "clean up bad: panic: again") {
		t.Errorf("got %v", err)
	}
	if !slices.Equal(o.names, []string{"last"}) {
		t.Errorf("got %v", o.names)
	}
}

// TestGroup_cleanupTime: a clean-up that hangs is left behind and the next one runs.
func TestGroup_cleanupTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(nil)
		var o order
		free := make(chan struct{})
		g.Cleanup("next", o.step("next"))
		g.CleanupWithin("stuck", 3*time.Second, func(context.Context) error { <-free; return nil })
		began := time.Now()
		err := g.Run(context.Background())
		if !errors.Is(err, ErrCleanupTime) || time.Since(began) != 3*time.Second {
			t.Errorf("got %v after %v", err, time.Since(began))
		}
		if !slices.Equal(o.names, []string{"next"}) {
			t.Errorf("got %v", o.names)
		}
		close(free)
	})
}

// TestGroup_cleanupContext: clean-ups get a live context although the daemon's was cancelled.
func TestGroup_cleanupContext(t *testing.T) {
	g := New(nil)
	g.Cleanup("flush", func(ctx context.Context) error { return ctx.Err() })
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := g.Run(ctx); err != nil {
		t.Error(err)
	}
}
