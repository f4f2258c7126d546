package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/saltern-io/saltern/internal/badlink"
	"github.com/saltern-io/saltern/internal/demo"
)

// line is the way to the second master of masters: two relays on an address of their own with the ports that the master
// has on its own address, since a syndic takes the publish port that it is told.
type line struct {
	dead   net.Addr // where nobody listens
	relays []*badlink.Relay
}

// lineHost is the address of the relays.
const lineHost = "127.0.0.2"

func newLine() (*line, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return &line{dead: l.Addr()}, l.Close()
}

// upstreams is what the syndics have in syndic_master.
func (l *line) upstreams(tops []*demo.Master) ([]string, error) {
	far := tops[1]
	for _, port := range []int{far.Ret, far.Pub} {
		at, err := net.Listen("tcp", net.JoinHostPort(lineHost, fmt.Sprint(port)))
		if err != nil {
			return nil, err
		}
		l.relays = append(l.relays, badlink.Serve(at, net.JoinHostPort("127.0.0.1", fmt.Sprint(port))))
	}
	return []string{
		net.JoinHostPort("127.0.0.1", fmt.Sprint(tops[0].Ret)), net.JoinHostPort(lineHost, fmt.Sprint(far.Ret)), l.dead.String(),
	}, nil
}

// flap breaks the line every other second until ctx ends: with resets, in silence, and by forgetting connections. In the
// end it is whole.
func (l *line) flap(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for i := 0; ctx.Err() == nil; i++ {
		for _, r := range l.relays {
			switch i % 6 {
			case 0:
				r.Reset()
			case 2:
				r.Silence()
			case 4:
				r.Forget()
			default:
				r.Heal()
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	for _, r := range l.relays {
		r.Heal()
	}
}

func (l *line) close() error {
	var errs []error
	for _, r := range l.relays {
		errs = append(errs, r.Close())
	}
	return errors.Join(errs...)
}
