package transport

import (
	"errors"
	"syscall"

	zmq "github.com/pebbe/zmq4"
)

var (
	// ErrConfig reports a configuration that cannot work; the text names the field.
	ErrConfig = errors.New("transport configuration")
	// ErrContextBusy is returned by Context.Close while sockets of it are still open. Waiting for them inside
	// libzmq would hang without a word.
	ErrContextBusy = errors.New("zmq context still has open sockets")
	// ErrClosed is returned by calls on something that has been closed.
	ErrClosed = errors.New("transport closed")
	// ErrRunning is returned by a second Run.
	ErrRunning = errors.New("already running")
	// ErrTimeout is returned by RequestClient.Do when no reply came in time. The request may have been handled.
	ErrTimeout = errors.New("no reply in time")
	// ErrNotConnected accompanies ErrTimeout when there was no connection, so the request never left.
	ErrNotConnected = errors.New("not connected")
	// ErrDisconnected is returned by RequestClient.Do when the connection that carried the request ended: its
	// reply cannot come any more. The request may have been handled.
	ErrDisconnected = errors.New("connection lost before the reply")
	// ErrReplyFrames is returned by RequestClient.Do for a reply that is not exactly one body frame.
	ErrReplyFrames = errors.New("reply is not one frame")
	// ErrHandlersBusy is returned by RequestServer.Run when handlers ignored their cancelled context. Their
	// requests have been answered; the goroutines may still be running.
	ErrHandlersBusy = errors.New("handlers still running after shutdown")
)

// isAgain reports whether err means that a non-blocking call found nothing to do.
func isAgain(err error) bool { return zmq.AsErrno(err) == zmq.Errno(syscall.EAGAIN) }
