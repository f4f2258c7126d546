package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/saltern-io/saltern/internal/wire"
)

// measureSignIns has every peer sign in again and again with a challenge, as a minion does that knows the
// master: two private operations (the challenge, the signature) and three public ones (challenge, shared
// key, session key) each.
func measureSignIns(ctx context.Context, s *settings, t *table) error {
	for _, level := range []wire.Level{2, 3} {
		r := row{
			name: fmt.Sprintf("sign-in, level %d", level), unit: "ms CPU",
			floor: 2*t.floors.private + 3*t.floors.public + t.floors.echo, aim: 0.6,
		}
		if err := s.signIns(ctx, level, &r); err != nil {
			return err
		}
		t.add(r)
	}
	return nil
}

func (s *settings) signIns(ctx context.Context, level wire.Level, r *row) (err error) {
	m, err := s.startMaster(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.stop()) }()
	f, err := newFleet(m, level, s.peers)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	bodies := make([][]byte, len(f.minion))
	for i := range f.minion {
		if bodies[i], err = f.authBody(&f.minion[i]); err != nil {
			return err
		}
	}
	const each = 4
	for range s.repeat {
		if err := ctx.Err(); err != nil {
			return err
		}
		used, err := m.measure(func() error {
			return together(len(f.minion), func(i int) error {
				for range each {
					reply, err := f.minion[i].do(bodies[i])
					if err != nil {
						return err
					}
					answer, err := wire.ParseAuthReply(reply)
					if err != nil || answer.Accept == nil || len(answer.Accept.Token) == 0 {
						return fmt.Errorf("not accepted: %v, %w", answer.Ret, err)
					}
				}
				return nil
			})
		})
		if err != nil {
			return err
		}
		r.values = append(r.values, milliseconds(used)/float64(each*len(f.minion)))
	}
	return nil
}
