package syndic

import (
	"context"
	"errors"

	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/transport"
)

// publication is one accepted publication of an upstream.
type publication struct {
	jid  string
	load *wire.Map // without its serial
}

// takePublications opens what comes over the subscription and hands it down, in order.
func (u *Upstream) takePublications(ctx context.Context, messages <-chan transport.Message) error {
	for {
		var m transport.Message
		var ok bool
		select {
		case <-ctx.Done():
			return nil
		case m, ok = <-messages:
			if !ok {
				return errors.New("the subscription ended")
			}
		}
		pub, err := u.open(ctx, m.Frames)
		switch {
		case err != nil:
			u.failures.Add(1)
			u.log.Warn("Publication dropped", "err", err)
		case pub == nil:
			u.replayed.Add(1)
		default:
			u.publications.Add(1)
			u.relay.publication(ctx, u, *pub)
		}
	}
}

// open decrypts one message, signing in again when the keys have changed; nil without an error
// means that it is not for us: another topic, or a serial seen before.
func (u *Upstream) open(ctx context.Context, frames [][]byte) (*publication, error) {
	if len(frames) == 2 {
		if topic := string(frames[0]); topic != "broadcast" && topic != "syndic" {
			return nil, nil
		}
	}
	frame := frames[len(frames)-1]
	creds := u.creds.Load()
	load, err := openPublication(creds, frame)
	if errors.Is(err, errStaleKeys) {
		if creds, err = u.signIn(ctx, creds); err != nil {
			return nil, err
		}
		load, err = openPublication(creds, frame)
	}
	if err != nil {
		return nil, err
	}
	if !u.fresh(creds, load) {
		return nil, nil
	}
	jobID := load.Str("jid")
	if jobID == "" {
		return nil, errors.New("publication with a jid that is no text")
	}
	return &publication{jid: jobID, load: load}, nil
}

// fresh is the replay check: serials grow as long as the shared key lives
// (spec: auth-and-crypto §2.4).
func (u *Upstream) fresh(creds *credentials, load *wire.Map) bool {
	if u.under == nil || u.under.shared.KeyString() != creds.shared.KeyString() {
		u.serial = 0
	}
	u.under = creds
	if !load.Has("serial") {
		return true // clustered masters send none
	}
	serial := load.Int("serial")
	load.Delete("serial")
	if serial <= 0 || uint64(serial) <= u.serial {
		return false
	}
	u.serial = uint64(serial)
	return true
}
