package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/saltern-io/saltern/internal/event"
)

// redialEvery is the pause between attempts to reach the bus.
const redialEvery = 100 * time.Millisecond

// hub is the client's one connection to the event bus, made for the first job and kept for the next
// ones: a connection that the master has long accepted cannot miss the first events of a job.
type hub struct {
	client *Client

	mu    sync.Mutex
	boxes map[*inbox]struct{}

	dialing chan struct{}      // holds a token; whoever has it may connect
	cancel  context.CancelFunc // set once connected
	reader  sync.WaitGroup
}

func newHub(c *Client) *hub {
	h := &hub{client: c, boxes: map[*inbox]struct{}{}, dialing: make(chan struct{}, 1)}
	h.dialing <- struct{}{}
	return h
}

// join gives a new inbox everything fired from now on, and connects to the bus if need be; patience
// bounds that, for a master that starts may be about to make its socket.
func (h *hub) join(ctx context.Context, patience time.Duration) (*inbox, error) {
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	select {
	case <-h.dialing:
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrNoAnswer, ctx.Err())
	}
	defer func() { h.dialing <- struct{}{} }()
	box := newInbox()
	if h.cancel == nil {
		bus, err := h.dialUntil(ctx)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNoAnswer, err)
		}
		h.client.confirm(ctx, bus)
		readCtx, cancel := context.WithCancel(context.Background())
		h.cancel = cancel
		h.reader.Go(func() { h.read(readCtx, bus) })
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.boxes[box] = struct{}{}
	return box, nil
}

func (h *hub) leave(box *inbox) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.boxes, box)
}

// stop disconnects and waits for the reader.
func (h *hub) stop() {
	<-h.dialing // never given back: nobody joins any more
	if h.cancel != nil {
		h.cancel()
	}
	h.reader.Wait()
}

func (h *hub) dialUntil(ctx context.Context) (*event.Reader, error) {
	for {
		bus, err := h.client.dial(ctx)
		if err == nil {
			return bus, nil
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), err)
		case <-time.After(redialEvery):
		}
	}
}

// read moves events from the bus to the inboxes and connects again when the master goes away: what is
// returned meanwhile is asked for with find_job.
func (h *hub) read(ctx context.Context, bus *event.Reader) {
	for {
		err := h.copyEvents(ctx, bus)
		if cerr := bus.Close(); cerr != nil {
			h.client.log.Debug("Event bus connection did not close", "err", cerr)
		}
		if ctx.Err() != nil {
			return
		}
		h.client.log.Debug("Event bus connection lost", "err", err)
		if bus, err = h.dialUntil(ctx); err != nil {
			return // only when ctx has ended
		}
	}
}

func (h *hub) copyEvents(ctx context.Context, bus *event.Reader) error {
	for {
		e, err := bus.Next(ctx)
		if err != nil {
			return err
		}
		h.mu.Lock()
		for box := range h.boxes {
			box.put(e)
		}
		h.mu.Unlock()
	}
}
