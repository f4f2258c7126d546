package syndic

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/signin"
	"github.com/saltern-io/saltern/internal/wire"
)

func itoa(n int) string { return strconv.Itoa(n) }

// TestTier_one runs the whole way: job down, list of minions and returns up.
func TestTier_one(t *testing.T) {
	mom, local := startTop(t, 0, nil), startLocal(t)
	runSwarm(t, local, 5)
	s := run(t, testConfig(t, local, mom.up()))
	s.await(t, 0, LinkServing)
	mom.ping(t, 5)

	jid := mom.publish(t, wire.PublishRequest{
		Tgt: "m[0-3]", TgtType: "glob", Fun: "test.ping", Kwargs: wire.NewMap("metadata", wire.NewMap("k", "v")),
	})
	eventually(t, "four returns", func() bool { _, n := mom.log.returns(jid); return n == 4 })
	for _, tag := range []string{"syndic/syn1/" + jid, "syndic/syn1/salt/job/" + jid + "/new"} {
		if mom.log.count(tag) != 1 {
			t.Errorf("%d events %s", mom.log.count(tag), tag)
		}
	}
	for _, tag := range []string{"syndic_start", "salt/syndic/syn1/start"} {
		eventually(t, tag, func() bool { return mom.log.count(tag) == 1 })
	}
	if events, _ := mom.log.returns(jid); events != 4 {
		t.Errorf("%d return events", events)
	}
	// The local master's publication has what stock would have lost.
	pub, err := wire.DecodeMap(local.log.last("salt/job/"+jid+"/publish"), wire.Local, wire.LoadLimits)
	if err != nil || pub.Map("metadata").Str("k") != "v" {
		t.Errorf("publication below: %v, %v", pub, err)
	}
	if _, err := os.Stat(filepath.Join(mom.Config.CacheDir, "syndics", "syn1")); err != nil {
		t.Errorf("the syndic is not registered: %v", err)
	}
	eventually(t, "pillar request", func() bool { return mom.Master.Stats().Commands["_pillar"] == 1 })

	// A job of the local master goes up as well.
	own := local.publish(t, wire.PublishRequest{})
	eventually(t, "returns of a local job", func() bool { _, n := mom.log.returns(own); return n == 5 })

	st := s.Stats()
	if u := st.Upstreams[0]; u.Level != 3 || u.Refused != 0 || u.DroppedFull != 0 || st.Lost != 0 || st.Dropped != 0 {
		t.Errorf("%+v", st)
	}
	s.stop()
}

// TestTier_two: each job's returns arrive exactly at the master of masters that published it, with no
// master_id set anywhere.
func TestTier_two(t *testing.T) {
	a, b, local := startTop(t, 0, nil), startTop(t, 1, nil), startLocal(t)
	const minions, jobs = 6, 25
	runSwarm(t, local, minions)
	s := run(t, testConfig(t, local, a.up(), b.up()))
	a.ping(t, minions)
	b.ping(t, minions)
	jids := map[*top][]string{}
	for range jobs {
		for _, m := range []*top{a, b} {
			jids[m] = append(jids[m], m.publish(t, wire.PublishRequest{}))
		}
	}
	for m, other := range map[*top]*top{a: b, b: a} {
		for _, jid := range jids[m] {
			eventually(t, "returns of "+jid, func() bool { _, n := m.log.returns(jid); return n == minions })
			if events, _ := m.log.returns(jid); events != minions {
				t.Errorf("%d return events of %s", events, jid)
			}
			if events, _ := other.log.returns(jid); events != 0 {
				t.Errorf("%d return events of %s at the other", events, jid)
			}
		}
	}
	// A local job goes to one of them.
	own := local.publish(t, wire.PublishRequest{})
	eventually(t, "a local job's returns", func() bool {
		_, na := a.log.returns(own)
		_, nb := b.log.returns(own)
		return na == minions && nb == 0 || na == 0 && nb == minions
	})
	if st := s.Stats(); st.Repeated != 0 || st.Lost != 0 {
		t.Errorf("%+v", st)
	}
}

// TestTier_momRestarted: with the keys it had, and with new ones.
func TestTier_momRestarted(t *testing.T) {
	mom, local := startTop(t, 0, nil), startLocal(t)
	runSwarm(t, local, 3)
	s := run(t, testConfig(t, local, mom.up()))
	mom.ping(t, 3)
	for round, between := range []func(){
		nil,
		func() { // a master that forgets its shared and session keys
			for _, dir := range []string{filepath.Join(mom.Config.CacheDir, "saltern", "aes"), filepath.Join(mom.Config.CacheDir, "sessions")} {
				if err := os.RemoveAll(dir); err != nil {
					t.Fatal(err)
				}
			}
		},
	} {
		mom.restart(t, between)
		start := "salt/syndic/syn1/start"
		began := time.Now()
		eventually(t, "start events", func() bool { return mom.log.count(start) == round+2 })
		mom.ping(t, 3)
		t.Logf("complete answer %v after the master of masters listened again", time.Since(began).Round(time.Millisecond))
		if n := mom.log.count(start); n != round+2 {
			t.Errorf("%d start events after %d restarts", n, round+1)
		}
	}
	if u := s.Stats().Upstreams[0]; u.State != LinkServing {
		t.Errorf("%+v", u)
	}
	s.balanced(t)
}

