package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/saltern-io/saltern/internal/jid"
	"github.com/saltern-io/saltern/internal/swarm"
	"github.com/saltern-io/saltern/internal/wire"
)

// readyTimeout bounds the start of a swarm and one job.
const readyTimeout = 3 * time.Minute

// measureJobs publishes test.ping to a swarm and waits for every minion. The swarm runs in this process, on
// the same cores as the master.
func measureJobs(ctx context.Context, s *settings, t *table) error {
	for _, level := range []wire.Level{2, 3} {
		rows := []row{
			{name: fmt.Sprintf("publication to last of %d minions, level %d", s.minions, level), unit: "ms wall"},
			{name: fmt.Sprintf("publication to last of %d returns acknowledged, level %d", s.minions, level), unit: "ms wall", aim: 500},
			{name: fmt.Sprintf("minion's share of a job, both ways, level %d", level), unit: "ms CPU"},
		}
		if err := s.jobs(ctx, level, rows); err != nil {
			return fmt.Errorf("level %d: %w", level, err)
		}
		for _, r := range rows {
			t.add(r)
		}
	}
	return nil
}

func (s *settings) jobs(ctx context.Context, level wire.Level, rows []row) (err error) {
	m, err := s.startMaster(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.stop()) }()
	sw, stopSwarm, err := m.startSwarm(ctx, swarm.Config{N: s.minions, Level: level})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopSwarm()) }()
	stopReading, err := m.readBus(ctx)
	if err != nil {
		return err
	}
	defer stopReading()
	control, err := dialPeer(m.request)
	if err != nil {
		return err
	}
	defer control.Close()
	jids := jid.NewGenerator(time.Now)
	for range s.repeat + 1 {
		id := jids.Next()
		var began time.Time
		var stats swarm.JobStats
		used, err := m.measure(func() error {
			began = time.Now()
			reply, err := m.publish(ctx, control, id, "*")
			if err != nil {
				return err
			}
			if len(reply.Minions) != s.minions {
				return fmt.Errorf("%d of %d minions matched", len(reply.Minions), s.minions)
			}
			wait, cancel := context.WithTimeout(ctx, readyTimeout)
			defer cancel()
			stats, err = sw.WaitJob(wait, id, s.minions, s.minions)
			return err
		})
		if err != nil {
			return err
		}
		rows[0].values = append(rows[0].values, milliseconds(stats.LastSeen.Sub(began)))
		rows[1].values = append(rows[1].values, milliseconds(stats.LastAcked.Sub(began)))
		rows[2].values = append(rows[2].values, milliseconds(used)/float64(s.minions))
	}
	for i := range rows { // the first job proved that everybody listens; it also opened the connections
		rows[i].values = rows[i].values[1:]
	}
	return nil
}

// startSwarm runs minions under m and returns when each is ready and subscribed.
func (m *master) startSwarm(ctx context.Context, cfg swarm.Config) (*swarm.Swarm, func() error, error) {
	cfg.Masters = []swarm.Master{{Host: "127.0.0.1", RetPort: m.retPort}}
	sw, err := swarm.New(cfg)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- sw.Run(ctx) }()
	stop := func() error { cancel(); return <-done }
	wait, cancelWait := context.WithTimeout(ctx, readyTimeout)
	defer cancelWait()
	if err := sw.WaitReady(wait, cfg.N); err != nil {
		return nil, nil, errors.Join(err, stop())
	}
	return sw, stop, nil
}
