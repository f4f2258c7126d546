package syndic

import (
	"testing"

	"github.com/saltern-io/saltern/internal/wire"
)

// Masters give job ids out by the clock, each by its own: two can give the same one to different jobs. Under one id the local
// master and its minions run one job, so the other is reported. The same job that comes round is no other.
func TestJobID_ofAnotherJob(t *testing.T) {
	mom, local := startTop(t, 0, nil), startLocal(t)
	runSwarm(t, local, 2)
	s := run(t, testConfig(t, local, mom.up()))
	mom.ping(t, 2)

	const id = "20261130033148056756"
	own := wire.PublishRequest{JID: id, Tgt: "m*", TgtType: "glob", Fun: "test.ping"}
	local.publish(t, own)
	local.exactly(t, id, 2)
	same := own
	mom.publish(t, same)
	eventually(t, "the same job is taken for the local one", func() bool { return s.Stats().Ignored == 1 })
	if n := local.log.count(TagMissed); n != 0 {
		t.Errorf("%d reports about the same job", n)
	}

	const second = "20261130033148056757"
	own.JID = second
	local.publish(t, own)
	local.exactly(t, second, 2)
	other := own
	other.Fun = "test.echo"
	other.Arg = []any{"x"}
	mom.publish(t, other)
	eventually(t, "report on the local bus", func() bool { return local.log.count(TagMissed) == 1 })
	data, err := wire.DecodeMap(local.log.last(TagMissed), wire.Local, wire.LoadLimits)
	if err != nil || data.Str("jid") != second || data.Str("fun") != "test.echo" {
		t.Errorf("%v, %v", data, err)
	}
	if _, n := mom.log.returns(second); n > 2 {
		t.Errorf("%d returns of two jobs under one id", n)
	}
}

// Two masters of masters that give one id to different jobs: the first runs, the other is reported and gets no returns.
func TestJobID_ofTwoUpstreams(t *testing.T) {
	a, b, local := startTop(t, 0, nil), startTop(t, 1, nil), startLocal(t)
	runSwarm(t, local, 2)
	run(t, testConfig(t, local, a.up(), b.up()))
	a.ping(t, 2)
	b.ping(t, 2)

	const id = "20261130033148056758"
	a.publish(t, wire.PublishRequest{JID: id, Tgt: "m*", TgtType: "glob", Fun: "test.ping"})
	a.exactly(t, id, 2)
	b.publish(t, wire.PublishRequest{JID: id, Tgt: "*", TgtType: "glob", Fun: "test.ping"})
	eventually(t, "report above", func() bool { return b.log.count("syndic/syn1/"+TagMissed) == 1 })
	if _, n := b.log.returns(id); n != 0 {
		t.Errorf("%d returns of the other's job", n)
	}
}
