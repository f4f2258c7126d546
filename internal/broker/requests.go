package broker

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/saltern-io/saltern/internal/wire"
)

// sender is a connection as this package uses it: *zmtp.Conn, or a test's.
type sender interface {
	Send(frames [][]byte) error
	Close()
}

// uplink is the request connection to the master in use. Its replies come in through requests.reply.
type uplink struct{ to sender }

// requester is one connection of a minion, syndic or command.
type requester struct {
	conn    sender
	id      []byte // routing frame towards the master
	flights []*flight
	closed  bool
	less    chan struct{} // closed when a flight ends, while somebody waits for that; else nil
}

// requests forwards requests up and replies down (spec: relay-and-broker §2, transport §2.1).
//
//	minion ──["", body]──► requester ──[id, "", body]──► uplink ──► master
//	minion ◄─["", body]─── requester ◄─[id, "", body]─── uplink ◄── master
//
// A requester's own goroutine carries its request as far as the uplink's queue; while there is no room, no link or
// too much of its own in flight, it waits there and nothing more is read of that connection.
type requests struct {
	limits   requestLimits
	contacts *contacts
	now      func() time.Time

	mu      sync.Mutex
	room    room
	flying  flightList
	peers   map[uint64]*requester
	nextID  uint64
	link    *uplink       // nil while there is none
	linked  chan struct{} // closed when link is set
	closing bool          // draining: what comes is answered, not forwarded

	waiting atomic.Int64 // requests that wait for room or a link
	count   requestCounts
}

// requestLimits are the bounds; hold and forget may change while running.
type requestLimits struct {
	flights      int
	bytes        int64
	perPeer      int
	hold, forget atomic.Int64 // nanoseconds
}

// requestCounts are the counters: received = replied + refused + orphaned + forgotten + in flight + waiting.
type requestCounts struct {
	received  atomic.Int64 // requests that can be answered
	forwarded atomic.Int64 // of them: sent to a master
	replied   atomic.Int64 // answered by the master
	refused   atomic.Int64 // answered "bad load" by the broker
	orphaned  atomic.Int64 // the connection was gone before an answer
	forgotten atomic.Int64 // no answer for saltern_request_forget
	late      atomic.Int64 // replies to what was forgotten
	stray     atomic.Int64 // replies to a connection that is gone
	unread    atomic.Int64 // replies that the connection did not take
	malformed atomic.Int64 // without a delimiter
}

// errNoWay ends the handling of a request whose connection or broker is going away.
var errNoWay = errors.New("connection is closed")

func newRequests(flights int, bytes int64, perPeer int, contacts *contacts) *requests {
	return &requests{
		limits:   requestLimits{flights: flights, bytes: bytes, perPeer: perPeer},
		contacts: contacts,
		now:      time.Now,
		room:     room{most: flights, mostBytes: bytes},
		peers:    map[uint64]*requester{},
		linked:   make(chan struct{}),
	}
}

// routingBytes is the length of the frame that names a requester to the master: a zero as libzmq has it, and a number
// that no other requester of this process has.
const routingBytes = 9

// opened registers a connection.
func (r *requests) opened(conn sender) *requester {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.nextID++
	p := &requester{conn: conn, id: binary.BigEndian.AppendUint64(make([]byte, 1, routingBytes), r.nextID)}
	r.peers[r.nextID] = p
	return p
}

// closed forgets a connection and what it has in flight.
func (r *requests) closed(p *requester) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p.closed = true
	delete(r.peers, binary.BigEndian.Uint64(p.id[1:]))
	r.count.orphaned.Add(int64(len(p.flights)))
	for len(p.flights) > 0 {
		r.landed(p.flights[0])
	}
}

// landed takes a flight out of every list. The caller holds the lock.
func (r *requests) landed(f *flight) {
	p := f.from
	for i, other := range p.flights {
		if other == f {
			copy(p.flights[i:], p.flights[i+1:])
			p.flights[len(p.flights)-1] = nil
			p.flights = p.flights[:len(p.flights)-1]
			break
		}
	}
	r.flying.remove(f)
	r.room.give(f.bytes)
	if p.less != nil {
		close(p.less)
		p.less = nil
	}
}

