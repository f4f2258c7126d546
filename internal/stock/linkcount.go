package stock

import (
	"encoding/binary"
	"sync/atomic"
)

// Counter counts the ZeroMQ messages of one direction of a link, subscriptions included, commands not.
type Counter struct{ messages atomic.Int64 }

// Messages so far.
func (c *Counter) Messages() int64 { return c.messages.Load() }

// ZMTP 3: a greeting, then frames of a flag octet, a length and a body.
const (
	zmtpGreeting = 64
	flagMore     = 1
	flagLong     = 2
	flagCommand  = 4
)

// stream follows one connection.
func (c *Counter) stream() *messageStream { return &messageStream{to: c, skip: zmtpGreeting} }

// messageStream walks over the frames without keeping them.
type messageStream struct {
	to   *Counter
	skip uint64 // octets of the greeting or of a body still to come
	head []byte // of the next frame, incomplete
}

func (s *messageStream) write(b []byte) {
	for len(b) > 0 {
		if s.skip > 0 {
			n := min(s.skip, uint64(len(b)))
			s.skip -= n
			b = b[n:]
			continue
		}
		s.head, b = append(s.head, b[0]), b[1:]
		flags := s.head[0]
		switch {
		case flags&flagLong == 0 && len(s.head) == 2:
			s.skip = uint64(s.head[1])
		case flags&flagLong != 0 && len(s.head) == 9:
			s.skip = binary.BigEndian.Uint64(s.head[1:])
		default:
			continue
		}
		if flags&(flagMore|flagCommand) == 0 {
			s.to.messages.Add(1)
		}
		s.head = s.head[:0]
	}
}
