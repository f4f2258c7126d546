package syndic

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/swarm"
	"github.com/saltern-io/saltern/internal/wire"
)

// node is a master with minions of its own and a syndic.
type node struct {
	*top
	swarm  *swarm.Swarm
	syndic *running
	ups    []*node
}

// startNodes runs masters with minions; links makes each the syndic of others.
func startNodes(t testing.TB, n, minions int, links func(i int) []int) []*node {
	t.Helper()
	nodes := make([]*node, n)
	for i := range nodes {
		m := startTop(t, 0, nil)
		nodes[i] = &node{top: m, swarm: runSwarmAs(t, m, fmt.Sprintf("n%d-", i), minions)}
	}
	for i, node := range nodes {
		var ups []config.Upstream
		for _, j := range links(i) {
			ups = append(ups, nodes[j].up())
			node.ups = append(node.ups, nodes[j])
		}
		if len(ups) == 0 {
			continue
		}
		cfg := testConfig(t, node.top, ups...)
		cfg.ID = fmt.Sprint("syn", i)
		node.syndic = run(t, cfg)
	}
	for _, node := range nodes {
		for i := range node.ups {
			node.syndic.await(t, i, LinkServing)
		}
	}
	return nodes
}

// quiet waits until no syndic has anything left to send.
func quietNodes(t testing.TB, nodes []*node) {
	t.Helper()
	for _, n := range nodes {
		if n.syndic != nil {
			n.syndic.balanced(t)
		}
	}
}

// asks publishes from each of the nodes and wants every minion below to run each job once and to return once.
func asks(t testing.TB, nodes []*node, from []int, reach, jobs int) {
	t.Helper()
	for _, i := range from {
		nodes[i].ping(t, reach)
	}
	quietNodes(t, nodes)
	sent := func() (n uint64) {
		for _, n2 := range nodes {
			n += executions(n2.swarm)
		}
		return n
	}
	before := sent()
	jids := map[int][]string{}
	for range jobs {
		for _, i := range from {
			jids[i] = append(jids[i], nodes[i].publish(t, wire.PublishRequest{}))
		}
	}
	for i, list := range jids {
		for _, jid := range list {
			nodes[i].exactly(t, jid, reach)
		}
	}
	quietNodes(t, nodes)
	for i, list := range jids {
		for _, jid := range list {
			nodes[i].exactly(t, jid, reach)
			if n := nodes[i].log.count("salt/job/" + jid + "/publish"); n != 1 {
				t.Errorf("%s was published %d times at its origin", jid, n)
			}
		}
	}
	if n := sent() - before; n != uint64(len(from)*jobs*reach) {
		t.Errorf("%d executions, want %d", n, len(from)*jobs*reach)
	}
	for i, n := range nodes {
		st := n.Master.Stats()
		t.Logf("node %d: %d events, %d of them seen before, %d returns from syndics, %d returns seen before, %d publications came round",
			i, st.Events, st.EventsRepeated, st.SyndicRets, st.Duplicates, st.Repeated)
	}
}