// request forwards what a requester sent. It blocks while there is no room or no link, for the latter at most as long
// as a request is held; it returns when the request is on its way or answered.
func (r *requests) request(ctx context.Context, p *requester, frames [][]byte) {
	body := delimiter(frames) + 1
	if body == 0 {
		r.count.malformed.Add(1)
		return
	}
	if body < len(frames) {
		if id := minionIn(frames[body]); id != nil {
			r.contacts.heard(id, r.now())
		}
	}
	r.count.received.Add(1)
	f := &flight{from: p}
	for _, frame := range frames {
		f.bytes += int64(len(frame))
	}
	if body > 1 {
		f.envelope = frames[:body:body]
	}
	r.waiting.Add(1)
	err := r.depart(ctx, f, append([][]byte{p.id}, frames...))
	r.waiting.Add(-1)
	if err == nil {
		return
	}
	if errors.Is(err, errNoWay) {
		r.count.orphaned.Add(1)
		return
	}
	r.count.refused.Add(1)
	r.refuse(f)
}

// delimiter finds the first empty frame, -1 when there is none.
func delimiter(frames [][]byte) int {
	for i, frame := range frames {
		if len(frame) == 0 {
			return i
		}
	}
	return -1
}

// depart waits for room and a link and sends. An error says that the request is not on its way.
func (r *requests) depart(ctx context.Context, f *flight, frames [][]byte) error {
	if err := r.takeRoom(ctx, f); err != nil {
		return err
	}
	var held *time.Timer
	defer func() {
		if held != nil {
			held.Stop()
		}
	}()
	for {
		link, linked, err := r.launch(f)
		if err != nil {
			return err
		}
		if link != nil {
			err := link.to.Send(frames)
			if err == nil {
				r.count.forwarded.Add(1)
				return nil
			}
			if !r.recall(f) {
				return nil // the link was lost, and this request answered with all the others
			}
		}
		if held == nil {
			held = time.NewTimer(time.Duration(r.limits.hold.Load()))
		}
		if link != nil {
			// Its queue is full, or it is about to be replaced: look again shortly.
			select {
			case <-time.After(retrySend):
				continue
			case <-held.C:
			case <-ctx.Done():
			}
		} else {
			select {
			case <-linked:
				continue
			case <-held.C:
			case <-ctx.Done():
			}
		}
		r.mu.Lock()
		r.room.give(f.bytes)
		r.mu.Unlock()
		return fmt.Errorf("no master took it within %v", time.Duration(r.limits.hold.Load()))
	}
}

// retrySend is the pause after a connection did not take a request, before its loss was noticed.
const retrySend = 10 * time.Millisecond

// takeRoom waits until the requester and the broker have room for one flight more.
func (r *requests) takeRoom(ctx context.Context, f *flight) error {
	p := f.from
	r.mu.Lock()
	for len(p.flights) >= r.limits.perPeer && !p.closed && !r.closing {
		if p.less == nil {
			p.less = make(chan struct{})
		}
		less := p.less
		r.mu.Unlock()
		select {
		case <-less:
		case <-ctx.Done():
			return ctx.Err()
		}
		r.mu.Lock()
	}
	if p.closed {
		r.mu.Unlock()
		return errNoWay
	}
	w := r.room.take(f.bytes)
	r.mu.Unlock()
	if w == nil {
		return nil
	}
	select {
	case <-w.granted:
		return nil
	case <-ctx.Done():
		r.mu.Lock()
		r.room.leave(w)
		r.mu.Unlock()
		return ctx.Err()
	}
}

