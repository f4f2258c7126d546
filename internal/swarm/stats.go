package swarm

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Latency is a distribution: quantiles are upper bounds within 9 %, Max is exact. In JSON durations are
// nanoseconds.
type Latency struct {
	Count uint64        `json:"count"`
	P50   time.Duration `json:"p50_ns"`
	P99   time.Duration `json:"p99_ns"`
	Max   time.Duration `json:"max_ns"`
}

// Stats is a snapshot of the swarm's counters since New.
type Stats struct {
	Minions int `json:"minions"`
	Ready   int `json:"ready"` // signed in, subscribed, start sequence done, at each of its masters
	Peak    int `json:"ready_peak"`
	Pending int `json:"pending"` // waiting for their key to be accepted
	Ended   int `json:"ended"`   // refused for good, as a stock minion that exits with code 77

	SignIns        uint64 `json:"sign_ins"` // successful, re-authentications included
	SignInFailures uint64 `json:"sign_in_failures"`
	Reauths        uint64 `json:"reauths"` // sign-ins caused by something that did not decrypt

	Connects    uint64 `json:"connects"` // ZMTP connections made, both ports
	Disconnects uint64 `json:"disconnects"`

	Publications       uint64 `json:"publications_seen"`    // per minion: decrypted, serial good
	PublicationsFailed uint64 `json:"publications_failed"`  // not decrypted, bad signature or malformed
	Replayed           uint64 `json:"publications_replay"`  // serial not above the last one
	OtherTopic         uint64 `json:"publications_topic"`   // topic frame of somebody else
	Untargetable       uint64 `json:"publications_no_kind"` // target kind a swarm cannot evaluate
	Targeted           uint64 `json:"targeted"`
	Repeated           uint64 `json:"targeted_again"` // of them not run: among the last 100 jobs of the minion

	ReturnsSent    uint64 `json:"returns_sent"`  // first tries
	ReturnsAcked   uint64 `json:"returns_acked"` // answered by the master
	ReturnsDropped uint64 `json:"returns_dropped"`
	Muted          uint64 `json:"returns_muted"` // not sent because the minion is one that never answers
	Retries        uint64 `json:"retries"`       // requests sent once more, any kind

	SignIn      Latency `json:"sign_in_latency"`     // one _auth exchange and its checks
	Publication Latency `json:"publication_latency"` // first minion saw the job → this minion saw it
	Return      Latency `json:"return_latency"`      // first minion saw the job → this return acknowledged
}

// counters is the live form of Stats.
type counters struct {
	pending, ended gauge
	ready          gauge
	lost           gauge // connections to a master that ended for good

	signIns, signInFailures, reauths                                               atomic.Uint64
	connects, disconnects                                                          atomic.Uint64
	publications, publicationsFailed, replayed, repeated, otherTopic, untargetable atomic.Uint64
	targeted, returnsSent, returnsAcked, returnsDropped, muted, retries            atomic.Uint64

	signIn, publication, ret histogram
}

// Stats returns the counters so far. Safe at any time.
func (s *Swarm) Stats() Stats {
	c := &s.counters
	return Stats{
		Minions: len(s.ids), Ready: c.ready.value(), Peak: c.ready.peak(), Pending: c.pending.value(), Ended: c.ended.value(),
		SignIns: c.signIns.Load(), SignInFailures: c.signInFailures.Load(), Reauths: c.reauths.Load(),
		Connects: c.connects.Load(), Disconnects: c.disconnects.Load(),
		Publications: c.publications.Load(), PublicationsFailed: c.publicationsFailed.Load(),
		Replayed: c.replayed.Load(), OtherTopic: c.otherTopic.Load(), Untargetable: c.untargetable.Load(),
		Targeted: c.targeted.Load(), Repeated: c.repeated.Load(), ReturnsSent: c.returnsSent.Load(), ReturnsAcked: c.returnsAcked.Load(),
		ReturnsDropped: c.returnsDropped.Load(), Muted: c.muted.Load(), Retries: c.retries.Load(),
		SignIn: c.signIn.summary(), Publication: c.publication.summary(), Return: c.ret.summary(),
	}
}

// gauge is a number others can wait for.
type gauge struct {
	mu      sync.Mutex
	n, most int
	changed chan struct{} // closed and replaced at a change; nil while nobody waits
}

func (g *gauge) add(d int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.n += d
	g.most = max(g.most, g.n)
	if g.changed != nil {
		close(g.changed)
		g.changed = nil
	}
}

func (g *gauge) value() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.n
}

func (g *gauge) peak() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.most
}

// watch returns the number and a channel that closes when it changes.
func (g *gauge) watch() (int, <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.changed == nil {
		g.changed = make(chan struct{})
	}
	return g.n, g.changed
}

// WaitReady waits until n minions are ready: signed in, subscription sent, start sequence done. It fails
// early when so many minions ended that n cannot be reached. ZMTP does not confirm a subscription: a
// publication sent in the same instant may still miss the last of them, so a caller that needs the
// exact moment asks the publisher for its subscriber count.
func (s *Swarm) WaitReady(ctx context.Context, n int) error {
	for {
		ready, readyChanged := s.counters.ready.watch()
		ended, endedChanged := s.counters.ended.watch()
		if ready >= n {
			return nil
		}
		if len(s.ids)-ended < n {
			return fmt.Errorf("%d of %d minions ready, %d refused: %w", ready, n, ended, ErrRefused)
		}
		select {
		case <-readyChanged:
		case <-endedChanged:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d minions ready: %w", ready, n, context.Cause(ctx))
		}
	}
}
