package stock

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/vmihailenco/msgpack/v5"
)

// Bounds of one bus frame and of what a Bus remembers; the harness's masters are small and short-lived.
const (
	maxFrame  = 16 << 20
	maxEvents = 300000
)

// Bus reads the event bus of a master, stock or saltern, and remembers every event since it was dialled.
// When more than 300,000 events were seen, it stops reading with an error rather than forget any.
type Bus struct {
	conn net.Conn
	done chan struct{}

	mu      sync.Mutex
	events  []Event
	err     error
	changed chan struct{} // closed and replaced at every event and at the end
}

// DialBus connects to path, usually master_event_pub.ipc (spec: event-bus §1, §2).
func DialBus(ctx context.Context, path string) (*Bus, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("dial event bus: %w", err)
	}
	b := &Bus{conn: conn, done: make(chan struct{}), changed: make(chan struct{})}
	go b.read()
	return b, nil
}

// Close ends the connection and waits for the reader.
func (b *Bus) Close() error {
	err := b.conn.Close()
	<-b.done
	return err
}

// Err is why the reader has ended; nil while it reads.
func (b *Bus) Err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

// Len is the number of events seen so far: the position to wait from.
func (b *Bus) Len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.events)
}

// Since returns the events from position on.
func (b *Bus) Since(position int) []Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]Event(nil), b.events[min(position, len(b.events)):]...)
}

// Wait returns the first event from position on that match accepts.
func (b *Bus) Wait(ctx context.Context, what string, position int, timeout time.Duration, match func(Event) bool) (Event, error) {
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	for {
		b.mu.Lock()
		fresh, changed, err := b.events[min(position, len(b.events)):], b.changed, b.err
		b.mu.Unlock()
		for _, event := range fresh {
			if match(event) {
				return event, nil
			}
		}
		position += len(fresh)
		if err != nil {
			return Event{}, fmt.Errorf("wait for event %s: %w", what, err)
		}
		select {
		case <-ctx.Done():
			return Event{}, fmt.Errorf("wait for event %s: %w", what, ctx.Err())
		case <-deadline.C:
			return Event{}, fmt.Errorf("wait for event %s: %w after %s", what, ErrTimeout, timeout)
		case <-changed:
		}
	}
}

func (b *Bus) read() {
	defer close(b.done)
	reader := bufio.NewReader(b.conn)
	for {
		event, err := readEvent(reader)
		b.mu.Lock()
		if err == nil && len(b.events) == maxEvents {
			err = fmt.Errorf("more than %d events", maxEvents)
		}
		if err == nil {
			b.events = append(b.events, event)
		} else {
			b.err = err
		}
		close(b.changed)
		b.changed = make(chan struct{})
		b.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// readEvent reads one frame, bare or behind a four-byte length (spec: newer-salt, "Event bus framing").
func readEvent(r *bufio.Reader) (Event, error) {
	first, err := r.Peek(1)
	if err != nil {
		return Event{}, err
	}
	var source io.Reader = r
	if first[0] == 0 {
		var length uint32
		if err := binary.Read(r, binary.BigEndian, &length); err != nil {
			return Event{}, err
		}
		if length > maxFrame {
			return Event{}, fmt.Errorf("event frame of %d bytes", length)
		}
		frame := make([]byte, length)
		if _, err := io.ReadFull(r, frame); err != nil {
			return Event{}, err
		}
		source = bytes.NewReader(frame)
	}
	return decodeFrame(msgpack.NewDecoder(source))
}

var errFrame = errors.New("bad event frame")

func decodeFrame(dec *msgpack.Decoder) (Event, error) {
	fields, err := dec.DecodeMapLen()
	if err != nil {
		return Event{}, err
	}
	var body []byte
	for range fields {
		name, err := dec.DecodeString()
		if err != nil {
			return Event{}, err
		}
		if name != "body" {
			if err := dec.Skip(); err != nil {
				return Event{}, err
			}
			continue
		}
		if body, err = dec.DecodeBytes(); err != nil {
			return Event{}, err
		}
	}
	tag, data, ok := bytes.Cut(body, []byte("\n\n"))
	if !ok {
		return Event{}, errFrame
	}
	return Event{Tag: string(tag), Data: data}, nil
}