// launch puts a flight on the list before it is sent, so that a loss of the link in between answers it. Without a
// link it returns what to wait for. After an error the room is given back.
func (r *requests) launch(f *flight) (*uplink, <-chan struct{}, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case f.from.closed:
		r.room.give(f.bytes)
		return nil, nil, errNoWay
	case r.closing:
		r.room.give(f.bytes)
		return nil, nil, errors.New("the broker is stopping")
	case r.link == nil:
		return nil, r.linked, nil
	}
	f.via, f.at = r.link, r.now()
	f.from.flights = append(f.from.flights, f)
	r.flying.push(f)
	return r.link, nil, nil
}

// recall takes a flight that was not sent off the list, keeping its room; false when it was answered meanwhile.
func (r *requests) recall(f *flight) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, other := range f.from.flights {
		if other == f {
			r.room.taken++ // landed gives it back
			r.room.takenBytes += f.bytes
			r.landed(f)
			return true
		}
	}
	return false
}

// reply routes a master's answer to where its request came from.
func (r *requests) reply(frames [][]byte) {
	if len(frames) < 2 || len(frames[0]) != routingBytes {
		r.count.stray.Add(1)
		return
	}
	r.mu.Lock()
	p := r.peers[binary.BigEndian.Uint64(frames[0][1:])]
	known := p != nil && len(p.flights) > 0
	if known {
		r.landed(p.flights[0])
	}
	r.mu.Unlock()
	switch {
	case p == nil:
		r.count.stray.Add(1)
		return
	case known:
		r.count.replied.Add(1)
	default:
		r.count.late.Add(1)
	}
	if err := p.conn.Send(frames[1:]); err != nil {
		// A connection that asks and does not read its answers is of no use to anybody.
		r.count.unread.Add(1)
		p.conn.Close()
	}
}

// refuse answers a request as a master does that cannot read it: the minion signs in again and repeats it, at a
// master that is there (spec: transport §2.7). Without an answer an older minion would wait for ever (§2.3).
func (r *requests) refuse(f *flight) {
	frames := [][]byte{{}, wire.BadLoad}
	if f.envelope != nil {
		frames = append(append(make([][]byte, 0, len(f.envelope)+1), f.envelope...), wire.BadLoad)
	}
	if err := f.from.conn.Send(frames); err != nil {
		r.count.unread.Add(1)
		f.from.conn.Close()
	}
}

// up makes a link the one that requests go to.
func (r *requests) up(link *uplink) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.link = link
	close(r.linked)
	r.linked = make(chan struct{})
}

// down ends the use of a link and answers what is in flight on it; n is how many that were.
func (r *requests) down(link *uplink) (n int) {
	r.mu.Lock()
	if r.link == link {
		r.link = nil
	}
	var lost []*flight
	for f := r.flying.first; f != nil; {
		next := f.next
		if f.via == link {
			r.landed(f)
			lost = append(lost, f)
		}
		f = next
	}
	r.mu.Unlock()
	r.count.refused.Add(int64(len(lost)))
	for _, f := range lost {
		r.refuse(f)
	}
	return len(lost)
}

// forget takes requests off the list that were not answered for long. They are not answered here: the real answer
// may still come and must not be taken for that of a later request.
func (r *requests) forget() (n int) {
	before := r.now().Add(-time.Duration(r.limits.forget.Load()))
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.flying.first != nil && r.flying.first.at.Before(before) {
		r.landed(r.flying.first)
		n++
	}
	r.count.forgotten.Add(int64(n))
	return n
}

// stop begins the drain: what comes from now on is answered here. What waits for a link is, too.
func (r *requests) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closing {
		return
	}
	r.closing = true
	close(r.linked)
	r.linked = make(chan struct{})
	for _, p := range r.peers {
		if p.less != nil {
			close(p.less)
			p.less = nil
		}
	}
}

// inFlight is what was sent and not answered: how many, their bytes, and since when the oldest waits.
func (r *requests) inFlight() (n int, bytes int64, oldest time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.flying.first != nil {
		oldest = r.flying.first.at
	}
	return r.flying.n, r.flying.bytes, oldest
}
