package syndic

import (
	"context"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/redisdb/redistest"
	durable "github.com/saltern-io/saltern/internal/relay"
	"github.com/saltern-io/saltern/internal/wire"
)

// startTap runs a relay that taps a publisher into a Redis.
func startTap(t testing.TB, redis *redistest.Server, port int) *durable.Relay {
	t.Helper()
	cfg := config.DefaultRelay()
	cfg.ID, cfg.CacheDir, cfg.EventDir, cfg.Redis = "tap", t.TempDir(), "", redis.Config()
	cfg.Taps = []config.RelayTap{{Name: "mom", Host: "127.0.0.1", PublishPort: port}}
	r, err := durable.New(cfg, quiet())
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() { cancel(); must(t, <-done) })
	eventually(t, "the tap hears", func() bool {
		up := 0
		for _, section := range r.Status().Sections {
			for _, l := range section.Links {
				if l.Up {
					up++
				}
			}
		}
		return up == 2
	})
	return r
}

// relayed makes a syndic's configuration read the stream "mom" for its first upstream.
func relayed(cfg *config.Syndic, redis *redistest.Server) *config.Syndic {
	cfg.Relay = map[string]string{cfg.Upstreams[0].Entry: "mom"}
	cfg.Local.Redis = redis.Config()
	return cfg
}

// reading waits until the first upstream's stream is read.
func (r *running) reading(t testing.TB) *stream {
	t.Helper()
	s := r.upstreams[0].stream
	eventually(t, "the stream is read", func() bool { return s.follower.Stats().Up })
	return s
}

// ranBelow waits until a job has come back below.
func ranBelow(t testing.TB, local *top, jid string, n int) {
	t.Helper()
	eventually(t, "job "+jid+" below", func() bool { _, got := local.log.returns(jid); return got == n })
}

// TestStream_cuts: the direct link, Redis, both and the syndic itself are away around publications; each runs once, while
// one way is there at once, and the returns reach the master that asked.
func TestStream_cuts(t *testing.T) {
	redis := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	mom, local := startTop(t, 0, nil), startLocal(t)
	const minions = 3
	sw := runSwarm(t, local, minions)
	startTap(t, redis, mom.PublishPort)
	cut, up := cutLink(t, mom)
	cfg := relayed(testConfig(t, local, up), redis)
	s := run(t, cfg)
	s.reading(t)
	mom.ping(t, minions)
	before := executions(sw)
	var jids []string
	publish := func(n int) (list []string) {
		for range n {
			list = append(list, mom.publish(t, wire.PublishRequest{}))
		}
		jids = append(jids, list...)
		return list
	}
	wait := func(list []string) {
		for _, jid := range list {
			ranBelow(t, local, jid, minions)
		}
	}
	wait(publish(3)) // both ways
	cut.cut()
	s.await(t, 0, LinkAway)
	wait(publish(3)) // the stream alone
	redis.Kill()
	eventually(t, "the stream is away", func() bool { return !s.upstreams[0].stream.follower.Stats().Up })
	late := publish(3) // neither
	redis.Run()
	wait(late)
	redis.Kill()
	cut.heal()
	s.await(t, 0, LinkServing)
	wait(publish(3)) // the direct link alone
	redis.Run()
	s.reading(t)
	s.stop()
	missed := publish(3) // nobody
	s = run(t, cfg)
	wait(missed)
	for _, jid := range jids {
		mom.exactly(t, jid, minions)
	}
	st := s.reading(t)
	eventually(t, "the stream is at its end", func() bool { return st.follower.Stats().Entries > 0 })
	if n := executions(sw) - before; n != uint64(len(jids)*minions) {
		t.Errorf("%d executions of %d jobs by %d minions", n, len(jids), minions)
	}
	if u := s.Stats().Upstreams[0]; u.Unrecovered != 0 || s.Stats().Lost != 0 || local.log.count(TagMissed) != 0 {
		t.Errorf("%+v, %d reports", u, local.log.count(TagMissed))
	}
	s.balanced(t)
}

