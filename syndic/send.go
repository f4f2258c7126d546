package syndic

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/saltern-io/saltern/internal/wire"
)

// urgentLinger is how long items that somebody waits for are collected, so that returns which come
// together go up together. Others wait syndic_event_forward_timeout.
const urgentLinger = 5 * time.Millisecond

// sendBatches sends what waits, one request at a time, and forgets a batch when the upstream
// acknowledged it. While a request is under way the next batch gathers by itself.
func (u *Upstream) sendBatches(ctx context.Context) error {
	wait := newBackoff(100*time.Millisecond, 5*time.Second)
	for {
		if !u.awaitItems(ctx) {
			return nil
		}
		b := u.box.take()
		if b.items == 0 {
			continue
		}
		err := u.request(ctx, func(p wire.Proof) ([]byte, error) { return b.load(u.ident.id, p) })
		switch {
		case err == nil:
			u.box.ack()
			u.acked.Add(int64(b.items))
			wait.reset()
		case ctx.Err() != nil:
			return nil
		default:
			u.failures.Add(1)
			if wait.first() {
				u.log.Warn("Batch not acknowledged, trying again", "items", b.items, "err", err)
			}
			if !wait.sleep(ctx) {
				return nil
			}
		}
	}
}

// awaitItems waits until something should be sent; false means that ctx ended.
func (u *Upstream) awaitItems(ctx context.Context) bool {
	lingered := false
	for {
		urgent, anything := u.box.urgent()
		switch {
		case anything && lingered:
			return true
		case anything:
			d := u.cfg.EventForwardTimeout
			if urgent {
				d = min(d, urgentLinger)
			}
			// A long linger ends early when something urgent comes in.
			if !u.lingerFor(ctx, d) {
				return false
			}
			lingered = true
		default:
			lingered = false
			select {
			case <-ctx.Done():
				return false
			case <-u.box.wake:
			}
		}
	}
}

func (u *Upstream) lingerFor(ctx context.Context, d time.Duration) bool {
	end := time.NewTimer(d)
	defer end.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-end.C:
			return true
		case <-u.box.wake:
			if urgent, _ := u.box.urgent(); urgent {
				return sleep(ctx, min(d, urgentLinger))
			}
		}
	}
}

// load encodes the batch as the request it is sent in.
func (b *batch) load(id string, p wire.Proof) ([]byte, error) {
	if len(b.returns) > 0 {
		if p.TS == 0 {
			p.ID, p.Tok = "", nil // level 2: stock sends only the nonce with returns
		}
		return wire.AppendSyndicReturns(nil, b.returns, p), nil
	}
	if text := b.events[0].Text; text != "" {
		return wire.MinionEventRequest{ID: id, Tag: b.events[0].Tag, Data: text}.AppendLoad(nil, p)
	}
	items := make([]wire.EventItem, len(b.events))
	for i, e := range b.events {
		items[i] = wire.EventItem{Tag: e.Tag, Data: e.Data}
	}
	return wire.MinionEventRequest{ID: id, Pretag: "syndic/" + id, Events: items}.AppendLoad(nil, p)
}

// request sends one load, signing in again once when the keys have changed.
func (u *Upstream) request(ctx context.Context, load func(wire.Proof) ([]byte, error)) error {
	creds := u.creds.Load()
	for try := range 2 {
		err := u.exchange(ctx, creds, load)
		if !errors.Is(err, errStaleKeys) || try > 0 {
			return err
		}
		if creds, err = u.signIn(ctx, creds); err != nil {
			return err
		}
	}
	return nil
}

func (u *Upstream) exchange(ctx context.Context, creds *credentials, load func(wire.Proof) ([]byte, error)) error {
	nonce := newNonce()
	proof := u.ident.proof(creds, nonce, time.Now())
	if proof.Tok == nil && creds.level < 3 {
		proof.Tok = u.ident.tok // events need it at level 2; returns leave it out
	}
	raw, err := load(proof)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, u.cfg.ReturnRetryTimerMax)
	defer cancel()
	u.sent.Add(1)
	body, err := u.send.Do(ctx, u.ident.seal(creds, raw))
	if err != nil {
		return fmt.Errorf("send: %w", err)
	}
	reply, err := openReply(creds, body, nonce)
	if err != nil {
		return err
	}
	// nil is the acknowledgement; "" is how a master says that its handler failed.
	if s, ok := wire.Str(reply); ok && s == "" {
		return errors.New("the upstream could not take the batch")
	}
	return nil
}

// announce puts the start events in the queue: the upstream learns that this id is a syndic
// (spec: syndic §4).
func (u *Upstream) announce() {
	text := fmt.Sprintf("Syndic %s started at %s", u.ident.id, time.Now().Format("Mon Jan _2 15:04:05 2006"))
	tags := []string{"salt/syndic/" + u.ident.id + "/start"}
	if u.cfg.EnableLegacyStartupEvents {
		tags = append([]string{"syndic_start"}, tags...)
	}
	for _, tag := range tags {
		u.box.put(Item{Event: Event{Tag: tag, Text: text}, Urgent: true})
	}
}
