package mastertest

import (
	"context"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/pki"
	"github.com/saltern-io/saltern/transport"
)

// Subscription reads the publish port as a minion of the given topics does.
type Subscription struct {
	sub    *transport.Subscriber
	minion *Minion
	fence  func() string
}

// Published is one message of the publish port.
type Published struct {
	Topic    string // "" without zmq_filtering
	Envelope wire.PubEnvelope
	Raw      []byte // the envelope's frame
	Load     *wire.Map
}

// Subscribe opens the publish port with the topics ("" for everything) and returns when publications
// arrive. publish has to send one that reaches these topics, and returns its job id; it is called as
// often as needed. minion has the key that opens them.
func (r *Running) Subscribe(t testing.TB, minion *Minion, publish func() string, topics ...string) *Subscription {
	t.Helper()
	zctx, err := transport.NewContext(1, 64)
	if err != nil {
		t.Fatal(err)
	}
	cfg := transport.SubscriberConfig{Context: zctx, Endpoint: transport.Endpoint(r.Host, r.PublishPort)}
	for _, topic := range topics {
		cfg.Topics = append(cfg.Topics, []byte(topic))
	}
	sub, err := transport.NewSubscriber(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- sub.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-done
		zctx.Close()
	})
	s := &Subscription{sub: sub, minion: minion, fence: publish}
	// A publisher drops what nobody subscribes to, and nothing tells when the subscription is known
	// there but a message that comes through.
	for deadline := time.Now().Add(busTimeout); ; {
		publish()
		select {
		case <-sub.Messages():
			return s
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatal("no publication arrives")
		}
	}
}

// Job returns every message of the job, which was published before the call.
func (s *Subscription) Job(t testing.TB, jid string) []Published {
	t.Helper()
	end := s.fence()
	var out []Published
	for timeout := time.After(busTimeout); ; {
		select {
		case <-timeout:
			t.Fatalf("after %d messages of job %s: publications stopped", len(out), jid)
		case msg := <-s.sub.Messages():
			p := s.open(t, msg)
			switch p.Load.Str("jid") {
			case jid:
				out = append(out, p)
			case end:
				return out
			}
		}
	}
}

// Next returns the next message, whatever its job.
func (s *Subscription) Next(t testing.TB) Published {
	t.Helper()
	select {
	case <-time.After(busTimeout):
		t.Fatal("no publication")
		return Published{}
	case msg := <-s.sub.Messages():
		return s.open(t, msg)
	}
}

// open decrypts one message as the minion does; a signature must be right when there is one. With a
// key that was replaced the minion signs in again.
func (s *Subscription) open(t testing.TB, msg transport.Message) Published {
	t.Helper()
	p := Published{Raw: msg.Frames[len(msg.Frames)-1]}
	if len(msg.Frames) > 1 {
		p.Topic = string(msg.Frames[0])
	}
	var err error
	if p.Envelope, err = wire.ParsePubEnvelope(p.Raw); err != nil {
		t.Fatal(err)
	}
	if p.Envelope.Sig != nil {
		alg, err := pki.ParseSigAlgorithm(p.Envelope.SigAlgo)
		if err == nil {
			err = s.minion.Master.Verify(alg, p.Envelope.Load, p.Envelope.Sig)
		}
		if err != nil {
			t.Fatalf("signature of a publication: %v", err)
		}
	}
	plain, err := s.minion.Shared.Open(nil, p.Envelope.Load)
	if err != nil {
		s.minion.SignIn(t)
		if plain, err = s.minion.Shared.Open(nil, p.Envelope.Load); err != nil {
			t.Fatalf("publication: %v", err)
		}
	}
	payload, ok := wire.SplitPlain(plain)
	if !ok {
		t.Fatal("publication without the marker")
	}
	if p.Load, err = wire.DecodeMap(payload, wire.Wire, wire.LoadLimits); err != nil {
		t.Fatal(err)
	}
	return p
}