// TestTier_keysRotated: requests and publications meet new keys without a reconnect.
func TestTier_keysRotated(t *testing.T) {
	mom, local := startTop(t, 0, nil), startLocal(t)
	runSwarm(t, local, 2)
	s := run(t, testConfig(t, local, mom.up()))
	mom.ping(t, 2)
	// The syndic forgets: what it has is not what the master has.
	for range 2 {
		old := s.upstreams[0].creds.Load()
		stale := *old
		stale.Shared, stale.Session = newCipher(t), newCipher(t)
		s.upstreams[0].creds.Store(&stale)
		if tries := mom.ping(t, 2); tries != 1 {
			t.Errorf("%d publications until one was answered", tries)
		}
	}
	if n := mom.log.count("salt/syndic/syn1/start"); n != 1 {
		t.Errorf("%d start events", n)
	}
}

func TestTier_localRestarted(t *testing.T) {
	mom, local := startTop(t, 0, nil), startLocal(t)
	runSwarm(t, local, 3)
	s := run(t, testConfig(t, local, mom.up()))
	mom.ping(t, 3)
	var waiting string
	local.restart(t, func() {
		// A master that makes a new local key, and a job that comes while it is away.
		for _, f := range []string{"." + local.Config.User + "_key"} {
			if err := os.Remove(filepath.Join(local.Config.CacheDir, f)); err != nil {
				t.Fatal(err)
			}
		}
		waiting = mom.publish(t, wire.PublishRequest{})
	})
	began := time.Now()
	eventually(t, "the waiting job is announced below", func() bool { return mom.log.count("syndic/syn1/"+waiting) == 1 })
	mom.ping(t, 3)
	t.Logf("complete answer %v after the local master listened again", time.Since(began).Round(time.Millisecond))
	if st := s.Stats(); st.Lost != 0 || st.Upstreams[0].State != LinkServing {
		t.Errorf("%+v", st)
	}
}

func TestTier_pendingThenAccepted(t *testing.T) {
	mom := startTop(t, 0, func(c *config.Master) { c.AutoAccept = false })
	local := startLocal(t)
	runSwarm(t, local, 2)
	s := run(t, testConfig(t, local, mom.up()))
	s.await(t, 0, LinkPending)
	pki := mom.Config.PKIDir
	if err := os.Rename(filepath.Join(pki, "minions_pre", "syn1"), filepath.Join(pki, "minions", "syn1")); err != nil {
		t.Fatal(err)
	}
	s.await(t, 0, LinkServing)
	mom.ping(t, 2)

	// Its key is taken away: the link says so as soon as it signs in again.
	if err := os.Rename(filepath.Join(pki, "minions", "syn1"), filepath.Join(pki, "minions_rejected", "syn1")); err != nil {
		t.Fatal(err)
	}
	mom.restart(t, nil)
	s.await(t, 0, LinkRefused)
	if err := os.Rename(filepath.Join(pki, "minions_rejected", "syn1"), filepath.Join(pki, "minions", "syn1")); err != nil {
		t.Fatal(err)
	}
	s.await(t, 0, LinkServing)
	mom.ping(t, 2)
}

