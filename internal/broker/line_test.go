package broker

import (
	"net"
	"strconv"
	"sync"
	"testing"
)

// line is a TCP connection in between that can be frozen: it stays open and passes nothing on.
type line struct {
	port   int
	target string

	mu      sync.Mutex
	cond    sync.Cond
	frozen  bool
	refuses bool
	closed  bool
	conns   []net.Conn
}

func newLine(t *testing.T, target int) *line {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &line{port: portOf(t, ln.Addr().String()), target: net.JoinHostPort("127.0.0.1", strconv.Itoa(target))}
	l.cond.L = &l.mu
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			l.mu.Lock()
			refuses := l.refuses || l.closed
			l.mu.Unlock()
			up, err := net.Dial("tcp", l.target)
			if err != nil || refuses {
				_ = c.Close()
				if err == nil {
					_ = up.Close()
				}
				continue
			}
			l.mu.Lock()
			l.conns = append(l.conns, c, up)
			l.mu.Unlock()
			wg.Go(func() { l.copy(c, up) })
			wg.Go(func() { l.copy(up, c) })
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		l.mu.Lock()
		l.closed = true
		for _, c := range l.conns {
			_ = c.Close()
		}
		l.cond.Broadcast()
		l.mu.Unlock()
		wg.Wait()
	})
	return l
}

func (l *line) copy(dst, src net.Conn) {
	defer dst.Close()
	defer src.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := src.Read(buf)
		if err != nil {
			return
		}
		l.mu.Lock()
		for l.frozen && !l.closed {
			l.cond.Wait()
		}
		l.mu.Unlock()
		if _, err := dst.Write(buf[:n]); err != nil {
			return
		}
	}
}

// freeze swallows everything from now on, new connections included.
func (l *line) freeze() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.frozen = true
}

// refuse closes new connections at once.
func (l *line) refuse(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refuses = on
}
