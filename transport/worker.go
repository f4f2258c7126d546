package transport

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"time"
)

// startWorkers starts every class's workers and returns a channel that closes when all have ended, which they do
// once their class's channel is closed and empty.
func (s *RequestServer) startWorkers(ctx context.Context) <-chan struct{} {
	var group sync.WaitGroup
	for _, class := range s.classes {
		for range class.Workers {
			group.Go(func() {
				for r := range class.ch {
					s.handle(ctx, r)
				}
			})
		}
	}
	done := make(chan struct{})
	go func() {
		group.Wait()
		close(done)
	}()
	return done
}

// waitWorkers waits a bounded time, since a handler may ignore its context.
func waitWorkers(done <-chan struct{}, limit time.Duration) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-done:
		return nil
	case <-timer.C:
		return fmt.Errorf("%w: waited %v", ErrHandlersBusy, limit)
	}
}

// handle runs the handler on one request. Whatever happens in it, the request keeps or gets its answer.
func (s *RequestServer) handle(ctx context.Context, r *Request) {
	if r.answered.Load() {
		return // refused while it waited: the server is stopping
	}
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		s.count.panics.Add(1)
		s.rare.Warn("Handler panicked", "class", r.class.Name, "peer", r.Peer(), "panic", panicText(p),
			"stack", string(debug.Stack()))
		r.settle(s.cfg.Exception)
	}()
	s.cfg.Handle(ctx, r)
}

// panicText describes a panic value without its content, which may be part of a load.
func panicText(p any) string {
	if err, ok := p.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("value of type %T", p)
}
