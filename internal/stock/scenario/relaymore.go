package scenario

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/saltern-io/saltern/internal/stock"
)

// more are the steps with a second tap, with a stream that is lost, and with a tap that opens what it hears. The
// direct way is cut while the stream is what a step is about.
func (r *relayed) more() []Step {
	return []Step{
		{Name: "two taps", Run: r.twoTaps, Limit: r.limit()},
		{Name: "Redis flushed", Run: r.redisFlushed, Limit: r.limit()},
		{Name: "Redis without its data", Run: r.redisEmpty, Limit: r.limit()},
		{Name: "Redis with older data", Run: r.redisOlder, Limit: r.limit()},
		{Name: "tap that opens, cut", Run: r.openingTapCut, Limit: r.limit()},
	}
}

// limit is the time of a step: the long form publishes a hundred jobs around a minute.
func (r *relayed) limit() time.Duration {
	if r.column.Long {
		return 20 * time.Minute
	}
	return 0
}

// twoTaps has a second tap write the same stream, and then go: each job runs once.
func (r *relayed) twoTaps(ctx context.Context, b *Bench) error {
	if err := r.begin(ctx, b); err != nil {
		return err
	}
	dir, err := r.write(b, "tap-b", fmt.Sprintf("taps: [{master: %s, name: %s, publish_port: %d}]", r.top.address, relayStream, r.top.publish))
	if err != nil {
		return err
	}
	second, err := b.start("tap-b", r.column.Saltern, stock.Relay, dir)
	if err != nil {
		return err
	}
	if err := r.linkedIn(ctx, b, dir); err != nil {
		return errors.Join(err, b.stop(second))
	}
	_, err = r.around(ctx, b, r.cut, func() error { return errors.Join(b.stop(second), r.heal()) }, r.allRan)
	return err
}

// redisFlushed empties Redis under the outlet's feet.
func (r *relayed) redisFlushed(ctx context.Context, b *Bench) error {
	_, err := r.around(ctx, b, func() error { return errors.Join(r.cut(), r.redis.flush(ctx)) }, r.heal, nil)
	return err
}

// redisEmpty kills Redis and brings it back without what it held.
func (r *relayed) redisEmpty(ctx context.Context, b *Bench) error {
	_, err := r.around(ctx, b, func() error { return errors.Join(r.cut(), r.redis.kill(), r.redis.restore("")) },
		func() error { return errors.Join(r.redis.start(ctx), r.heal()) }, nil)
	return err
}

// redisOlder kills Redis and brings it back with what it held some jobs ago.
func (r *relayed) redisOlder(ctx context.Context, b *Bench) error {
	if err := r.begin(ctx, b); err != nil {
		return err
	}
	saved := filepath.Join(b.Dir, "redis-saved")
	if err := errors.Join(r.redis.kill(), r.redis.save(saved), r.redis.start(ctx)); err != nil {
		return err
	}
	if err := r.linked(ctx, b); err != nil {
		return err
	}
	_, err := r.around(ctx, b, func() error { return errors.Join(r.cut(), r.redis.kill(), r.redis.restore(saved)) },
		func() error { return errors.Join(r.redis.start(ctx), r.heal()) }, nil)
	return err
}

// openingTapCut replaces the tap by one with an accepted key of its own, and cuts its way and the direct one while jobs are
// published: nobody hears them, and the next job tells how many they were.
func (r *relayed) openingTapCut(ctx context.Context, b *Bench) error {
	if err := r.begin(ctx, b); err != nil {
		return err
	}
	way := r.tapWay
	dir, err := r.write(b, "tap-opens", fmt.Sprintf("taps: [{master: %s, name: %s, publish_port: %d, ret_port: %d, minion_id: tap1, pki_dir: %s}]",
		relayTapWay, relayStream, r.top.publish, r.top.request, filepath.Join(b.Dir, "tap-opens", "pki")))
	if err != nil {
		return err
	}
	if err := b.stop(r.tap); err != nil {
		return err
	}
	opens, err := b.start("tap-opens", r.column.Saltern, stock.Relay, dir)
	if err != nil {
		return err
	}
	defer func() { way.set(stock.Passing) }()
	if err := r.top.waitPending(ctx, opens, "tap1"); err != nil {
		return err
	}
	if _, err := r.top.accept(ctx, r.column.Salt, "tap1"); err != nil {
		return err
	}
	if err := r.linkedIn(ctx, b, dir); err != nil {
		return err
	}
	before, err := r.publishes(ctx, 2)
	if err != nil {
		return err
	}
	if err := r.allRan(ctx, before); err != nil {
		return fmt.Errorf("before: %w", err)
	}
	if err := r.low.read(ctx); err != nil {
		return err
	}
	r.told = len(r.low.tally.missed)
	way.set(stock.Cut)
	r.direct.set(stock.Cut)
	lost, err := r.publishes(ctx, 3)
	way.set(stock.Passing)
	if err != nil {
		return errors.Join(err, r.heal())
	}
	if err := r.linkedIn(ctx, b, dir); err != nil {
		return errors.Join(err, r.heal())
	}
	after, err := r.publishes(ctx, 2)
	if err := errors.Join(err, r.heal()); err != nil {
		return err
	}
	if err := r.allRan(ctx, after); err != nil {
		return fmt.Errorf("after: %w", err)
	}
	err = r.accounted(ctx, b, append(append(before, lost...), after...))
	// A saltern syndic sees the same loss: one of both reports it.
	reported := r.low.tally.reported(relayStream, r.told) + r.low.tally.reported(relayLowWay, r.told)
	if err == nil && reported != len(lost) {
		err = fmt.Errorf("%d publications were reported, %d were missed", reported, len(lost))
	}
	return errors.Join(err, b.stop(opens), r.startTap(b))
}

// flush empties the server.
func (r *redisServer) flush(ctx context.Context) error {
	return r.command(ctx, "FLUSHALL")
}

// save copies what a stopped server has.
func (r *redisServer) save(to string) error {
	return os.CopyFS(to, os.DirFS(r.dir))
}

// restore gives a stopped server what was saved, or nothing.
func (r *redisServer) restore(from string) error {
	if err := os.RemoveAll(r.dir); err != nil {
		return err
	}
	if from == "" {
		return os.MkdirAll(r.dir, 0o700)
	}
	return os.CopyFS(r.dir, os.DirFS(from))
}
