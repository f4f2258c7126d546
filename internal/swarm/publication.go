package swarm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/saltern-io/saltern/internal/target"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/pki"
)

var (
	errPubDecrypt   = errors.New("publication does not decrypt")
	errPubSignature = errors.New("publication signature is missing or wrong")
	errPubMalformed = errors.New("malformed publication")
)

// rememberedFrames is how many publications a sharedKey keeps opened, so that publications that
// interleave on their way to thousands of minions are still opened once each.
const rememberedFrames = 8

// sharedKey is a master's shared AES key as the swarm holds it: one object for all minions.
//
// Every minion receives the same bytes under the same key, so what they decrypt to is computed once and
// compared by the bytes; serial and target remain each minion's own business.
type sharedKey struct {
	cipher    *pki.Cipher
	sig       []byte
	masterKey *pki.PublicKey

	mu     sync.Mutex
	opened [rememberedFrames]opened
	next   int
}

type opened struct {
	frame []byte
	pub   *publication
	err   error
}

// publication is one opened publication. Immutable but for the job's book.
type publication struct {
	load      *wire.Map
	jid       string
	serial    uint64
	hasSerial bool
	targets   []uint64 // bit set of minion indexes
	noKind    bool     // the target kind cannot be evaluated here
	job       *job
	firstSeen time.Time
}

func (p *publication) targeted(minion int) bool {
	return p.targets[minion/64]&(1<<(minion%64)) != 0
}

// open returns the publication in frame.
func (k *sharedKey) open(s *Swarm, frame []byte, now time.Time) (*publication, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range k.opened {
		if o := &k.opened[i]; o.frame != nil && bytes.Equal(o.frame, frame) {
			return o.pub, o.err
		}
	}
	pub, err := k.decode(s, frame, now)
	k.opened[k.next] = opened{frame: frame, pub: pub, err: err}
	k.next = (k.next + 1) % rememberedFrames
	return pub, err
}

// decode checks and opens a publication in the order of a stock minion (spec: transport §4.6).
func (k *sharedKey) decode(s *Swarm, frame []byte, now time.Time) (*publication, error) {
	env, err := wire.ParsePubEnvelope(frame)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errPubMalformed, err)
	}
	if s.cfg.VerifyPublications {
		alg, err := pki.ParseSigAlgorithm(env.SigAlgo)
		if err != nil || env.SigAlgo == "" || k.masterKey.Verify(alg, env.Load, env.Sig) != nil { // required since 3006.9
			return nil, errPubSignature
		}
	}
	plain, err := k.cipher.Open(nil, env.Load)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errPubDecrypt, err)
	}
	payload, ok := wire.SplitPlain(plain)
	if !ok {
		return nil, fmt.Errorf("%w: no marker", errPubMalformed)
	}
	load, err := wire.DecodeMap(payload, wire.Wire, wire.LoadLimits)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errPubMalformed, err)
	}
	return s.newPublication(load, now)
}

func (s *Swarm) newPublication(load *wire.Map, now time.Time) (*publication, error) {
	for _, key := range []string{"tgt", "jid", "fun", "arg"} {
		if !load.Has(key) {
			return nil, fmt.Errorf("%w: no %s", errPubMalformed, key)
		}
	}
	pub := &publication{load: load, jid: load.Str("jid"), targets: make([]uint64, (len(s.ids)+63)/64), firstSeen: now}
	switch serial, _ := load.Get("serial"); v := serial.(type) {
	case int64:
		pub.serial, pub.hasSerial = uint64(max(v, 0)), true
	case uint64:
		pub.serial, pub.hasSerial = v, true
	}
	load.Delete("serial") // as a stock minion: not part of what a function sees
	tgt, _ := load.Get("tgt")
	matcher, err := target.Parse(load.Str("tgt_type"), tgt, load.Str("delimiter"))
	switch {
	case errors.Is(err, target.ErrKind):
		pub.noKind = true
	case err == nil:
		minions, _ := matcher.Match(s.ids)
		i := 0
		for _, id := range minions { // in the order of s.ids
			for s.ids[i] != id {
				i++
			}
			pub.targets[i/64] |= 1 << (i % 64)
		}
	}
	pub.job = s.jobs.get(pub.jid)
	return pub, nil
}

// publication handles one message of the subscription. An error means the connection is of no use.
func (m *minion) publication(ctx context.Context, frames [][]byte, now time.Time) error {
	s, c := m.swarm, &m.swarm.counters
	if len(frames) > 1 {
		if topic := string(frames[0]); topic != topicBroadcast && topic != topicOf(m.id) {
			c.otherTopic.Add(1)
			return nil
		}
	}
	frame := frames[len(frames)-1]
	creds := m.creds.Load()
	pub, err := creds.shared.open(s, frame, now)
	if errors.Is(err, errPubDecrypt) {
		if err := onFreshStack(func() error { return m.signIn(ctx, creds) }); err != nil {
			c.publicationsFailed.Add(1)
			s.cfg.Log.Debug("Publication lost: cannot sign in again", "minion", m.id, "err", err)
			return ctx.Err()
		}
		creds = m.creds.Load()
		pub, err = creds.shared.open(s, frame, now)
	}
	if err != nil {
		c.publicationsFailed.Add(1)
		s.cfg.Log.Debug("Publication dropped", "minion", m.id, "err", err)
		return nil
	}
	if !m.freshSerial(creds.shared, pub) {
		c.replayed.Add(1)
		return nil
	}
	return m.accepted(ctx, pub, now)
}

// freshSerial is the replay check (spec: auth-and-crypto §2.4): the counter lives as long as the key.
func (m *minion) freshSerial(shared *sharedKey, pub *publication) bool {
	if m.shared != shared {
		m.shared, m.serial = shared, 0
	}
	if !pub.hasSerial {
		return true
	}
	if pub.serial <= m.serial {
		return false
	}
	m.serial = pub.serial
	return true
}

// accepted counts the publication and starts the job when it is for this minion.
func (m *minion) accepted(ctx context.Context, pub *publication, now time.Time) error {
	s, c := m.swarm, &m.swarm.counters
	targeted := pub.targeted(m.index)
	pub.job.note(func(st *JobStats) {
		st.Seen++
		if targeted {
			st.Targeted++
		}
		if st.FirstSeen.IsZero() {
			st.FirstSeen = pub.firstSeen
		}
		if now.After(st.LastSeen) {
			st.LastSeen = now
		}
	})
	c.publications.Add(1)
	c.publication.observe(now.Sub(pub.firstSeen))
	if s.cfg.OnPublication != nil {
		s.cfg.OnPublication(pub.jid, m.index)
	}
	switch {
	case pub.noKind:
		c.untargetable.Add(1)
		return nil
	case !targeted:
		return nil
	}
	c.targeted.Add(1)
	if !m.body.first(pub.job) {
		c.repeated.Add(1)
		return nil
	}
	if m.muted {
		c.muted.Add(1)
		return nil
	}
	if err := m.slots.enter(ctx); err != nil {
		return err
	}
	s.wg.Go(func() {
		defer m.slots.leave()
		m.work(ctx, pub)
	})
	return nil
}
