package syndic

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/saltern-io/saltern/transport"

	"github.com/saltern-io/saltern/internal/signin"
	"github.com/saltern-io/saltern/internal/wire"
)

// errPortMoved ends serve when a new sign-in announced another publish port.
var errPortMoved = errors.New("the publish port has moved")

// heartbeat is how often the publisher is asked for a sign of life, and how long it has for one: a firewall that forgets
// a connection tells nobody, and a subscriber has nothing to send. libzmq answers since 4.2, whatever the socket.
const heartbeat = 10 * time.Second

// serve subscribes and runs until the link has to be made anew.
func (u *Upstream) serve(ctx context.Context, creds *signin.Credentials) error {
	topics := [][]byte(nil)
	if u.cfg.ZMQFiltering {
		topics = [][]byte{[]byte("broadcast"), []byte("syndic")}
	}
	port := u.publishPort(creds)
	opts := u.options()
	opts.HeartbeatIvl = u.heartbeat
	sub, err := transport.NewSubscriber(transport.SubscriberConfig{
		Context: u.zctx, Endpoint: transport.Endpoint(u.to.Host, port), Options: opts, Topics: topics, Log: u.log,
	})
	if err != nil {
		return err
	}
	u.knows = func() { sub.Subscribe([]byte(wire.TopicRepeats)) }
	ctx, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	failed := make(chan error, 8)
	start := func(run func(context.Context) error) {
		wg.Go(func() {
			if err := run(ctx); err != nil && ctx.Err() == nil {
				failed <- err
			}
		})
	}
	start(sub.Run)
	start(func(ctx context.Context) error { return u.takePublications(ctx, sub.Messages()) })
	start(u.sendBatches)
	start(u.askQuestions)
	start(u.keepLooking)
	start(u.lookForLosses)
	start(u.tellInventory)
	start(func(ctx context.Context) error {
		l := link{
			u: u, port: port, fresh: true, wait: newBackoff(100*time.Millisecond, 2*time.Second),
			away: newBackoff(awayCheck, awayCheckMax),
		}
		return l.watch(ctx, sub.Links())
	})
	wg.Go(func() { u.askPillar(ctx) })
	defer wg.Wait()
	defer stop()
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return err
	}
}

// link follows the subscription's connection. A connection that comes back may be another life of
// the master, with other keys: sign in again before the first publication needs it. While it is
// away a sign-in now and then tells whether the publish port has moved.
type link struct {
	u         *Upstream
	port      int
	connected bool
	fresh     bool     // the credentials belong to this connection
	wait      *backoff // between sign-ins of a connection that is back
	away      *backoff // between looks for a port that has moved
}

// A link without a subscription looks whether the publish port has moved after awayCheck, later more
// rarely.
const (
	awayCheck    = 2 * time.Second
	awayCheckMax = 30 * time.Second
)

func (l *link) watch(ctx context.Context, links <-chan transport.LinkEvent) error {
	real := l.u.clock.real
	check := time.NewTimer(real(l.away.delay()))
	defer check.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case e, ok := <-links:
			if !ok {
				return nil // the subscriber says why
			}
			if !l.changed(e) {
				if e.Kind == transport.LinkDisconnected {
					check.Reset(real(l.away.delay()))
				}
				continue
			}
		case <-check.C:
		}
		next, err := l.settle(ctx)
		if err != nil {
			return err
		}
		check.Reset(real(next))
	}
}

// changed takes an event; true means that there is something to do now.
func (l *link) changed(e transport.LinkEvent) bool {
	switch e.Kind {
	case transport.LinkConnected:
		l.connected = true
		return true
	case transport.LinkDisconnected:
		if l.connected {
			l.u.setState(LinkAway)
		}
		l.connected, l.fresh = false, false
	case transport.LinkHandshakeFailed:
		l.u.limited.Log(context.Background(), slog.LevelWarn, "No handshake with the publisher of the master of masters", "upstream", l.u.to.Entry, "err", e.Err)
	case transport.LinkRetrying:
	}
	return false
}

// settle makes the credentials belong to the connection; next is when to look again.
func (l *link) settle(ctx context.Context) (next time.Duration, err error) {
	u := l.u
	if !l.connected || !l.fresh {
		creds, err := u.signIn(ctx, u.creds.Load())
		switch {
		case signin.IsVerdict(err):
			return 0, err
		case err != nil && l.connected:
			return l.wait.delay(), nil
		case err != nil:
			return l.away.delay(), nil
		case u.publishPort(creds) != l.port:
			return 0, errPortMoved
		}
	}
	l.wait.reset()
	if !l.connected {
		return l.away.delay(), nil
	}
	l.away.reset()
	if l.fresh && LinkState(u.state.Load()) == LinkServing {
		return time.Hour, nil // nothing to look for until the connection changes
	}
	l.fresh, u.reached = true, true
	u.wantStart()
	select {
	case u.linked <- struct{}{}:
	default:
	}
	u.setState(LinkServing)
	select {
	case u.revived <- struct{}{}:
	default:
	}
	return time.Hour, nil
}
