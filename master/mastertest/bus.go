package mastertest

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/event"
	"github.com/saltern-io/saltern/internal/wire"
)

// busTimeout bounds the wait for one event.
const busTimeout = 20 * time.Second

// fenceTag is what a Bus fires to know that everything before has arrived.
const fenceTag = "mastertest/fence"

// Bus reads the event bus of a master through its socket, as a local client does.
type Bus struct {
	reader *event.Reader
	writer *event.Writer
	fences int64
}

// Bus connects to the event bus: every event fired after it returns will be seen.
func (r *Running) Bus(t testing.TB) *Bus {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), busTimeout)
	defer cancel()
	reader, err := event.Dial(ctx, filepath.Join(r.Config.SockDir, event.PubSocket))
	if err != nil {
		t.Fatal(err)
	}
	writer, err := event.DialPull(ctx, filepath.Join(r.Config.SockDir, event.PullSocket))
	if err != nil {
		t.Fatal(err)
	}
	b := &Bus{reader: reader, writer: writer}
	t.Cleanup(func() { reader.Close(); writer.Close() })
	// The kernel connects before the master knows of it: only an event that comes back proves that
	// the bus has us.
	for {
		b.fence(t)
		short, stop := context.WithTimeout(ctx, 100*time.Millisecond)
		e, err := reader.Next(short)
		stop()
		if err == nil && e.Tag == fenceTag {
			break
		}
		if ctx.Err() != nil {
			t.Fatalf("the bus does not answer: %v", err)
		}
	}
	b.Drain(t)
	return b
}

func (b *Bus) fence(t testing.TB) int64 {
	t.Helper()
	b.fences++
	e, err := event.New(fenceTag, wire.NewMap("n", b.fences), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), busTimeout)
	defer cancel()
	if err := b.writer.Fire(ctx, e); err != nil {
		t.Fatal(err)
	}
	return b.fences
}

// Drain returns every event that was fired before the call and not read yet.
func (b *Bus) Drain(t testing.TB) []event.Event {
	t.Helper()
	n := b.fence(t)
	var out []event.Event
	for {
		e := b.Next(t)
		if e.Tag != fenceTag {
			out = append(out, e)
			continue
		}
		if data, err := e.Map(); err == nil && data.Int("n") == n {
			return out
		}
	}
}

// Next returns the next event; what the bus sends for its own sake is left out.
func (b *Bus) Next(t testing.TB) event.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), busTimeout)
	defer cancel()
	for {
		e, err := b.reader.Next(ctx)
		if err != nil {
			t.Fatalf("next event: %v", err)
		}
		if e.Tag != event.TagTick {
			return e
		}
	}
}

// Until reads events until one has the tag, and returns its data.
func (b *Bus) Until(t testing.TB, tag string) *wire.Map {
	t.Helper()
	deadline := time.Now().Add(busTimeout)
	for time.Now().Before(deadline) {
		if e := b.Next(t); e.Tag == tag {
			return EventData(t, e)
		}
	}
	t.Fatalf("no event %q within %v", tag, busTimeout)
	return nil
}

// EventData decodes the data of an event.
func EventData(t testing.TB, e event.Event) *wire.Map {
	t.Helper()
	data, err := e.Map()
	if err != nil {
		t.Fatalf("event %q: %v", e.Tag, err)
	}
	return data
}

// Tags lists the tags of events, in order.
func Tags(events []event.Event) []string {
	tags := make([]string, len(events))
	for i, e := range events {
		tags[i] = e.Tag
	}
	return tags
}