// TestTier_wrongKeyAndDead: one master of masters shows another key than the pinned one, one is not there
// at all; neither disturbs the third.
func TestTier_wrongKeyAndDead(t *testing.T) {
	wrong, good, local := startTop(t, 1, nil), startTop(t, 0, nil), startLocal(t)
	runSwarm(t, local, 2)
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer nobody.Close() // takes connections, never answers
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	silent := config.Upstream{Host: "127.0.0.1", Port: nobody.Addr().(*net.TCPAddr).Port, Entry: "silent"}
	dead := config.Upstream{Host: "127.0.0.1", Port: closed.Addr().(*net.TCPAddr).Port, Entry: "dead"}
	cfg := testConfig(t, local, wrong.up(), silent, dead, good.up())
	p := signin.Pins{Dir: cfg.PKIDir}
	if err := os.WriteFile(p.Path(wrong.up().Host, wrong.up().Port), testKeys()[0].Public().PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	s := run(t, cfg)
	s.await(t, 0, LinkRefused)
	s.await(t, 3, LinkServing)
	good.ping(t, 2)
	var jid string
	for range 10 {
		jid = good.publish(t, wire.PublishRequest{})
		eventually(t, "returns", func() bool { _, n := good.log.returns(jid); return n == 2 })
	}
	st := s.Stats()
	if st.Upstreams[1].State != LinkDown || st.Upstreams[2].State != LinkDown || st.Upstreams[0].State != LinkRefused {
		t.Errorf("%+v", st)
	}
	local.publish(t, wire.PublishRequest{}) // its announcement is for all
	eventually(t, "a local job waits for the dead one", func() bool { return s.Stats().Upstreams[2].Waiting > 0 })
	if pinned, err := p.Load(good.up().Host, good.up().Port); err != nil || !pinned.Equal(testKeys()[0].Public()) {
		t.Errorf("pin of the good one: %v, %v", pinned, err)
	}
}

// TestTier_cutLink cuts both connections while jobs return: everything arrives, nothing twice.
func TestTier_cutLink(t *testing.T) {
	mom, local := startTop(t, 0, nil), startLocal(t)
	const minions = 10
	runSwarm(t, local, minions)
	req, pub := tap(t, mom.Host, mom.RetPort), tap(t, mom.Host, mom.PublishPort)
	s := run(t, testConfig(t, local, config.Upstream{Host: "127.0.0.1", Port: req.port(), PublishPort: pub.port(), Entry: "mom"}))
	mom.ping(t, minions)
	var jids []string
	for i := range 10 {
		jids = append(jids, mom.publish(t, wire.PublishRequest{}))
		if i%3 == 1 { // once the publication is down, its returns meet a cut
			eventually(t, "handed down", func() bool { return local.log.count("salt/job/"+jids[i]+"/new") == 1 })
			req.cut()
			eventually(t, "returns below", func() bool { _, n := local.log.returns(jids[i]); return n == minions })
			req.heal()
		}
	}
	for _, jid := range jids {
		eventually(t, "returns", func() bool { _, n := mom.log.returns(jid); return n == minions })
		if events, _ := mom.log.returns(jid); events != minions {
			t.Errorf("%d return events of %s", events, jid)
		}
	}
	starts := mom.log.count("salt/syndic/syn1/start")
	pub.cut()
	s.await(t, 0, LinkAway)
	pub.heal()
	s.await(t, 0, LinkServing)
	eventually(t, "start events", func() bool { return mom.log.count("salt/syndic/syn1/start") == starts+1 })
	mom.ping(t, minions)
	if st := s.Stats(); st.Dropped != 0 || st.Upstreams[0].Refused != 0 {
		t.Errorf("%+v", st)
	}
}

// TestTier_portMoved: the master of masters comes back with another publish port.
func TestTier_portMoved(t *testing.T) {
	mom, local := startTop(t, 0, nil), startLocal(t)
	runSwarm(t, local, 1)
	s := run(t, testConfig(t, local, mom.up()))
	mom.ping(t, 1)
	mom.PublishPort = 0 // the next life takes a free one
	mom.restart(t, nil)
	mom.ping(t, 1)
	s.await(t, 0, LinkServing)
}

// TestRun_drains: what is queued at the end still goes up.
func TestRun_drains(t *testing.T) {
	mom, local := startTop(t, 0, nil), startLocal(t)
	cfg := testConfig(t, local, mom.up())
	s := run(t, cfg)
	s.await(t, 0, LinkServing)
	const n = 5000
	data, err := wire.Encode(wire.NewMap("x", 1), wire.Wire)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		s.intake.put(Routed{Item: Item{Event: Event{Tag: fmt.Sprintf("my/%d", i), Data: data}}, To: 1})
	}
	s.stop()
	eventually(t, "the last event", func() bool { return mom.log.count(fmt.Sprintf("my/%d", n-1)) == 1 })
}

func TestNew_refusesItself(t *testing.T) {
	local := startLocal(t)
	cfg := testConfig(t, local, local.up())
	if s, err := New(cfg, quiet()); err == nil {
		t.Errorf("%v made", s)
	}
	// By name it is found out when the link is made.
	const name = "mom.example.org"
	cfg.Upstreams = []config.Upstream{{Host: name, Port: local.RetPort, Entry: name}}
	s := run(t, cfg, func(s *Syndic) {
		s.upstreams[0].lookup = func(_ context.Context, host string) ([]string, error) {
			if host != name {
				return nil, fmt.Errorf("no address of %q", host)
			}
			return []string{"127.0.0.1"}, nil
		}
	})
	s.await(t, 0, LinkRefused)
	if n := local.Master.Stats().SignIns; n != 0 {
		t.Errorf("%d sign-ins at the own master", n)
	}
}