func all(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

func others(n int) func(int) []int {
	return func(i int) (list []int) {
		for j := range n {
			if j != i {
				list = append(list, j)
			}
		}
		return list
	}
}

func TestMesh_three(t *testing.T) {
	nodes := startNodes(t, 3, 2, others(3))
	asks(t, nodes, all(3), 6, size(5, 50))
	eventsOnce(t, nodes)
}

func TestMesh_five(t *testing.T) {
	if !long {
		t.Skip("SALTERN_LONG is not set")
	}
	nodes := startNodes(t, 5, 2, others(5))
	asks(t, nodes, all(5), 10, 20)
	eventsOnce(t, nodes)
}

func TestMesh_ringOfFour(t *testing.T) {
	nodes := startNodes(t, 4, 1, func(i int) []int { return []int{(i + 1) % 4} })
	asks(t, nodes, all(4), 4, size(3, 30))
	eventsOnce(t, nodes)
}

func TestMesh_threeLevels(t *testing.T) {
	// 0 is the top, 1 and 2 the middle, 3 and 4 below 1.
	nodes := startNodes(t, 5, 1, func(i int) []int { return [][]int{nil, {0}, {0}, {1}, {1}}[i] })
	asks(t, nodes, []int{0}, 5, size(5, 50))
	fired := "my/app/tag"
	nodes[3].fireEvent(t, fired)
	top := "syndic/syn1/syndic/syn3/" + fired
	// With its prefixes, and the copy with the tag that it had below.
	eventually(t, "event at the top, and its copy", func() bool { return nodes[0].log.count(top) == 1 && nodes[0].log.count(fired) == 1 })
	quietNodes(t, nodes)
	if n := nodes[0].log.containing(fired); n != 2 {
		t.Errorf("%d events at the top", n)
	}
}

// fireEvent fires an event on the bus of a node.
func (n *node) fireEvent(t testing.TB, tag string) {
	t.Helper()
	if err := n.syndic.fire(t.Context(), newEvent(t, tag)); err != nil {
		t.Fatal(err)
	}
}

// eventsOnce fires one event at each node and wants it to reach every other one, and to die out.
func eventsOnce(t testing.TB, nodes []*node) {
	t.Helper()
	for i, n := range nodes {
		n.fireEvent(t, fmt.Sprintf("my/app/%d", i))
	}
	for i := range nodes {
		for j, n := range nodes {
			tag := fmt.Sprintf("my/app/%d", i)
			eventually(t, fmt.Sprintf("event of %d at %d", i, j), func() bool { return n.log.count(tag) > 0 })
		}
	}
	quietNodes(t, nodes)
	for i := range nodes {
		for j, n := range nodes {
			// At a node the event stands under one way with its prefix and as a copy without; where it began, only itself.
			tag, want := fmt.Sprintf("my/app/%d", i), 2
			if i == j {
				want = 1
			}
			if all, plain := n.log.containing(tag), n.log.count(tag); all != want || plain != 1 {
				t.Errorf("%d events of %d at %d, %d of them with the tag as it was", all, i, j, plain)
			}
		}
	}
}

// containing counts events whose tag ends like this.
func (l *busLog) containing(end string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for tag, c := range l.tags {
		if strings.HasSuffix(tag, end) {
			n += c
		}
	}
	return n
}

// executions counts the jobs that came to minions to be run: also those that a minion left alone because it had run
// them before. Nobody here may rely on that.
func executions(sw *swarm.Swarm) uint64 {
	st := sw.Stats()
	return st.ReturnsSent + st.Repeated
}

// TestMesh_sharedMinion: minions that belong to two masters at once, each with a syndic, under two masters of masters:
// every job comes to them twice and runs once, and the master of masters that asked gets one result of each.
func TestMesh_sharedMinion(t *testing.T) {
	const minions = 3
	a, b := startTop(t, 0, nil), startTop(t, 1, nil)
	locals := []*top{startLocal(t), startLocal(t)}
	sw := runSwarmUnder(t, "m", minions, locals...)
	var syndics []*running
	for i, local := range locals {
		cfg := testConfig(t, local, a.up(), b.up())
		cfg.ID = fmt.Sprint("syn", i)
		syndics = append(syndics, run(t, cfg))
	}
	for _, s := range syndics {
		s.await(t, 0, LinkServing)
		s.await(t, 1, LinkServing)
	}
	a.ping(t, minions)
	b.ping(t, minions)
	for _, s := range syndics {
		s.balanced(t)
	}
	before, jobs := sw.Stats(), size(5, 200)
	for i := range jobs {
		for m, other := range map[*top]*top{a: b, b: a} {
			jid := m.publish(t, wire.PublishRequest{})
			m.exactly(t, jid, minions)
			if i > 0 {
				continue
			}
			for _, s := range syndics {
				s.balanced(t)
			}
			m.exactly(t, jid, minions)
			if n, _ := other.log.returns(jid); n != 0 {
				t.Errorf("%d returns at the other", n)
			}
		}
	}
	eventually(t, "both ways have brought every job", func() bool { return executions(sw)-before.ReturnsSent-before.Repeated == uint64(2*2*jobs*minions) })
	if n := sw.Stats().ReturnsSent - before.ReturnsSent; n != uint64(2*jobs*minions) {
		t.Errorf("%d executions of %d jobs by %d minions", n, 2*jobs, minions)
	}
	for i, s := range syndics {
		s.balanced(t)
		for _, u := range s.Stats().Upstreams {
			t.Logf("syndic %d to %s: %d returns and events", i, u.Entry, u.Acknowledged)
		}
	}
}

// TestMesh_standby: the origin of a job goes away; another master of masters that delivered the job as well gets the
// returns, and the origin gets them, too, when it is back.
func TestMesh_standby(t *testing.T) {
	a, b, local := startTop(t, 0, nil), startTop(t, 1, nil), startLocal(t)
	sw := runSwarm(t, local, 3)
	cut, up := cutLink(t, a)
	cfg := testConfig(t, local, up, b.up())
	cfg.StandbyAfter, cfg.ReturnRetryTimerMax = 300*time.Millisecond, time.Second
	s := run(t, cfg)
	a.ping(t, 3)
	b.ping(t, 3)
	cut.req.cut() // publications come, returns do not go
	jid := a.publish(t, wire.PublishRequest{})
	eventually(t, "job below", func() bool { _, n := local.log.returns(jid); return n == 3 })
	before := executions(sw)
	b.publish(t, wire.PublishRequest{Tgt: "*", TgtType: "glob", Fun: "test.ping", JID: jid})
	b.exactly(t, jid, 3)
	cut.req.heal()
	a.exactly(t, jid, 3)
	if n := executions(sw) - before; n != 0 {
		t.Errorf("%d executions more", n)
	}
	s.balanced(t)
}
