package syndic

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	durable "github.com/saltern-io/saltern/internal/relay"
	"github.com/saltern-io/saltern/internal/signin"
	"github.com/saltern-io/saltern/internal/wire"
)

const (
	// renewEvery is the least time between two sign-ins because an entry does not open.
	renewEvery = time.Second
	// renewSlack is how far the clocks of tap and syndic may differ: an entry that is older than a sign-in by more is
	// sealed with a key that is over.
	renewSlack = 2 * time.Second
	// findJobAge is the age at which nobody waits for the answer of saltutil.find_job any more.
	findJobAge = 5 * time.Second
	// streamMemory is how many places and frames are remembered.
	streamMemory = 20_000
)

// stream reads the publications of one upstream from a relay's stream, beside the direct link: the syndic is its own
// outlet (spec: relay-and-broker §3.3).
//
//	direct link ─▶ sequencer ─▶ inbox ─▶ local master         the first copy wins, by the job id
//	stream ─▶ Deliver: open, known? ─▶ inbox ─▶ ┘ └─▶ acknowledged: the position moves on, on disk
//
// It implements relay.Sink; these calls, and known, come from the follower's goroutine.
type stream struct {
	u        *Upstream
	follower *durable.Follower

	renewed time.Time    // the last sign-in because of an entry; owned by the follower
	opened  *publication // what known saw last; the same

	mu      sync.Mutex
	places  ring[position] // that the stream brought
	reached [2]position    // how far it is under the newest two epochs, newest first
	direct  ring[[16]byte] // frames that the direct link brought
	moved   chan struct{}  // closed and replaced when reached moves
}

// ring is a set that forgets the oldest.
type ring[K comparable] struct {
	set   map[K]struct{}
	order []K
	next  int
}

func newRing[K comparable](n int) ring[K] {
	return ring[K]{set: make(map[K]struct{}), order: make([]K, 0, n)}
}

func (r *ring[K]) add(k K) {
	if r.has(k) {
		return
	}
	r.set[k] = struct{}{}
	if len(r.order) < cap(r.order) {
		r.order = append(r.order, k)
		return
	}
	delete(r.set, r.order[r.next])
	r.order[r.next] = k
	r.next = (r.next + 1) % len(r.order)
}

func (r *ring[K]) has(k K) bool {
	_, ok := r.set[k]
	return ok
}

// follows makes an upstream read a stream.
func (s *Syndic) follows(u *Upstream, client *redis.Client, name string, log *slog.Logger) (err error) {
	st := &stream{
		u: u, places: newRing[position](streamMemory), direct: newRing[[16]byte](streamMemory), moved: make(chan struct{}),
	}
	st.follower, err = durable.NewFollower(durable.FollowerConfig{
		Name: u.to.Entry, Log: durable.NewLog(client, s.cfg.RelayPrefix+name, 0, 0), Store: s.store, MaxAge: s.cfg.ReplayMaxAge,
		Sink: st, Known: st.known, Logger: log,
	})
	u.stream = st
	return err
}

