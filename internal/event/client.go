package event

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// Reader subscribes to the bus of a stock or saltern master, of either framing.
type Reader struct {
	conn   net.Conn
	frames *FrameReader
}

// Dial connects to a publish socket: path is master_event_pub.ipc. Events fired after Dial has returned may still miss
// the subscription by a moment, since the server has to accept it; there is no replay.
func Dial(ctx context.Context, path string) (*Reader, error) {
	return DialNetwork(ctx, "unix", path)
}

// DialNetwork is Dial for another network; "tcp" where ipc_mode is tcp.
func DialNetwork(ctx context.Context, network, address string) (*Reader, error) {
	c, err := dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &Reader{conn: c, frames: NewFrameReader(c, DefaultMaxFrame)}, nil
}

func dial(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("event bus: %w", err)
	}
	return c, nil
}

// Next returns the next event. When ctx ends first it returns ctx's error, and nothing is lost: the next call goes on.
// A frame without a usable event is passed over. io.EOF means that the master has closed the bus. For one goroutine;
// Close from another one ends it with net.ErrClosed.
func (r *Reader) Next(ctx context.Context) (Event, error) {
	release, err := withDeadline(ctx, r.conn.SetReadDeadline)
	if err != nil {
		return Event{}, err
	}
	defer release()
	for {
		e, err := r.frames.Next()
		switch {
		case err == nil:
			return e, nil
		case errors.Is(err, ErrBadEvent):
			continue
		case errors.Is(err, os.ErrDeadlineExceeded):
			if ctx.Err() != nil {
				return Event{}, ctx.Err()
			}
			return Event{}, context.DeadlineExceeded // the socket's clock was a little faster
		}
		return Event{}, fmt.Errorf("event bus: %w", err)
	}
}

// Framing is what the master uses; FramingAuto before the first event.
func (r *Reader) Framing() Framing { return r.frames.Framing() }

// Close ends the subscription.
func (r *Reader) Close() error { return r.conn.Close() }

// Writer fires events through a pull socket. The server never answers: an event counts as fired when it was written.
type Writer struct {
	conn    net.Conn
	framing Framing
	lock    chan struct{} // held while writing; a channel, so that waiting for it can end with ctx
}

// DialPull connects to a pull socket: path is master_event_pull.ipc. The framing is that of the stock Salt installed on
// this host; saltern's masters take both.
func DialPull(ctx context.Context, path string) (*Writer, error) {
	return DialPullNetwork(ctx, "unix", path, FramingAuto)
}

// DialPullNetwork is DialPull for another network or a given framing.
func DialPullNetwork(ctx context.Context, network, address string, framing Framing) (*Writer, error) {
	if framing == FramingAuto {
		framing, _ = InstalledFraming()
	}
	c, err := dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &Writer{conn: c, framing: framing, lock: make(chan struct{}, 1)}, nil
}

// Fire writes one event. After an error the connection may hold half a frame: close it.
func (w *Writer) Fire(ctx context.Context, e Event) error {
	if err := CheckTag(e.Tag); err != nil {
		return err
	}
	frame := AppendLengthFrame(make([]byte, 0, frameSize(e)), e)
	if w.framing == FramingBare {
		frame = frame[lengthSize:]
	}
	select {
	case w.lock <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-w.lock }()
	release, err := withDeadline(ctx, w.conn.SetWriteDeadline)
	if err != nil {
		return err
	}
	defer release()
	if _, err := w.conn.Write(frame); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() != nil {
			err = ctx.Err()
		}
		return fmt.Errorf("fire event %q: %w", e.Tag, err)
	}
	return nil
}

// Close ends the connection; what was written is still read by the server.
func (w *Writer) Close() error { return w.conn.Close() }

// withDeadline makes the end of ctx end an operation on a connection. release has to be called after the operation.
func withDeadline(ctx context.Context, set func(time.Time) error) (release func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := set(time.Time{}); err != nil {
		return nil, fmt.Errorf("event bus: %w", err)
	}
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		_ = set(time.Unix(1, 0)) // fails only on a closed connection, which ends the operation as well
	})
	return func() {
		// When it has started it must have finished, or it would hit the next operation.
		if !stop() {
			<-done
		}
	}, nil
}
