package syndic

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/transport"
)

// maxWaitingJobs is how many opened publications wait for the local master per upstream. Behind them
// the subscription is not read.
const maxWaitingJobs = 1000

// publication is one accepted publication of an upstream.
type publication struct {
	jid      string
	load     *wire.Map // without its serial
	received time.Time
}

// takePublications opens what comes over the subscription and queues it, in order.
func (u *Upstream) takePublications(ctx context.Context, messages <-chan transport.Message) error {
	for {
		var m transport.Message
		var ok bool
		select {
		case <-ctx.Done():
			return nil
		case <-u.intake.Done():
			return nil // stopping: what comes now cannot be answered any more
		case m, ok = <-messages:
			if !ok {
				return nil // the subscriber says why
			}
		}
		pub, err := u.open(ctx, m.Frames)
		switch {
		case isVerdict(err):
			return err
		case ctx.Err() != nil:
			return nil
		case err != nil:
			u.failures.Add(1)
			u.limited.Log(ctx, slog.LevelWarn, "Publication dropped", "upstream", u.to.Entry, "err", err)
		case pub == nil:
			u.replayed.Add(1)
		default:
			u.publications.Add(1)
			select {
			case u.inbox <- *pub:
			case <-ctx.Done():
				return nil
			}
		}
	}
}

// handDown hands publications to the relay, in order, until ctx ends.
func (u *Upstream) handDown(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case pub := <-u.inbox:
			u.relay.publication(ctx, u, pub)
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
	load, key, err := openPublication(creds, frame, u.now())
	if errors.Is(err, errStaleKeys) {
		if creds, err = u.signIn(ctx, creds); err != nil {
			return nil, err
		}
		load, key, err = openPublication(creds, frame, u.now())
	}
	if err != nil {
		return nil, err
	}
	if !u.serials.fresh(key.KeyString(), load) {
		return nil, nil
	}
	jobID := load.Str("jid")
	if jobID == "" || len(jobID) > maxJobID {
		return nil, errors.New("publication with an unusable jid")
	}
	return &publication{jid: jobID, load: load, received: u.now()}, nil
}

// serials is the replay check: serials grow as long as a shared key lives (spec: auth-and-crypto
// §2.4). It knows the last two keys, because publications under both may be under way.
type serials [2]struct {
	key  string
	last uint64
}

// fresh reports whether a publication under this key is new, and takes its serial out.
func (s *serials) fresh(key string, load *wire.Map) bool {
	if !load.Has("serial") {
		return true // clustered masters send none
	}
	i := 0
	switch key {
	case s[0].key:
	case s[1].key:
		i = 1
	default:
		s[1] = s[0]
		s[0].key, s[0].last = key, 0
	}
	serial := load.Int("serial")
	load.Delete("serial")
	if serial <= 0 || uint64(serial) <= s[i].last {
		return false
	}
	s[i].last = uint64(serial)
	return true
}
