package transport

import (
	"fmt"

	zmq "github.com/pebbe/zmq4"
)

// DefaultMaxFrames is how many frames of one message are read; the rest is thrown away and the message counts
// as malformed. A plain request has three, every proxy on the way adds one.
const DefaultMaxFrames = 32

// discardBatch is how many surplus frames are thrown away before the owner looks after its replies again.
const discardBatch = 2000

// splitEnvelope returns how many leading frames make the envelope: all up to and including the first empty one.
// ok is false when there is no empty frame. spec: transport §2.1.
func splitEnvelope(frames [][]byte) (n int, ok bool) {
	for i := range frames {
		if len(frames[i]) == 0 {
			return i + 1, true
		}
	}
	return 0, false
}

// frameReader reads whole messages from one socket with caps on frames and bytes.
type frameReader struct {
	socket    *zmq.Socket
	maxFrames int
	maxBytes  int64 // whole message; negative = no cap
	over      bool  // inside a message that broke a cap
	frames    [][]byte
}

// readStatus is the outcome of one read.
type readStatus uint8

const (
	readNothing  readStatus = iota // nothing to read now
	readMessage                    // frames holds a message
	readOversize                   // frames holds the start of a message that broke a cap
	readMore                       // still throwing surplus frames away: call again
)

// read fetches the next message without waiting. frames is valid until the next call; its elements are not
// reused. The frames of an over-size message are thrown away in portions, so that a peer who sends a million
// frames does not keep the owner from its other work.
func (f *frameReader) read() (readStatus, error) {
	if f.over {
		return f.discard()
	}
	f.frames = f.frames[:0]
	first, err := f.socket.RecvBytes(zmq.DONTWAIT)
	if err != nil {
		if isAgain(err) {
			return readNothing, nil
		}
		return readNothing, fmt.Errorf("receive: %w", err)
	}
	f.frames = append(f.frames, first)
	size := int64(len(first))
	for {
		more, err := f.socket.GetRcvmore()
		if err != nil {
			return readNothing, fmt.Errorf("receive: %w", err)
		}
		if !more {
			return readMessage, nil
		}
		if len(f.frames) == f.maxFrames || (f.maxBytes >= 0 && size > f.maxBytes) {
			f.over = true
			return f.discard()
		}
		frame, err := f.socket.RecvBytes(zmq.DONTWAIT)
		if err != nil {
			return readNothing, fmt.Errorf("receive frame %d: %w", len(f.frames), err)
		}
		f.frames = append(f.frames, frame)
		size += int64(len(frame))
	}
}

// discard reads on to the end of the current message.
func (f *frameReader) discard() (readStatus, error) {
	for range discardBatch {
		more, err := f.socket.GetRcvmore()
		if err != nil {
			return readNothing, fmt.Errorf("receive: %w", err)
		}
		if !more {
			f.over = false
			return readOversize, nil
		}
		if _, err := f.socket.RecvBytes(zmq.DONTWAIT); err != nil {
			return readNothing, fmt.Errorf("receive surplus frame: %w", err)
		}
	}
	return readMore, nil
}
