package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"

	"github.com/saltern-io/saltern/internal/demo"
	"github.com/saltern-io/saltern/internal/event"
)

// tally counts the returns that a master of masters has fired, by job. A publication that fell into the last cut is found
// only after a while, with nothing waiting anywhere meanwhile: that the queues are empty does not say that all is through.
type tally struct {
	bus  *event.Reader
	done chan struct{}

	mu   sync.Mutex
	jobs map[string]int
	err  error
}

// newTally reads the bus of m until the tally is closed or the bus ends.
func newTally(ctx context.Context, m *demo.Master) (*tally, error) {
	bus, err := event.Dial(ctx, filepath.Join(m.SockDir(), event.PubSocket))
	if err != nil {
		return nil, fmt.Errorf("event bus of %s: %w", m.Name, err)
	}
	t := &tally{bus: bus, done: make(chan struct{}), jobs: map[string]int{}}
	go t.read(context.WithoutCancel(ctx))
	return t, nil
}

func (t *tally) read(ctx context.Context) {
	defer close(t.done)
	for {
		e, err := t.bus.Next(ctx)
		t.mu.Lock()
		if err != nil {
			t.err = err
			t.mu.Unlock()
			return
		}
		if jid, ok := returnOf(e.Tag); ok {
			t.jobs[jid]++
		}
		t.mu.Unlock()
	}
}

// returnOf is the job of an event salt/job/<jid>/ret/<id>.
func returnOf(tag string) (jid string, ok bool) {
	rest, ok := strings.CutPrefix(tag, "salt/job/")
	if !ok {
		return "", false
	}
	jid, rest, _ = strings.Cut(rest, "/")
	return jid, strings.HasPrefix(rest, "ret/")
}

// short is how many of the jobs have fewer returns than each. A bus that was lost makes it an error.
func (t *tally) short(jobs []string, each int) (n int, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, jid := range jobs {
		if t.jobs[jid] < each {
			n++
		}
	}
	return n, t.err
}

func (t *tally) close() error {
	err := t.bus.Close()
	<-t.done
	return err
}