// Ready implements relay.Sink: nothing opens before the first sign-in.
func (s *stream) Ready(ctx context.Context) error {
	select {
	case <-s.u.signed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Deliver implements relay.Sink. It returns nil when the local master has the job.
func (s *stream) Deliver(ctx context.Context, e *durable.Entry) error {
	if topic := string(e.Topic); topic != "" && topic != "broadcast" && topic != "syndic" {
		return nil // a minion's
	}
	pub, err := s.open(ctx, e)
	if err != nil || pub == nil {
		return err
	}
	if s.u.relay.handled(pub.jid) || late(pub, time.Since(e.Time)) {
		s.pass(pub.pos)
		return nil
	}
	pub.received, pub.ctx, pub.done = time.Now(), ctx, make(chan error, 1)
	if !s.u.queue(ctx, pub) {
		return fmt.Errorf("job %s finds no room: %w", pub.jid, context.Cause(ctx))
	}
	select {
	case err = <-pub.done:
	case <-s.u.intake.Done():
		err = s.u.intake.Err()
	}
	if err == nil {
		s.bring(pub.pos)
		s.pass(pub.pos)
	}
	return err
}

func late(p *publication, age time.Duration) bool {
	fun, _ := p.load.Get("fun")
	return fun == findJob && age > findJobAge
}

// open opens an entry with the syndic's own credentials, and signs in anew when it may be sealed with a newer key. nil
// without an error is a copy of what the direct link brought under a former key.
func (s *stream) open(ctx context.Context, e *durable.Entry) (*publication, error) {
	creds := s.u.creds.Load()
	load, key, err := signin.OpenPublication(creds, e.Frame, s.u.now())
	if errors.Is(err, signin.ErrStaleKeys) {
		if s.was(e.Frame) {
			return nil, nil
		}
		if e.Time.Add(renewSlack).Before(s.renewed) {
			return nil, fmt.Errorf("%w: sealed with a key that the master has replaced", durable.ErrRefused)
		}
		if wait := renewEvery - time.Since(s.renewed); wait > 0 && !sleep(ctx, wait, nil) {
			return nil, ctx.Err()
		}
		began := time.Now()
		if creds, err = s.u.signIn(ctx, creds); err != nil {
			return nil, err
		}
		s.renewed = began
		load, key, err = signin.OpenPublication(creds, e.Frame, s.u.now())
	}
	if errors.Is(err, signin.ErrStaleKeys) {
		return nil, fmt.Errorf("%w: sealed with a key that the master has replaced", durable.ErrRefused)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", durable.ErrRefused, err)
	}
	pub, err := opened(load, key)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", durable.ErrRefused, err)
	}
	return pub, nil
}

// known tells which job an entry is that is too old to be delivered, as far as it opens, and whether it needs nothing
// more: the direct link or a journal brought it.
func (s *stream) known(e *durable.Entry) (jobID string, ok bool) {
	if s.was(e.Frame) {
		return "", true
	}
	creds := s.u.creds.Load()
	if creds == nil {
		return "", false
	}
	load, key, err := signin.OpenPublication(creds, e.Frame, s.u.now())
	if err != nil {
		return "", false
	}
	pub, err := opened(load, key)
	if err != nil || pub == nil {
		return "", false
	}
	s.opened = pub
	defer s.pass(pub.pos)
	return pub.jid, s.u.relay.handled(pub.jid) || late(pub, time.Since(e.Time))
}

// Missed implements relay.Sink.
func (s *stream) Missed(m durable.Missed) {
	r := missedReport{Count: m.Count, Serial: m.Serial, Reason: "relay: " + m.Text}
	if m.JID != "" && s.opened != nil && s.opened.jid == m.JID {
		r = s.opened.report(r.Reason)
	}
	s.u.relay.missed(s.u, r)
}

// claim remembers a frame of the direct link.
func (s *stream) claim(frame []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.direct.add(shortHash(frame))
}

func (s *stream) was(frame []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.direct.has(shortHash(frame))
}

func shortHash(frame []byte) [16]byte {
	sum := sha256.Sum256(frame)
	return [16]byte(sum[:])
}

// bring notes the place of a job that the stream brought.
func (s *stream) bring(p position) {
	if p.Serial == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.places.add(p)
}

// pass notes how far the stream is.
func (s *stream) pass(p position) {
	if p.Serial == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch p.Epoch {
	case s.reached[0].Epoch:
		s.reached[0].Serial = max(s.reached[0].Serial, p.Serial)
	case s.reached[1].Epoch:
		s.reached[1].Serial = max(s.reached[1].Serial, p.Serial)
	default:
		s.reached[1] = s.reached[0]
		s.reached[0] = p
	}
	close(s.moved)
	s.moved = make(chan struct{})
}

// away is how long a gap of a stock master waits for a stream that cannot be read.
const streamAway = 10 * time.Second

// fill waits until the stream is behind a gap of the direct link, as long as that is of use, and takes off what it
// brought. false means that ctx has ended.
func (s *stream) fill(ctx context.Context, l *loss) bool {
	began := time.Now()
	look := time.NewTicker(250 * time.Millisecond)
	defer look.Stop()
	for {
		s.mu.Lock()
		moved, there := s.moved, false
		for _, p := range s.reached {
			there = there || p.Epoch == l.pos.Epoch && p.Serial >= l.pos.Serial
		}
		s.mu.Unlock()
		waited := time.Since(began)
		if there || waited >= s.u.cfg.ReplayMaxAge || waited >= streamAway && !s.follower.Stats().Up {
			break
		}
		select {
		case <-ctx.Done():
			return false
		case <-moved:
		case <-look.C:
		}
	}
	s.mu.Lock()
	brought := uint64(0)
	for p := range s.places.set {
		if p.Epoch == l.pos.Epoch && p.Serial < l.pos.Serial && p.Serial+l.count >= l.pos.Serial {
			brought++
		}
	}
	s.mu.Unlock()
	l.count -= min(brought, l.count)
	s.u.recovered.Add(int64(brought))
	return true
}

// streamed hands a publication of a stream down; nil when the local master has it, or had it before. What fails is
// offered again, as long as it is young.
func (s *Syndic) streamed(ctx context.Context, from *Upstream, pub publication) error {
	err := s.relayDown(ctx, from, &pub)
	switch {
	case err == nil, errors.Is(err, errComesRound):
		s.remember(from, &pub)
		return nil
	case errors.Is(err, wire.ErrPath):
		return fmt.Errorf("%w: %w", durable.ErrRefused, err)
	}
	return err
}
