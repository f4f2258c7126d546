package relay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/saltern-io/saltern/internal/outbox"
	"github.com/saltern-io/saltern/internal/signin"
	"github.com/saltern-io/saltern/internal/wire"
)

// How long a tap tries to get from its master what it missed, while what comes waits; and when it asks after the link came
// up, beside the gaps that serials show: nothing may come that shows one.
const (
	fillTimeout = 10 * time.Second
	fillPause   = 500 * time.Millisecond
	fillEvery   = 30 * time.Second
)

var fillTimes = []time.Duration{300 * time.Millisecond, time.Second, 3 * time.Second, 10 * time.Second}

// served says whether the master keeps a journal for the tap.
type served uint8

const (
	servedUnknown served = iota
	servedYes
	servedNo
)

// tracker follows the serials of a tap that opens what it hears. It belongs to the goroutine of the tap.
//
//	serial as expected ─▶ into the buffer, with its place
//	serial jumps, or another key ─▶ a saltern master is asked; what it does not have becomes an entry that names the serials
//
// A time without the link is no gap in itself: the next serial tells exactly. Only behind another key, or when nothing opens,
// the tap says how long it was deaf.
type tracker struct {
	t      *Tap
	o      *opener
	at     mark // the last one in the buffer, kept on disk with it
	served served
	cut    time.Time // since when something may be missing; zero = nothing is
	closed uint64    // publications since at that did not open
	round  int       // of fillTimes

	recovered, gaps atomic.Int64 // publications
}

func (k *tracker) key() string { return "tap place " + k.t.cfg.Name }

func (k *tracker) load() error {
	value, ok, err := k.t.cfg.Store.Fact(k.key())
	if err == nil && ok {
		err = json.Unmarshal(value, &k.at)
	}
	if err != nil {
		return fmt.Errorf("place of tap %s: %w", k.t.cfg.Name, err)
	}
	return nil
}

// put buffers an entry together with the place that it takes the tap to.
func (k *tracker) put(e *Entry, to mark) {
	k.at, k.closed = to, 0
	value, err := json.Marshal(to)
	if err != nil {
		k.t.log.Error("Place of the tap not stored", "err", err)
		return
	}
	k.t.putWith(appendOpened(nil, e), outbox.Fact{Key: k.key(), Value: value})
}

func (k *tracker) gap(epoch string, from, to uint64) {
	k.gaps.Add(int64(to - from + 1))
	k.t.log.Warn("Publications missed between the master and the tap", "from", from, "to", to)
	k.put(&Entry{Time: k.t.now(), Epoch: epoch, GapFrom: from, GapTo: to}, mark{epoch, to})
}

// take takes a publication.
func (k *tracker) take(ctx context.Context, topic, frame []byte) {
	heard := k.t.now()
	m, err := k.o.open(ctx, frame)
	if err != nil || m.Serial == 0 {
		k.confess()
		k.closed++
		k.t.put(appendBuffered(nil, heard, topic, frame))
		return
	}
	if k.at.Epoch != "" && (m.Epoch != k.at.Epoch || m.Serial > k.at.Serial+1) {
		k.fill(ctx, &m)
	}
	if m.Epoch == k.at.Epoch && m.Serial <= k.at.Serial {
		return // the journal had it already
	}
	if k.at.Epoch == "" {
		k.confess() // of a life that opened nothing
	}
	k.cut = time.Time{}
	k.put(&Entry{Time: heard, Epoch: m.Epoch, Serial: m.Serial, Topic: topic, Frame: frame}, m)
}

// confess has the outlets told since when something may be missing, which no serial will tell.
func (k *tracker) confess() {
	if !k.cut.IsZero() {
		k.t.deaf.CompareAndSwap(0, k.cut.UnixMilli())
		k.cut = time.Time{}
		k.t.confess()
	}
}

// fill brings the tap to the place before a publication, nil for as far as the master is.
func (k *tracker) fill(ctx context.Context, before *mark) {
	deadline := k.t.now().Add(fillTimeout)
	for k.served != servedNo && k.at.Epoch != "" {
		more, err := k.ask(ctx)
		switch {
		case err == nil && more:
			continue
		case err == nil:
			k.cut = time.Time{}
		case errors.Is(err, wire.ErrNotServed), errors.Is(err, signin.ErrNotTaken):
			k.served = servedNo
		case before != nil && k.t.now().Before(deadline) && ctx.Err() == nil:
			k.t.log.Debug("Master does not answer what was missed, trying again", "err", err)
			sleep(ctx, fillPause)
			continue
		}
		break
	}
	if before == nil || k.at.Epoch == "" {
		return
	}
	first := uint64(1)
	if before.Epoch == k.at.Epoch {
		first = k.at.Serial + 1
	} else {
		k.confess() // nobody knows what was last under the former key
	}
	if missing := before.Serial - min(first, before.Serial); missing > k.closed {
		k.gap(before.Epoch, before.Serial-(missing-k.closed), before.Serial-1)
	}
}

// ask takes one answer of the master's journal.
func (k *tracker) ask(ctx context.Context) (more bool, err error) {
	r, err := k.o.missed(ctx, k.at)
	if err != nil {
		return false, err
	}
	k.served = servedYes
	if r.Trimmed { // nobody knows how many
		k.disconnected()
		k.confess()
	}
	for i := range r.Pubs {
		p := &r.Pubs[i]
		m := mark{p.Epoch, p.Serial}
		if m.Epoch == k.at.Epoch && m.Serial <= k.at.Serial {
			continue
		}
		if p.Frame == nil { // under a key that is over: no syndic opens it
			k.gap(p.Epoch, p.Serial, p.Serial)
			continue
		}
		age := time.Duration(max(r.Now-p.T, 0)) * time.Millisecond
		k.recovered.Add(1)
		k.put(&Entry{Time: k.t.now().Add(-age), Epoch: p.Epoch, Serial: p.Serial, Frame: p.Frame}, m)
	}
	// What is not there up to next never was.
	if !r.More && (r.Epoch != k.at.Epoch || r.Next > k.at.Serial+1) {
		k.move(mark{r.Epoch, r.Next - 1})
	}
	return r.More && len(r.Pubs) > 0, nil
}

// move notes that everything up to a place is in the buffer, or never was.
func (k *tracker) move(to mark) {
	k.at, k.closed = to, 0
	value, err := json.Marshal(to)
	if err != nil {
		k.t.log.Error("Place of the tap not stored", "err", err)
		return
	}
	k.t.cfg.Store.Commit(outbox.Unit{Facts: []outbox.Fact{{Key: k.key(), Value: value}}}, func([]outbox.Outcome) {}) // lost, it is asked for again
}

// connected takes that the link came up; it returns when to look first.
func (k *tracker) connected() time.Duration {
	k.served, k.round = servedUnknown, 0
	return fillTimes[0]
}

// disconnected takes that it went down.
func (k *tracker) disconnected() {
	if k.cut.IsZero() {
		k.cut = k.t.now()
	}
}

// look asks the master whether something is missing, and tells when to look again.
func (k *tracker) look(ctx context.Context) time.Duration {
	if k.o.creds == nil {
		if err := k.o.signIn(ctx); err != nil {
			k.t.log.Debug("Tap is not signed in", "err", err)
		}
	}
	k.fill(ctx, nil)
	if k.round++; k.round < len(fillTimes) {
		return fillTimes[k.round] - fillTimes[k.round-1]
	}
	return fillEvery
}