// TestStream_stock: what the direct link to a master without a journal misses, and the stream brings, is no loss; a new key
// of the master is met in the stream first.
func TestStream_stock(t *testing.T) {
	redis := redistest.Start(t)
	fake, local := startFake(t, func(cmd string, _ []byte) []byte {
		if cmd == wire.CmdSalternPubs || cmd == wire.CmdSalternInventory || cmd == wire.CmdMinionRunner {
			return []byte{0x80}
		}
		return nil
	}), startLocal(t)
	runSwarm(t, local, 1)
	port := portOf(t, fake.pubs.Addr())
	startTap(t, redis, port)
	up, pub := fake.up(), tap(t, "127.0.0.1", port)
	up.PublishPort = pub.port()
	s := run(t, relayed(testConfig(t, local, up), redis))
	s.reading(t)
	s.await(t, 0, LinkServing)
	fake.pings(10)
	pub.cut()
	s.await(t, 0, LinkAway)
	missed := []string{"20261120150000000091", "20261120150000000092", "20261120150000000093"}
	for _, jid := range missed {
		fake.publish(jid)
	}
	for _, jid := range missed {
		eventually(t, "return of "+jid, func() bool { return fake.returned(jid, "m0") })
	}
	pub.heal()
	s.await(t, 0, LinkServing)
	last := ""
	for i := range 200 { // the subscription is not confirmed
		last = "202611201500000010" + itoa(10+i)
		fake.publish(last)
		direct := s.Stats().Upstreams[0].Publications
		eventually(t, "return of "+last, func() bool { return fake.returned(last, "m0") })
		if s.Stats().Upstreams[0].Missed > 0 || s.Stats().Upstreams[0].Publications > direct {
			break
		}
	}
	eventually(t, "the gap is settled", func() bool { u := s.Stats().Upstreams[0]; return u.Missed >= 3 && u.Recovered == u.Missed })
	if n := local.log.count(TagMissed); n != 0 {
		t.Errorf("%d reports", n)
	}
	pub.cut()
	s.await(t, 0, LinkAway)
	fake.change()
	fake.publish("20261120150000002001")
	eventually(t, "return under the new key", func() bool { return fake.returned("20261120150000002001", "m0") })
}

// TestStream_tooOld: what the stream brings too late is reported by its job id, and not run.
func TestStream_tooOld(t *testing.T) {
	redis := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	mom, local := startTop(t, 0, nil), startLocal(t)
	runSwarm(t, local, 1)
	startTap(t, redis, mom.PublishPort)
	cut, up := cutLink(t, mom)
	cfg := relayed(testConfig(t, local, up), redis)
	cfg.ReplayMaxAge = time.Second
	s := run(t, cfg)
	s.reading(t)
	mom.ping(t, 1)
	cut.cut()
	s.await(t, 0, LinkAway)
	redis.Kill()
	jid := mom.publish(t, wire.PublishRequest{})
	published := time.Now()
	eventually(t, "it is too old", func() bool { return time.Since(published) > 2*cfg.ReplayMaxAge })
	redis.Run()
	eventually(t, "report", func() bool { return local.log.count(TagMissed) > 0 })
	data, err := wire.DecodeMap(local.log.last(TagMissed), wire.Local, wire.LoadLimits)
	if err != nil || data.Str("jid") != jid || data.Str("fun") != "test.ping" {
		t.Errorf("%v, %v", data, err)
	}
	if _, n := local.log.returns(jid); n != 0 {
		t.Error("the old job ran")
	}
}

func TestRing(t *testing.T) {
	r := newRing[int](3)
	for i := range 5 {
		r.add(i)
		r.add(i)
	}
	for i, want := range []bool{false, false, true, true, true} {
		if r.has(i) != want {
			t.Errorf("%d there: %v", i, !want)
		}
	}
}
