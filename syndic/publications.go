package syndic

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/saltern-io/saltern/internal/signin"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/pki"
	"github.com/saltern-io/saltern/transport"
)

// maxWaitingJobs is how many opened publications wait for the local master per upstream. Behind them
// the subscription is not read.
const maxWaitingJobs = 1000

// publication is one accepted publication of an upstream.
type publication struct {
	jid      string
	load     *wire.Map // without its serial
	received time.Time // by the world's clock
	sent     time.Time // by the clock of the link; known for those of a journal
	pos      position
	missed   bool // came from the journal
	settle   bool // pos may be remembered as the cursor

	// Of a stream's: as long as ctx lasts it may be handed down, and done hears the outcome.
	ctx  context.Context
	done chan error
}

// takePublications opens what comes over the subscription and queues it, in order; what is missing is asked for.
func (u *Upstream) takePublications(ctx context.Context, messages <-chan transport.Message) error {
	hold := time.NewTicker(250 * time.Millisecond)
	defer hold.Stop()
	defer func() {
		f := u.seq.failed() // what is held goes down, whatever becomes of the link
		u.follow(ctx, f)
	}()
	for {
		if u.knows != nil && u.seq.marks[0].Epoch != "" {
			u.knows() // what was here is known: an outlet may send again what it is not sure of
			u.knows = nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-u.intake.Done():
			return nil // stopping: what comes now cannot be answered any more
		case <-u.linked:
			u.seq.served, u.seq.rounds = servedUnknown, 0
			u.seq.begin(time.Now()) // the question follows when the upstream knows us for a syndic
		case <-u.look:
			u.ask(ctx)
		case r := <-u.answers:
			u.follow(ctx, u.digest(r))
		case <-hold.C:
			u.follow(ctx, u.seq.expire(time.Now()))
		case m, ok := <-messages:
			if !ok {
				return nil // the subscriber says why
			}
			if err := u.arrived(ctx, m.Frames); err != nil {
				return err
			}
		}
	}
}

// arrived takes one message of the subscription; an error ends the link.
func (u *Upstream) arrived(ctx context.Context, frames [][]byte) error {
	pub, err := u.open(ctx, frames)
	switch {
	case signin.IsVerdict(err):
		return err
	case ctx.Err() != nil:
	case err != nil:
		u.failures.Add(1)
		u.limited.Log(ctx, slog.LevelWarn, "Publication dropped", "upstream", u.to.Entry, "err", err)
	case pub == nil:
		u.replayed.Add(1)
	default:
		if u.stream != nil {
			u.stream.claim(frames[len(frames)-1])
		}
		u.follow(ctx, u.seq.arrive(arrival{pos: pub.pos, pub: pub}))
	}
	return nil
}

// follow does what the sequencer found.
func (u *Upstream) follow(ctx context.Context, f findings) {
	u.replayed.Add(int64(f.stale))
	if f.lost.count > 0 {
		u.lose(f.lost)
	}
	for i, a := range f.deliver {
		a.pub.settle = u.seq.owed == nil
		if a.journal {
			u.missed.Add(1)
			if !u.wanted(a.pub) {
				continue
			}
		}
		if !u.queue(ctx, a.pub) {
			u.seq.undelivered(f.deliver[i:])
			return
		}
		u.publications.Add(1)
	}
	if f.ask {
		u.ask(ctx)
	}
}

// queue hands a publication to the goroutine that hands it down; false when the link or the syndic ends before there
// is room.
func (u *Upstream) queue(ctx context.Context, p *publication) bool {
	select {
	case u.inbox <- *p:
		return true
	default:
	}
	select {
	case u.inbox <- *p:
		return true
	case <-ctx.Done():
	case <-u.intake.Done():
	}
	return false
}

// wanted decides about one publication of the journal, and reports what is not run.
func (u *Upstream) wanted(p *publication) bool {
	if u.relay.handled(p.jid) {
		u.missed.Add(-1) // it was here: the cursor on disk lagged behind, or the question overtook it
		return false
	}
	what, reason := judge(p, u.now(), u.cfg.ReplayMaxAge)
	switch what {
	case fateRun:
		return true
	case fateSkip:
		u.unrecovered.Add(1)
		return false
	}
	u.unrecovered.Add(1)
	u.relay.missed(u, p.report(reason))
	return false
}

// lose hands on a gap that no journal fills.
func (u *Upstream) lose(g gap) {
	u.missed.Add(int64(g.count))
	select {
	case u.losses <- loss{gap: g, seen: u.now()}:
	default: // too many gaps at once: told without asking
		u.unrecovered.Add(int64(g.count))
		u.relay.missed(u, missedReport{Count: g.count, Serial: g.pos.Serial, Reason: "the master of masters keeps no journal"})
	}
}

// handDown hands publications to the relay, in order, until ctx ends.
func (u *Upstream) handDown(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case pub := <-u.inbox:
			if pub.done == nil {
				u.relay.publication(ctx, u, pub)
				continue
			}
			err := pub.ctx.Err()
			if err == nil {
				err = u.relay.streamed(pub.ctx, u, pub)
			}
			pub.done <- err
		}
	}
}

// open decrypts one message, signing in again when the keys have changed; nil without an error
// means that it is not for us: another topic, or a serial that no master gives.
func (u *Upstream) open(ctx context.Context, frames [][]byte) (*publication, error) {
	if len(frames) == 2 {
		if topic := string(frames[0]); topic != "broadcast" && topic != "syndic" {
			return nil, nil
		}
	}
	frame := frames[len(frames)-1]
	creds := u.creds.Load()
	load, key, err := signin.OpenPublication(creds, frame, u.now())
	if errors.Is(err, signin.ErrStaleKeys) {
		if creds, err = u.signIn(ctx, creds); err != nil {
			return nil, err
		}
		load, key, err = signin.OpenPublication(creds, frame, u.now())
	}
	if err != nil {
		return nil, err
	}
	return opened(load, key)
}

// opened makes a publication of an opened load; nil without an error for a serial that no master gives.
func opened(load *wire.Map, key *pki.Cipher) (*publication, error) {
	pub := &publication{received: time.Now()}
	if load.Has("serial") { // clustered masters send none
		serial := load.Int("serial")
		if serial <= 0 {
			return nil, nil
		}
		pub.pos = position{Epoch: signin.EpochName(key.KeyString()), Serial: uint64(serial)}
	}
	return pub, pub.fill(load)
}

// fill takes a load over.
func (p *publication) fill(load *wire.Map) error {
	load.Delete("serial")
	p.jid, p.load = load.Str("jid"), load
	if p.jid == "" || len(p.jid) > maxJobID {
		return errors.New("publication with an unusable jid")
	}
	return nil
}
