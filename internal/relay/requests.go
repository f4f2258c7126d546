package relay

import (
	"bytes"
	"context"
	"encoding/binary"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/saltern-io/saltern/transport/zmtp"
)

// maxInFlight bounds requests that wait for the master's answer; maxHeldRequests, maxHeldBytes and holdRequests those that
// wait for the master.
const (
	maxInFlight     = 10_000
	maxHeldRequests = 1000
	maxHeldBytes    = 64 << 20
	holdRequests    = 30 * time.Second
)

// flight is one request under way.
type flight struct {
	from     *zmtp.Conn
	envelope [][]byte // frames up to and with the empty one
	body     [][]byte // what follows: sent again when the link is lost before the answer
	since    time.Time
}

func (f *flight) size() (n int) {
	for _, frame := range f.body {
		n += len(frame)
	}
	return n
}

// requests passes requests of a syndic on to the master of masters and the answers back. It opens neither, but looks whether a request
// is a sign-in, which is in clear. What the master
// did not get, or did not answer before the link was lost, waits for the next link, for holdRequests; the syndic may
// have given up and repeat it, as over any line. It gets no answer meanwhile: a stock syndic that hears "bad load", as
// from a master with another key, forgets its keys, opens no publication until it has signed in, and gives up for good
// when it hears that to its sign-in as well (seen with 3008).
type requests struct {
	endpoint string
	cfg      zmtp.Config
	log      *slog.Logger
	came     *newcomers // hears of sign-ins
	link     linkMark
	passed   atomic.Int64
	dropped  atomic.Int64 // not passed on: they found no room, or waited too long

	mu     sync.Mutex
	up     *zmtp.Conn // nil while there is no link
	next   uint64
	flying map[uint64]flight
	held   []flight // waiting for the link
}

func newRequests(endpoint string, cfg zmtp.Config, came *newcomers, log *slog.Logger) *requests {
	r := &requests{endpoint: endpoint, cfg: cfg, log: log, came: came, flying: map[uint64]flight{}}
	r.cfg.Role, r.cfg.Handler = zmtp.RoleDealer, answers{r}
	return r
}

// Opened implements zmtp.Handler for the syndic's side.
func (r *requests) Opened(*zmtp.Conn) error { return nil }

// Subscribed implements zmtp.Handler.
func (r *requests) Subscribed(*zmtp.Conn, []byte, bool) error { return nil }

// Closed implements zmtp.Handler: answers for this peer go nowhere.
func (r *requests) Closed(c *zmtp.Conn, _ error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, f := range r.flying {
		if f.from == c {
			delete(r.flying, id)
		}
	}
	r.held = slices.DeleteFunc(r.held, func(f flight) bool { return f.from == c })
}

// Message implements zmtp.Handler: one request.
func (r *requests) Message(c *zmtp.Conn, frames [][]byte) {
	at := 0
	for at < len(frames) && len(frames[at]) > 0 {
		at++
	}
	if at >= len(frames)-1 {
		return // without an empty frame there is no way to answer
	}
	r.came.saw(frames[at+1], time.Now())
	r.pass(flight{from: c, envelope: frames[:at+1], body: frames[at+1:], since: time.Now()})
}

// pass sends a request on, or deals with it as far as that goes without the master.
func (r *requests) pass(f flight) {
	r.mu.Lock()
	up := r.up
	full := len(r.flying) >= maxInFlight
	r.next++
	id := r.next
	if up != nil && !full {
		r.flying[id] = f
	}
	r.mu.Unlock()
	switch {
	case full:
		r.dropped.Add(1) // no answer: it comes again
		return
	case up == nil:
		r.unsent(f, nil)
		return
	}
	out := append([][]byte{binary.BigEndian.AppendUint64(nil, id), {}}, f.body...)
	if err := up.Send(out); err != nil {
		if lost, ok := r.land(id); ok {
			r.unsent(lost, up)
		}
		return
	}
	r.passed.Add(1)
}

// unsent keeps a request that the master did not get, or whose answer is lost. A peer that asks again in the same envelope
// has given the former request up. What finds no room goes without an answer, and is counted.
// failed is the link that was tried, nil for none.
func (r *requests) unsent(f flight, failed *zmtp.Conn) {
	r.mu.Lock()
	if r.up != nil && r.up != failed { // there is another one by now
		r.mu.Unlock()
		r.pass(f)
		return
	}
	defer r.mu.Unlock()
	r.held = slices.DeleteFunc(r.held, func(h flight) bool {
		return h.from == f.from && slices.EqualFunc(h.envelope, f.envelope, bytes.Equal)
	})
	size := f.size()
	for i := range r.held {
		size += r.held[i].size()
	}
	if len(r.held) >= maxHeldRequests || size > maxHeldBytes {
		r.dropped.Add(1)
		return
	}
	r.held = append(r.held, f)
}

// land takes a request out of the air.
func (r *requests) land(id uint64) (flight, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f, ok := r.flying[id]
	delete(r.flying, id)
	return f, ok
}

func (f flight) answer(body [][]byte) {
	frames := append(append([][]byte{}, f.envelope...), body...)
	if err := f.from.Send(frames); err != nil {
		f.from.CloseWith(err)
	}
}

// answers is the handler of the master's side.
type answers struct{ r *requests }

func (a answers) Opened(*zmtp.Conn) error                   { return nil }
func (a answers) Subscribed(*zmtp.Conn, []byte, bool) error { return nil }
func (a answers) Closed(*zmtp.Conn, error)                  {}

func (a answers) Message(_ *zmtp.Conn, frames [][]byte) {
	if len(frames) < 3 || len(frames[0]) != 8 || len(frames[1]) != 0 {
		return
	}
	if f, ok := a.r.land(binary.BigEndian.Uint64(frames[0])); ok {
		f.answer(frames[2:])
	}
}

// run keeps the link to the master until ctx ends.
func (r *requests) run(ctx context.Context) {
	pause := retryMin
	for ctx.Err() == nil {
		up, err := zmtp.Dial(ctx, r.endpoint, r.cfg)
		if err != nil {
			if r.link.set(false, err.Error()) && ctx.Err() == nil {
				r.log.Warn("Request port of the master of masters not reached", "err", err)
			}
			sleep(ctx, pause)
			pause = min(2*pause, 2*time.Second)
			continue
		}
		pause = retryMin
		if r.link.set(true, "") {
			r.log.Info("Requests are passed on to the master of masters")
		}
		r.mu.Lock()
		r.up = up
		held := r.held
		r.held = nil
		r.mu.Unlock()
		for _, f := range held {
			if time.Since(f.since) > holdRequests {
				r.dropped.Add(1)
				continue
			}
			r.pass(f)
		}
		select {
		case <-ctx.Done():
			up.Close()
		case <-up.Done():
		}
		<-up.Done()
		r.link.set(false, "disconnected")
		r.mu.Lock()
		r.up = nil
		lost := r.flying
		r.flying = map[uint64]flight{}
		r.mu.Unlock()
		for _, f := range lost {
			r.unsent(f, up)
		}
	}
}
