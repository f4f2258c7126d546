package zmtp

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	loopback = "tcp://127.0.0.1:*"
	patience = 20 * time.Second
)

// eventually polls a condition.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("not reached: %s", what)
		}
		time.Sleep(time.Millisecond) // the poll's own pause
	}
}

func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	t.Cleanup(cancel)
	return ctx
}

// recorder is a Handler that keeps what it gets. Fields that are functions replace its behaviour.
type recorder struct {
	mu     sync.Mutex
	opened []*Conn
	topics []string // "+topic" and "-topic"
	ends   []error

	messages chan [][]byte
	message  func(c *Conn, frames [][]byte)
	open     func(c *Conn) error
}

func newRecorder() *recorder { return &recorder{messages: make(chan [][]byte, 10000)} }

func (r *recorder) Opened(c *Conn) error {
	if r.open != nil {
		if err := r.open(c); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.opened = append(r.opened, c)
	return nil
}

func (r *recorder) Message(c *Conn, frames [][]byte) {
	if r.message != nil {
		r.message(c, frames)
		return
	}
	r.messages <- frames
}

func (r *recorder) Subscribed(_ *Conn, topic []byte, on bool) error {
	sign := "-"
	if on {
		sign = "+"
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.topics = append(r.topics, sign+string(topic))
	return nil
}

func (r *recorder) Closed(_ *Conn, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ends = append(r.ends, err)
}

// conn waits for the nth connection.
func (r *recorder) conn(t testing.TB, n int) (c *Conn) {
	t.Helper()
	eventually(t, "connection opened", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.opened) <= n {
			return false
		}
		c = r.opened[n]
		return true
	})
	return c
}

// end waits for the nth end and returns its reason.
func (r *recorder) end(t testing.TB, n int) (err error) {
	t.Helper()
	eventually(t, "connection ended", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.ends) <= n {
			return false
		}
		err = r.ends[n]
		return true
	})
	return err
}

func (r *recorder) next(t testing.TB) string {
	t.Helper()
	select {
	case frames := <-r.messages:
		return fmt.Sprintf("%q", frames)
	case <-time.After(patience):
		t.Fatal("no message")
		return ""
	}
}

// topicList waits until n changes of subscriptions have come.
func (r *recorder) topicList(t testing.TB, n int) (topics []string) {
	t.Helper()
	eventually(t, "subscriptions", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		topics = append([]string(nil), r.topics...)
		return len(topics) >= n
	})
	return topics
}

func listen(t testing.TB, cfg Config) *Listener {
	t.Helper()
	l, err := Listen(loopback, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func dial(t testing.TB, l *Listener, cfg Config) *Conn {
	t.Helper()
	c, err := Dial(testContext(t), l.Addr(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		<-c.Done()
	})
	return c
}

// echo sends every message back.
func echo(c *Conn, frames [][]byte) {
	if err := c.Send(frames); err != nil && !errors.Is(err, ErrClosed) {
		panic(err)
	}
}
