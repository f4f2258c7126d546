package relay

import (
	"context"
	"encoding/binary"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/transport/zmtp"
)

// maxInFlight bounds requests that wait for the master's answer, maxSignIns those that wait for the master.
const (
	maxInFlight = 10_000
	maxSignIns  = 100
)

// flight is one request under way.
type flight struct {
	from     *zmtp.Conn
	envelope [][]byte // frames up to and with the empty one
	signIn   [][]byte // the request itself when it is a sign-in, to be sent again
}

// requests passes requests of a syndic on to the master of masters and the answers back. It opens neither. What cannot be
// answered any more, because the master is not there, is answered "bad load", as a master does with what it cannot read:
// the syndic signs in again and repeats it. The sign-in, which is not encrypted, waits for the master: a stock syndic that
// hears "bad load" to that gives up for good (seen with 3008).
type requests struct {
	endpoint string
	cfg      zmtp.Config
	log      *slog.Logger
	link     linkMark
	passed   atomic.Int64

	mu     sync.Mutex
	up     *zmtp.Conn // nil while there is no link
	next   uint64
	flying map[uint64]flight
	held   []flight // sign-ins that wait for the link
}

func newRequests(endpoint string, cfg zmtp.Config, log *slog.Logger) *requests {
	r := &requests{endpoint: endpoint, cfg: cfg, log: log, flying: map[uint64]flight{}}
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

// isSignIn reports whether a request is not encrypted: of a syndic only sign-ins are not.
func isSignIn(body [][]byte) bool {
	if len(body) != 1 || wire.Check(body[0], wire.OuterLimits) != nil || !wire.IsMap(body[0]) {
		return false
	}
	enc, ok := wire.Field(body[0], "enc")
	if !ok {
		return false
	}
	text, _ := wire.Str(enc)
	return text == wire.EncClear
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
	f := flight{from: c, envelope: frames[:at+1]}
	if isSignIn(frames[at+1:]) {
		f.signIn = frames[at+1:]
	}
	r.pass(f, frames[at+1:])
}

// pass sends a request on, or deals with it as far as that goes without the master.
func (r *requests) pass(f flight, body [][]byte) {
	r.mu.Lock()
	up := r.up
	full := len(r.flying) >= maxInFlight
	r.next++
	id := r.next
	if up != nil && !full {
		r.flying[id] = f
	}
	r.mu.Unlock()
	if up == nil || full {
		r.unsent(f)
		return
	}
	out := append([][]byte{binary.BigEndian.AppendUint64(nil, id), {}}, body...)
	if err := up.Send(out); err != nil {
		if lost, ok := r.land(id); ok {
			r.unsent(lost)
		}
		return
	}
	r.passed.Add(1)
}

// unsent deals with a request that the master did not get, or whose answer is lost.
func (r *requests) unsent(f flight) {
	if f.signIn == nil {
		f.answer([][]byte{wire.BadLoad})
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.held) < maxSignIns { // else it goes without an answer, and comes again
		r.held = append(r.held, f)
	}
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
			r.pass(f, f.signIn)
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
			r.unsent(f)
		}
	}
}
