package event

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/wire"
)

// TestSettle fires right after a client has connected: without Settle the client may still wait in the listen queue.
func TestSettle(t *testing.T) {
	bus := NewBus(BusConfig{})
	dir := t.TempDir()
	server, err := Listen(ServerConfig{SockDir: dir}, bus)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	deadline, stop := context.WithTimeout(ctx, 30*time.Second)
	defer stop()
	for i := range 300 {
		reader, err := Dial(deadline, filepath.Join(dir, PubSocket))
		if err != nil {
			t.Fatal(err)
		}
		if err := server.Settle(deadline); err != nil {
			t.Fatal(err)
		}
		tag := fmt.Sprintf("test/%d", i)
		e, err := New(tag, wire.NewMap("n", int64(i)), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		bus.Fire(e)
		if got, err := reader.Next(deadline); err != nil || got.Tag != tag {
			t.Fatalf("round %d: read %q, %v", i, got.Tag, err)
		}
		reader.Close()
	}
	server.mu.Lock()
	defer server.mu.Unlock()
	if n := len(server.settling); n != 0 {
		t.Errorf("%d settles are remembered", n)
	}
}

func TestSettle_endsWithItsContext(t *testing.T) {
	server, err := Listen(ServerConfig{SockDir: t.TempDir()}, NewBus(BusConfig{}))
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer stop()
	if err := server.Settle(ctx); err == nil {
		t.Error("settled although nobody accepts")
	}
}
