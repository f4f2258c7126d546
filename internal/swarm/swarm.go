package swarm

import (
	"context"
	"crypto/sha1" // the subscription topic of a minion is defined as SHA-1
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"time"
)

// dialParallel bounds connections being opened at a time, below the smallest listen backlog in use.
const dialParallel = 100

// Swarm is a set of simulated minions. Make one with New, run it with Run; the other methods may be
// called from any goroutine at any time.
type Swarm struct {
	cfg      Config
	minions  []*minion // one per minion and master that it belongs to
	ids      []string
	counters counters
	jobs     jobBook

	authGate  gate
	authPacer *pacer
	wg        sync.WaitGroup // every goroutine of the swarm
	started   sync.Once
	failed    sync.Once // the first failed sign-in is worth a warning; thousands of the same are not
}

// New checks cfg, makes or loads the key pairs and prepares the minions. Nothing is connected yet.
// Errors wrap ErrConfig or come from the key files.
func New(cfg Config) (*Swarm, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	identities, err := loadIdentities(cfg)
	if err != nil {
		return nil, fmt.Errorf("keys of the swarm: %w", err)
	}
	s := &Swarm{cfg: cfg, authGate: newGate(cfg.AuthParallel), authPacer: newPacer(cfg.SignInRate)}
	masters := make([]*masterState, len(cfg.Masters))
	for i, m := range cfg.Masters {
		masters[i] = &masterState{addr: net.JoinHostPort(m.Host, strconv.Itoa(m.RetPort)), host: m.Host, publishPort: m.PublishPort}
	}
	dials := newGate(dialParallel)
	s.ids = make([]string, cfg.N)
	for i := range s.ids {
		s.ids[i] = fmt.Sprintf(cfg.IDTemplate, cfg.FirstIndex+i)
		own := masters
		if !cfg.Hot {
			own = masters[i%len(masters):][:1]
		}
		b := &body{legs: len(own)}
		for _, m := range own {
			s.minions = append(s.minions, s.newMinion(i, b, identities[i%len(identities)], m, dials))
		}
	}
	return s, nil
}

func (s *Swarm) newMinion(i int, b *body, identity *identity, master *masterState, dials gate) *minion {
	m := &minion{
		swarm:    s,
		body:     b,
		index:    i,
		id:       s.ids[i],
		identity: identity,
		master:   master,
		dials:    dials,
		muted:    isMuted(i, s.cfg.MutePercent),
		slots:    newGate(maxRunning),
	}
	m.link = newRequestLink(master.addr, s.linkOptions(), &s.counters, &s.wg, dials)
	return m
}

func (s *Swarm) linkOptions() linkOptions {
	return linkOptions{DialTimeout: 10 * time.Second, MaxFrame: s.cfg.MaxFrame, Keepalive: s.cfg.Keepalive, Idle: s.cfg.RequestIdle}
}

// isMuted spreads the minions that never answer evenly and exactly over the indexes.
func isMuted(i int, percent float64) bool {
	return int(float64(i+1)*percent/100) != int(float64(i)*percent/100)
}

// IDs returns the minion ids in index order; the caller must not change them.
func (s *Swarm) IDs() []string { return s.ids }

// Run signs the minions in and lets them work until ctx ends; it then closes every connection, waits for
// every goroutine and returns nil. It fails with ErrRefused when the masters refuse every minion. A
// Swarm runs once.
func (s *Swarm) Run(ctx context.Context) error {
	first := false
	s.started.Do(func() { first = true })
	if !first {
		return fmt.Errorf("%w: Run called twice", ErrConfig)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	for _, m := range s.minions {
		s.wg.Go(func() { m.run(ctx) })
	}
	for {
		lost, changed := s.counters.lost.watch()
		if lost == len(s.minions) {
			cancel(ErrRefused)
			s.wg.Wait()
			return fmt.Errorf("all %d minions: %w", len(s.ids), ErrRefused)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			s.wg.Wait()
			return nil
		}
	}
}

// subscriptions returns the topics a minion asks for (spec: transport §4.2).
func (m *minion) subscriptions() []string {
	if !m.swarm.cfg.Filtering {
		return []string{""}
	}
	return []string{topicBroadcast, topicOf(m.id)}
}

const topicBroadcast = "broadcast"

func topicOf(id string) string {
	sum := sha1.Sum([]byte(id))
	return hex.EncodeToString(sum[:])
}

// between returns a random duration in [low, high].
func between(low, high time.Duration) time.Duration {
	if high <= low {
		return low
	}
	return low + rand.N(high-low+1)
}
