package transport

import (
	"fmt"
	"sync/atomic"
	"time"

	zmq "github.com/pebbe/zmq4"
)

const handshakeFailures = zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL |
	zmq.EVENT_HANDSHAKE_FAILED_AUTH

// monitorTick is how often a quiet monitor looks whether its socket has gone, in case the last event got lost.
const monitorTick = time.Second

// monitor reports what happens to the connections of one socket.
//
// libzmq's I/O thread waits when nobody reads the events, and with it all traffic of the daemon. So a goroutine
// of its own reads them, and the function it calls must never block.
type monitor struct {
	zctx    *Context
	pair    *zmq.Socket
	stopped atomic.Bool
	done    chan error
}

// newMonitor starts to watch s. Call it from the goroutine that owns s, before it binds or connects. handle runs
// on the monitor's goroutine. After s is closed, call wait.
func newMonitor(zctx *Context, s *zmq.Socket, events zmq.Event, handle func(zmq.Event, string, int)) (*monitor, error) {
	name := zctx.inprocName("monitor")
	if err := s.Monitor(name, events|zmq.EVENT_MONITOR_STOPPED); err != nil {
		return nil, fmt.Errorf("monitor socket: %w", err)
	}
	pair, err := zctx.socket(zmq.PAIR)
	if err != nil {
		return nil, err
	}
	for _, err := range []error{pair.SetLinger(0), pair.SetRcvtimeo(monitorTick), pair.Connect(name)} {
		if err != nil {
			_ = zctx.release(pair)
			return nil, fmt.Errorf("connect monitor: %w", err)
		}
	}
	m := &monitor{zctx: zctx, pair: pair, done: make(chan error, 1)}
	go func() { m.done <- m.run(handle) }()
	return m, nil
}

func (m *monitor) run(handle func(zmq.Event, string, int)) error {
	defer func() { _ = m.zctx.release(m.pair) }() // nothing is lost: it only receives
	for {
		event, addr, value, err := m.pair.RecvEvent(0)
		switch {
		case err == nil && event == zmq.EVENT_MONITOR_STOPPED:
			return nil
		case err == nil:
			handle(event, addr, value)
		case isAgain(err):
			if m.stopped.Load() {
				return nil
			}
		case zmq.AsErrno(err) == zmq.ETERM:
			return nil
		default:
			return fmt.Errorf("read monitor: %w", err)
		}
	}
}

// wait returns when the events of a closed socket have been read.
func (m *monitor) wait() error {
	m.stopped.Store(true)
	return <-m.done
}
