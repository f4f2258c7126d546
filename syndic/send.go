package syndic

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/saltern-io/saltern/internal/signin"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/transport"
)

const (
	// urgentLinger is how long items that somebody waits for are collected, so that returns which
	// come together go up together. Others wait syndic_event_forward_timeout.
	urgentLinger = 5 * time.Millisecond
	// maxRefusals is how often an upstream may refuse one single item before the item is given up: it
	// must not hold up everything behind it for ever.
	maxRefusals = 8
	// largeBatch is from where a lost connection may be the batch's own fault (frame limits).
	largeBatch = 1 << 20
)

// sendBatches sends what waits, one request at a time, and forgets a batch when the upstream
// acknowledged it. While a request is under way the next batch gathers by itself.
func (u *Upstream) sendBatches(ctx context.Context) error {
	wait := newBackoff(u.retryMin, u.retryMax)
	pace, refusals, unsure := newPace(), 0, doubt{}
	u.box.forget() // the life of the link before may have left a batch behind
	for {
		if !u.awaitWork(ctx) {
			return nil
		}
		if u.startDue() {
			if err := u.sayStart(ctx); signin.IsVerdict(err) {
				return err
			}
		}
		if again, err := u.settleDoubt(ctx, &unsure); signin.IsVerdict(err) {
			return err
		} else if again {
			if !u.clock.sleep(ctx, wait.delay(), u.revived) {
				return nil
			}
			continue
		}
		b, err := u.box.take(pace.limit)
		if err != nil {
			u.limited.Log(ctx, slog.LevelError, "Outbox not readable", "upstream", u.to.Entry, "err", err)
			if !u.clock.sleep(ctx, u.retryMax, nil) {
				return nil
			}
			continue
		}
		if b.items == 0 {
			if u.box.picked > 0 { // all of it is known to have arrived
				u.removed(u.box.ack())
			}
			continue
		}
		begun := time.Now()
		err = u.request(ctx, func(p wire.Proof) ([]byte, error) { return b.load(u.ident.ID, p) })
		u.forwarded.Add(int64(b.items))
		if err != nil && !errors.Is(err, transport.ErrNotConnected) {
			u.box.unanswered()
		}
		switch {
		case err == nil:
			u.stuck.Store(0)
			u.removed(u.box.ack())
			wait.reset()
			pace.acknowledged(b.items, time.Since(begun))
			refusals = 0
			continue
		case ctx.Err() != nil:
			return nil
		case signin.IsVerdict(err):
			return err
		}
		u.failures.Add(1)
		u.stuck.CompareAndSwap(0, u.now().UnixNano())
		u.relay.stepIn(u)
		if wait.first() {
			u.log.Warn("Batch not acknowledged, trying again", "items", b.items, "err", err)
		}
		pause := wait.delay()
		pace.failed(b.items)
		if ownFault(err, b) {
			if b.items > 1 { // until the item that is refused stands alone
				pause = urgentLinger
			} else if refusals++; refusals >= maxRefusals {
				u.giveUp(&b, err)
				refusals = 0
			}
		}
		if !u.clock.sleep(ctx, pause, u.revived) {
			return nil
		}
	}
}

// removed notes that the outbox could not forget what is acknowledged: it will be sent once more.
func (u *Upstream) removed(err error) {
	if err != nil {
		u.box.forget()
		u.limited.Log(context.Background(), slog.LevelWarn, "Acknowledged items stay in the outbox and are sent again", "upstream", u.to.Entry, "err", err)
	}
}

// ownFault reports whether the batch itself may be why it failed, rather than the link.
func ownFault(err error, b batch) bool {
	return errors.Is(err, signin.ErrNotTaken) || errors.Is(err, signin.ErrStaleKeys) ||
		errors.Is(err, transport.ErrDisconnected) && b.bytes > largeBatch
}

// giveUp drops the one item of a batch.
func (u *Upstream) giveUp(b *batch, err error) {
	u.removed(u.box.discard())
	what, id := "event", ""
	if len(b.returns) > 0 {
		what, id = "return", b.returns[0].JID
	} else if len(b.events) > 0 {
		id = b.events[0].Tag
	}
	u.log.Error("Item given up, the upstream refuses it", "kind", what, "id", id, "bytes", b.bytes, "err", err)
}

// awaitWork waits until something should be sent; false means that ctx ended. Items that come close
// together are collected, except behind a full batch.
func (u *Upstream) awaitWork(ctx context.Context) bool {
	var linger *time.Timer // running since the first item
	var end <-chan time.Time
	hurried := false
	for {
		if ctx.Err() != nil {
			return false
		}
		state := u.box.state()
		switch {
		case u.startDue(), state == waitingFull:
			return true
		case state == waitingUrgent && !hurried:
			hurried = true
			linger = time.NewTimer(min(urgentLinger, u.cfg.EventForwardTimeout))
			end = linger.C
		case state == waitingEvents && linger == nil:
			linger = time.NewTimer(u.cfg.EventForwardTimeout)
			end = linger.C
		}
		select {
		case <-ctx.Done():
			return false
		case <-end:
			return true
		case <-u.box.wake:
		}
	}
}

// request sends one load and wants it acknowledged.
func (u *Upstream) request(ctx context.Context, load func(wire.Proof) ([]byte, error)) error {
	ctx, cancel := context.WithTimeout(ctx, u.cfg.ReturnRetryTimerMax)
	defer cancel()
	u.sent.Add(1)
	value, err := u.requestOver(ctx, u.send, load)
	if err != nil {
		return err
	}
	return acknowledged(value)
}

// requestOver sends one load over a socket, signing in again once when the keys have changed.
func (u *Upstream) requestOver(ctx context.Context, client *transport.RequestClient, load func(wire.Proof) ([]byte, error)) (value []byte, err error) {
	creds := u.creds.Load()
	for try := range 2 {
		value, err = u.ident.Exchange(ctx, creds, client.Do, load)
		if !errors.Is(err, signin.ErrStaleKeys) || try > 0 {
			return value, err
		}
		if creds, err = u.signIn(ctx, creds); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// acknowledged reads the value of a reply. nil is the acknowledgement; "" is how a master says that its
// handler failed, an empty map or false that it does not believe the sender.
func acknowledged(reply []byte) error {
	if s, ok := wire.Str(reply); ok && s == "" {
		return fmt.Errorf("%w: its handler failed", signin.ErrNotTaken)
	}
	if v, ok := wire.Bool(reply); ok && !v || wire.IsMap(reply) && wire.Len(reply) == 0 {
		return fmt.Errorf("%w: it does not accept the sender", signin.ErrNotTaken)
	}
	return nil
}
