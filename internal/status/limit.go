package status

import (
	"net"
	"sync"
)

// limited bounds how many connections are open at once. Further ones wait in the kernel's queue until one
// ends, which the server's timeouts see to.
type limited struct {
	net.Listener
	room chan struct{}
	done chan struct{}
	once sync.Once
}

func limit(ln net.Listener, most int) *limited {
	return &limited{Listener: ln, room: make(chan struct{}, most), done: make(chan struct{})}
}

// Accept waits for room first, then for a connection.
func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.room <- struct{}{}:
	case <-l.done:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.room
		return nil, err
	}
	return &counted{Conn: c, leave: sync.OnceFunc(func() { <-l.room })}, nil
}

// Close stops listening and ends an Accept that waits for room.
func (l *limited) Close() error {
	l.once.Do(func() { close(l.done) })
	return l.Listener.Close()
}

// counted gives its room back when it is closed.
type counted struct {
	net.Conn
	leave func()
}

// Close closes the connection.
func (c *counted) Close() error {
	err := c.Conn.Close()
	c.leave()
	return err
}
