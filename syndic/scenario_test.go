package syndic

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/jobcache"
)

func itoa(n int) string { return strconv.Itoa(n) }

var _ = jobcache.Job{}

// TestTier_one runs the whole way: job down, list of minions and returns up.
func TestTier_one(t *testing.T) {
	mom, local := startTop(t, 0, nil), startLocal(t)
	runSwarm(t, local, 5)
	s := run(t, testConfig(t, local, mom.up()))
	s.await(t, 0, LinkServing)
	mom.ping(t, 5)

	jid := mom.publish(t, wire.PublishRequest{Tgt: "m[0-3]", TgtType: "glob", Fun: "test.ping", Kwargs: wire.NewMap("metadata", wire.NewMap("k", "v"))})
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
	if u := st.Upstreams[0]; u.Level != 3 || u.Refused != 0 || u.DroppedReturns != 0 || st.Lost != 0 || st.Dropped != 0 {
		t.Errorf("%+v", st)
	}
}
