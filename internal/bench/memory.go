package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/saltern-io/saltern/internal/swarm"
)

// settle is how long minions are idle before the memory of their master is read.
const settle = 10 * time.Second

// measureMemory starts a fresh master and a fresh swarm for every value: signed in, start sequence done,
// subscribed, idle.
func measureMemory(ctx context.Context, s *settings, t *table) error {
	resident := row{name: fmt.Sprintf("master with %d idle minions, resident", s.idle), unit: "MiB", aim: 80}
	peak := row{name: fmt.Sprintf("master while %d minions started, most resident", s.idle), unit: "MiB"}
	own := row{name: "of it the master's own (anonymous), without program and libraries", unit: "MiB"}
	empty := row{name: "master without minions, resident", unit: "MiB"}
	for range s.repeat {
		if err := s.memory(ctx, &empty, &resident, &own, &peak); err != nil {
			return err
		}
	}
	resident.floor = empty.median()
	t.add(empty)
	t.add(resident)
	t.add(own)
	t.add(peak)
	return nil
}

func (s *settings) memory(ctx context.Context, empty, resident, own, peak *row) (err error) {
	m, err := s.startMaster(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.stop()) }()
	read := func(r *row, name string) {
		v, e := m.child.memory(name)
		r.values, err = append(r.values, v), errors.Join(err, e)
	}
	read(empty, "VmRSS")
	_, stopSwarm, err := m.startSwarm(ctx, swarm.Config{N: s.idle, StartSequence: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopSwarm()) }()
	select {
	case <-time.After(settle):
	case <-ctx.Done():
		return ctx.Err()
	}
	read(resident, "VmRSS")
	read(own, "RssAnon")
	read(peak, "VmHWM")
	return err
}
