package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/saltern-io/saltern/internal/event"
	"github.com/saltern-io/saltern/internal/jid"
	"github.com/saltern-io/saltern/internal/wire"
)

// measureReturns has every peer return published jobs, each return once, with one local client on the event
// bus: opened, proven, stored and synced, announced, acknowledged.
func measureReturns(ctx context.Context, s *settings, t *table) error {
	for _, row := range []row{
		{name: "return, level 2", unit: "ms CPU", aim: 0.06},
		{name: "return, level 3", unit: "ms CPU", aim: 0.10},
	} {
		level := wire.Level(2)
		if row.aim == 0.10 {
			level = 3
		}
		row.floor = t.floors.echo + t.floors.box
		if err := s.returns(ctx, level, &row); err != nil {
			return fmt.Errorf("level %d: %w", level, err)
		}
		t.add(row)
	}
	return nil
}

func (s *settings) returns(ctx context.Context, level wire.Level, r *row) (err error) {
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
	for range s.repeat {
		batch, err := f.prepareReturns(ctx, control, jids)
		if err != nil {
			return err
		}
		used, err := m.measure(func() error { return f.sendReturns(batch) })
		if err != nil {
			return err
		}
		r.values = append(r.values, milliseconds(used)/float64(rounds*len(f.minion)))
	}
	return nil
}

// prepared is one sealed return.
type prepared struct {
	body  []byte
	nonce string
}

// prepareReturns publishes a job per round and seals every minion's return of it.
func (f *fleet) prepareReturns(ctx context.Context, control *peer, jids *jid.Generator) ([][]prepared, error) {
	batch := make([][]prepared, len(f.minion))
	for range rounds {
		id := jids.Next()
		if _, err := f.master.publish(ctx, control, id, "*"); err != nil {
			return nil, err
		}
		for i := range f.minion {
			body, nonce, err := f.returnBody(&f.minion[i], id, time.Now())
			if err != nil {
				return nil, err
			}
			batch[i] = append(batch[i], prepared{body, nonce})
		}
	}
	return batch, nil
}

func (f *fleet) sendReturns(batch [][]prepared) error {
	return together(len(f.minion), func(i int) error {
		m := &f.minion[i]
		for _, one := range batch[i] {
			reply, err := m.do(one.body)
			if err != nil {
				return err
			}
			if err := f.acknowledged(m, reply, one.nonce); err != nil {
				return err
			}
		}
		return nil
	})
}

// readBus reads every event, as a waiting client does, until stop is called.
func (m *master) readBus(ctx context.Context) (stop func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	reader, err := event.Dial(ctx, filepath.Join(m.dir, "s", event.PubSocket))
	if err != nil {
		cancel()
		return nil, err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			if _, err := reader.Next(ctx); err != nil {
				return
			}
		}
	}()
	return func() { cancel(); <-done; reader.Close() }, nil
}
