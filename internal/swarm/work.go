package swarm

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/saltern-io/saltern/internal/wire"
)

const stampLayout = "2006-01-02T15:04:05.000000"

// work runs one job and returns its result.
func (m *minion) work(ctx context.Context, pub *publication) {
	s, c := m.swarm, &m.swarm.counters
	m.body.setRunning(pub, true)
	out, err := m.execute(ctx, pub)
	if err == nil && s.cfg.ReturnJitter > 0 {
		err = sleep(ctx, rand.N(s.cfg.ReturnJitter+1))
	}
	m.body.setRunning(pub, false)
	if err != nil {
		return // ctx ended
	}
	load, err := returnFields(m.id, pub.load, out, time.Now())
	if err != nil {
		c.returnsDropped.Add(1)
		s.cfg.Log.Warn("Result cannot be encoded", "minion", m.id, "jid", pub.jid, "err", err)
		return
	}
	c.returnsSent.Add(1)
	pub.job.note(func(st *JobStats) { st.Sent++ })
	_, err = m.request(ctx, load, s.cfg.ReturnTries, func() time.Duration {
		return between(s.cfg.ReturnTimer, s.cfg.ReturnTimerMax)
	})
	if err != nil {
		c.returnsDropped.Add(1)
		if !errors.Is(err, context.Canceled) {
			s.cfg.Log.Debug("Return dropped", "minion", m.id, "jid", pub.jid, "err", err)
		}
		return
	}
	now := time.Now()
	c.returnsAcked.Add(1)
	c.ret.observe(now.Sub(pub.firstSeen))
	pub.job.note(func(st *JobStats) {
		st.Acked++
		if now.After(st.LastAcked) {
			st.LastAcked = now
		}
	})
	if s.cfg.OnReturn != nil {
		s.cfg.OnReturn(pub.jid, m.index)
	}
}

// returnFields encodes what a stock minion returns, in its order (spec: master-functions §2.4).
func returnFields(id string, load *wire.Map, out outcome, now time.Time) (*fields, error) {
	f := &fields{raw: make([]byte, 0, 256)}
	f.str("cmd", wire.CmdReturn)
	f.str("id", id)
	var err error
	set := func(key string, val any) {
		if err == nil {
			err = f.any(key, val)
		}
	}
	if out.compound {
		set("return", out.ret)
		set("retcode", out.retcode)
		set("success", out.success)
	} else {
		set("success", out.success)
		set("return", out.ret)
		set("retcode", out.retcode)
		if out.out != "" {
			f.str("out", out.out)
		}
	}
	for _, key := range []struct{ wire, from string }{
		{"jid", "jid"}, {"fun", "fun"}, {"fun_args", "arg"}, {"user", "user"}, {"metadata", "metadata"},
	} {
		if val, ok := load.Get(key.from); ok {
			set(key.wire, val)
		}
	}
	f.str("_stamp", now.UTC().Format(stampLayout))
	return f, err
}
