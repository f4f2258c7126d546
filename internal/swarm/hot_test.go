package swarm

import (
	"fmt"
	"testing"
)

// startHot runs minions that belong to every master.
func startHot(t *testing.T, n int, masters ...*fakeMaster) *Swarm {
	t.Helper()
	s := startReady(t, masters[0], n, func(c *Config) {
		c.Hot = true
		for _, m := range masters[1:] {
			c.Masters = append(c.Masters, Master{Host: "127.0.0.1", RetPort: m.ret.port})
		}
	})
	for _, m := range masters[1:] {
		m.waitSubscribers(n)
	}
	return s
}

// TestSwarm_hot: minions of two masters run the jobs of both, a job of both once, and return it to the first.
func TestSwarm_hot(t *testing.T) {
	a, b := startFakeMaster(t), startFakeMaster(t)
	s := startHot(t, 5, a, b)
	if st := s.Stats(); st.Minions != 5 || st.Ready != 5 || st.SignIns != 10 {
		t.Errorf("%+v", st)
	}
	for i, m := range []*fakeMaster{a, b} {
		jid := m.publish(fmt.Sprintf("2026112014000000000%d", i), "glob", "*", "test.ping")
		if _, err := s.WaitJob(soon(t), jid, 5, 5); err != nil {
			t.Fatal(err)
		}
		if n, other := len(m.returns(jid)), len([]*fakeMaster{b, a}[i].returns(jid)); n != 5 || other != 0 {
			t.Errorf("job of master %d: %d returns there, %d at the other", i, n, other)
		}
	}
	jid := a.publish("20261120140000000009", "glob", "*", "test.ping")
	if _, err := s.WaitJob(soon(t), jid, 5, 5); err != nil {
		t.Fatal(err)
	}
	b.publish(jid, "glob", "*", "test.ping")
	if _, err := s.WaitJob(soon(t), jid, 10, 5); err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.Repeated != 5 || st.ReturnsSent != 15 || len(b.returns(jid)) != 0 {
		t.Errorf("%+v; %d returns at the second master", st, len(b.returns(jid)))
	}
}

// TestBody_forgets: after 100 other jobs a job is run again, as by a stock minion.
func TestBody_forgets(t *testing.T) {
	b := &body{legs: 1}
	jobs := make([]*job, rememberedJobs+1)
	for i := range jobs {
		jobs[i] = &job{}
		if !b.first(jobs[i]) {
			t.Errorf("job %d is known", i)
		}
	}
	if b.first(jobs[1]) || b.first(jobs[rememberedJobs]) || !b.first(jobs[0]) {
		t.Error("not the last 100 are remembered")
	}
}
