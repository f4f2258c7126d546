package transport

import (
	zmq "github.com/pebbe/zmq4"
)

// sendReplies hands a batch to libzmq and keeps its memory for the next one.
func (s *RequestServer) sendReplies(batch []*Request) {
	for i, r := range batch {
		s.unanswered.remove(r)
		s.send(r.envelope, r.reply)
		batch[i] = nil
	}
	if batch != nil {
		s.spare = batch[:0]
	}
}

// answer replies to a request that was never given to a worker.
func (s *RequestServer) answer(r *Request, body []byte) { s.send(r.envelope, body) }

// send writes one reply. It does not wait: a peer whose own queue is full, or that has gone, loses the reply and
// is counted. Only the first frame can fail for these reasons; libzmq then takes the rest as one message.
func (s *RequestServer) send(envelope [][]byte, body []byte) {
	for i, frame := range envelope {
		if _, err := s.router.SendBytes(frame, zmq.SNDMORE|zmq.DONTWAIT); err != nil {
			s.sendFailed(i, err)
			return
		}
	}
	if _, err := s.router.SendBytes(body, zmq.DONTWAIT); err != nil {
		s.sendFailed(len(envelope), err)
		return
	}
	s.count.sent.Add(1)
}

func (s *RequestServer) sendFailed(frame int, err error) {
	switch {
	case zmq.AsErrno(err) == zmq.EHOSTUNREACH:
		s.count.peerGone.Add(1)
	case isAgain(err):
		s.count.peerFull.Add(1)
	default:
		s.count.sendErrors.Add(1)
		s.rare.warn("Reply not sent", "frame", frame, "err", err)
	}
}
