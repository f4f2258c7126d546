package transport

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	zmq "github.com/pebbe/zmq4"
)

// waker wakes a goroutine that sleeps in a ZeroMQ poll.
//
// wake may be called from anywhere. Only the caller that turns the flag on tells the sender goroutine, which
// owns the PUSH end and sends one byte; so at most one byte is ever under way. The sleeping owner adds pull to
// its poll set and calls clear before it looks at its queues: a wake that comes after clear sends a new byte.
type waker struct {
	zctx *Context
	pull *zmq.Socket // belongs to the woken owner
	push *zmq.Socket // belongs to send
	flag atomic.Bool
	kick chan struct{}
	quit chan struct{}
	once sync.Once
	done chan struct{}
}

func newWaker(zctx *Context) (*waker, error) {
	w := &waker{zctx: zctx, kick: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{})}
	if err := w.open(); err != nil {
		_ = zctx.release(w.pull)
		_ = zctx.release(w.push)
		return nil, fmt.Errorf("open wake-up sockets: %w", err)
	}
	go w.send()
	return w, nil
}

func (w *waker) open() (err error) {
	name := w.zctx.inprocName("wake")
	if w.pull, err = w.zctx.socket(zmq.PULL); err != nil {
		return err
	}
	if err = w.pull.SetLinger(0); err != nil {
		return err
	}
	if err = w.pull.Bind(name); err != nil {
		return err
	}
	if w.push, err = w.zctx.socket(zmq.PUSH); err != nil {
		return err
	}
	if err = w.push.SetLinger(0); err != nil {
		return err
	}
	// One byte is under way at most, so this never waits; the limit is for a broken invariant.
	if err = w.push.SetSndtimeo(time.Second); err != nil {
		return err
	}
	return w.push.Connect(name)
}

// wake makes the owner's poll return soon.
func (w *waker) wake() {
	if w.flag.CompareAndSwap(false, true) {
		select {
		case w.kick <- struct{}{}:
		default: // a kick is waiting already
		}
	}
}

// clear is called by the owner when pull is readable, before it looks at its queues.
func (w *waker) clear() error {
	for {
		if _, err := w.pull.RecvBytes(zmq.DONTWAIT); err != nil {
			if isAgain(err) {
				break
			}
			return fmt.Errorf("read wake-up: %w", err)
		}
	}
	w.flag.Store(false)
	return nil
}

// send owns the PUSH end until close.
func (w *waker) send() {
	defer close(w.done)
	for {
		select {
		case <-w.quit:
			return
		case <-w.kick:
			if _, err := w.push.SendBytes([]byte{1}, 0); err != nil {
				w.flag.Store(false) // let the next wake try again
			}
		}
	}
}

// close ends the sender and closes both sockets. The owner must have left its poll. Later wakes do nothing.
func (w *waker) close() error {
	var err error
	w.once.Do(func() {
		close(w.quit)
		<-w.done
		err = w.zctx.release(w.push)
		if e := w.zctx.release(w.pull); err == nil {
			err = e
		}
	})
	return err
}
