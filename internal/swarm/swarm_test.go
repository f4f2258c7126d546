package swarm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/wire"
)

func TestSwarm_pingAtBothLevels(t *testing.T) {
	for _, level := range []wire.Level{2, 3} {
		t.Run(fmt.Sprint(level), func(t *testing.T) {
			master := startFakeMaster(t)
			var seen, acked atomic.Int64
			s := startReady(t, master, 20, func(c *Config) {
				c.Level = level
				c.OnPublication = func(string, int) { seen.Add(1) }
				c.OnReturn = func(string, int) { acked.Add(1) }
			})
			jid := master.publish("20261120140005546255", "glob", "m*", "test.ping")
			job, err := s.WaitJob(soon(t), jid, 20, 20)
			if err != nil {
				t.Fatal(err)
			}
			if job.Targeted != 20 || job.Sent != 20 || job.FirstSeen.IsZero() || job.LastAcked.Before(job.FirstSeen) {
				t.Errorf("%+v", job)
			}
			returns := master.returns(jid)
			if len(returns) != 20 || seen.Load() != 20 || acked.Load() != 20 {
				t.Fatalf("%d returns, hooks %d and %d", len(returns), seen.Load(), acked.Load())
			}
			for id, r := range returns {
				if ret, _ := r.Get("return"); ret != true || r.Str("fun") != "test.ping" || !r.Bool("success") {
					t.Errorf("%s: %v", id, ret)
				}
			}
			st := s.Stats()
			if st.SignIns != 20 || st.Reauths != 0 || st.ReturnsAcked != 20 || st.Ready != 20 || st.Return.Count != 20 {
				t.Errorf("%+v", st)
			}
		})
	}
}

func TestSwarm_targets(t *testing.T) {
	master := startFakeMaster(t)
	s := startReady(t, master, 12, nil)
	for i, c := range []struct {
		kind string
		tgt  any
		want int
	}{
		{"glob", "m1*", 3},
		{"list", []any{"m3", "m7", "other"}, 2},
		{"list", "m3,m7", 2},
		{"pcre", "m[0-4]$", 5},
		{"grain", "os:Debian", 0},
		{"glob", "none", 0},
	} {
		jid := master.publish(fmt.Sprintf("2026112014000554625%d", i), c.kind, c.tgt, "test.ping")
		job, err := s.WaitJob(soon(t), jid, 12, c.want)
		if err != nil {
			t.Fatal(err)
		}
		if job.Targeted != c.want {
			t.Errorf("%s %v: %d targeted, want %d", c.kind, c.tgt, job.Targeted, c.want)
		}
	}
	if st := s.Stats(); st.Untargetable != 12 {
		t.Errorf("%d publications of an unknown kind", st.Untargetable)
	}
}

func TestSwarm_functions(t *testing.T) {
	master := startFakeMaster(t)
	s := startReady(t, master, 1, func(c *Config) { c.ReturnBytes = 100 })
	run := func(fun any, arg ...any) *wire.Map {
		t.Helper()
		jid := master.publish(fmt.Sprintf("20261120150000%06d", master.serial), "glob", "*", fun, arg...)
		if _, err := s.WaitJob(soon(t), jid, 1, 1); err != nil {
			t.Fatal(err)
		}
		return master.returns(jid)["m0"]
	}
	if r := run("cmd.run", "uptime"); len(r.Str("return")) != 100 || !strings.HasPrefix(r.Str("return"), "m0 ran: uptime\n") {
		t.Errorf("cmd.run: %q", r.Str("return"))
	}
	if r := run("test.echo", "hello"); r.Str("return") != "hello" {
		t.Errorf("test.echo: %v", r)
	}
	if r := run("grains.items"); r.Map("return").Str("id") != "m0" {
		t.Errorf("grains.items: %v", r)
	}
	arg := run("test.arg", int64(1), wire.NewMap("__kwarg__", true, "k", "v")).Map("return")
	if got := arg.List("args"); len(got) != 1 || got[0] != int64(1) || arg.Map("kwargs").Str("k") != "v" ||
		arg.Map("kwargs").Str("__pub_fun") != "test.arg" || arg.Map("kwargs").Has("__kwarg__") {
		t.Errorf("test.arg: %v %v", got, arg.Map("kwargs"))
	}
	if r := run("no.such"); r.Str("return") != "'no.such' is not available." || r.Int("retcode") != 1 || r.Bool("success") || r.Str("out") != "nested" {
		t.Errorf("unknown function: %v", r)
	}
	if r := run("test.echo"); r.Bool("success") || r.Int("retcode") != 1 {
		t.Errorf("missing argument: %v", r)
	}
	both := run([]any{"test.ping", "test.echo"}, []any{}, []any{"xx"})
	if both.Map("return").Str("test.echo") != "xx" || both.Map("retcode").Len() != 2 || !both.Map("success").Bool("test.ping") {
		t.Errorf("compound: %v", both)
	}
	if r := run("saltutil.find_job", "20260101000000000000"); r.Map("return").Len() != 0 || r.Bool("success") != true {
		t.Errorf("find_job of nothing: %v", r)
	}
}

func TestSwarm_findJobWhileItRuns(t *testing.T) {
	master := startFakeMaster(t)
	s := startReady(t, master, 1, nil)
	long := master.publish("20261120140000000001", "glob", "*", "test.sleep", int64(3600))
	find := master.publish("20261120140000000002", "list", []any{"m0"}, "saltutil.find_job", long)
	// Both start at once, so the record may not be there for the first question.
	for i := 3; ; i++ {
		if _, err := s.WaitJob(soon(t), find, 1, 1); err != nil {
			t.Fatal(err)
		}
		record := master.returns(find)["m0"].Map("return")
		if record.Len() > 0 {
			if record.Str("jid") != long || record.Str("fun") != "test.sleep" || record.Int("pid") == 0 || record.Has("serial") {
				t.Errorf("%v", record)
			}
			return
		}
		find = master.publish(fmt.Sprintf("20261120140000%06d", i), "list", []any{"m0"}, "saltutil.find_job", long)
	}
}

func TestSwarm_startSequence(t *testing.T) {
	for _, level := range []wire.Level{2, 3} {
		master := startFakeMaster(t)
		startReady(t, master, 2, func(c *Config) { c.StartSequence, c.Level = true, level })
		got := map[string]int{}
		master.set(func() {
			for _, l := range master.loads {
				got[l.Str("cmd")+" "+l.Str("tag")]++
			}
		})
		for _, want := range []string{"_pillar ", "_minion_event minion_start"} {
			if got[want] != 2 {
				t.Errorf("level %d: %q %d times", level, want, got[want])
			}
		}
		if got["_minion_event salt/minion/m0/start"] != 1 {
			t.Errorf("level %d: %v", level, got)
		}
	}
}

func TestSwarm_keyRotation(t *testing.T) {
	for _, level := range []wire.Level{2, 3} {
		master := startFakeMaster(t)
		s := startReady(t, master, 5, func(c *Config) { c.Level = level })
		master.rotate()
		jid := master.publish("20261120140005546255", "glob", "*", "test.ping")
		if _, err := s.WaitJob(soon(t), jid, 5, 5); err != nil {
			t.Fatal(err)
		}
		if st := s.Stats(); st.Reauths != 5 || st.PublicationsFailed != 0 {
			t.Errorf("level %d: %+v", level, st)
		}
		if master.tokens != 5 {
			t.Errorf("%d challenges, want one for each minion that knew the master", master.tokens)
		}
	}
}

func TestSwarm_sessionReplaced(t *testing.T) {
	master := startFakeMaster(t)
	s := startReady(t, master, 3, nil)
	master.set(func() { clear(master.sessions) })
	jid := master.publish("20261120140005546255", "glob", "*", "test.ping")
	if _, err := s.WaitJob(soon(t), jid, 3, 3); err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.Reauths != 3 || st.Retries != 3 || st.ReturnsSent != 3 {
		t.Errorf("%+v", st)
	}
}

func TestSwarm_lostReplyIsRetried(t *testing.T) {
	master := startFakeMaster(t)
	s := startReady(t, master, 1, func(c *Config) { c.ReturnTimer, c.ReturnTimerMax = 20*time.Millisecond, 30*time.Millisecond })
	master.set(func() { master.mute = 2 })
	jid := master.publish("20261120140005546255", "glob", "*", "test.ping")
	if _, err := s.WaitJob(soon(t), jid, 1, 1); err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.Retries < 2 || st.ReturnsDropped != 0 {
		t.Errorf("%+v", st)
	}
	master.set(func() { master.mute = 1 << 30 })
	master.publish("20261120140005546256", "glob", "*", "test.ping")
	eventually(t, func() bool { return s.Stats().ReturnsDropped == 1 })
}

func TestSwarm_reconnects(t *testing.T) {
	master := startFakeMaster(t)
	s := startReady(t, master, 5, nil)
	master.cut()
	eventually(t, func() bool { return s.Stats().Disconnects >= 10 })
	if err := s.WaitReady(soon(t), 5); err != nil {
		t.Fatal(err)
	}
	master.waitSubscribers(5)
	jid := master.publish("20261120140005546255", "glob", "*", "test.ping")
	if _, err := s.WaitJob(soon(t), jid, 5, 5); err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.SignIns != 5 {
		t.Errorf("%d sign-ins: TCP coming back is no reason for one", st.SignIns)
	}
}

func TestSwarm_replayIsDropped(t *testing.T) {
	master := startFakeMaster(t)
	s := startReady(t, master, 2, nil)
	first := master.publish("20261120140000000001", "glob", "*", "test.ping")
	if _, err := s.WaitJob(soon(t), first, 2, 2); err != nil {
		t.Fatal(err)
	}
	master.set(func() { master.serial = 0 })
	master.publish("20261120140000000002", "glob", "*", "test.ping")
	eventually(t, func() bool { return s.Stats().Replayed == 2 })
	if _, known := s.Job("20261120140000000002"); known && len(master.returns("20261120140000000002")) > 0 {
		t.Error("a replayed serial ran")
	}
}

func TestSwarm_badPublications(t *testing.T) {
	master := startFakeMaster(t)
	s := startReady(t, master, 1, nil)
	var good []byte
	master.set(func() {
		good = master.seal(wire.NewMap("fun", "test.ping", "arg", []any{}, "tgt", "*", "jid", "20261120140000000001", "serial", int64(1)))
	})
	forged := []byte(strings.Replace(string(good), "\xa3sig", "\xa3sog", 1))
	var noFun []byte
	master.set(func() { noFun = master.seal(wire.NewMap("jid", "1", "serial", int64(1))) })
	for _, frame := range [][]byte{forged, {0xc1}, {}, noFun} {
		master.send(appendFrame(nil, 0, frame))
	}
	eventually(t, func() bool { return s.Stats().PublicationsFailed == 4 })
	master.send(appendFrame(nil, 0, good))
	if _, err := s.WaitJob(soon(t), "20261120140000000001", 1, 1); err != nil {
		t.Fatal(err)
	}
}

func TestSwarm_filtering(t *testing.T) {
	master := startFakeMaster(t)
	s := startReady(t, master, 1, func(c *Config) { c.Filtering = true })
	eventually(t, func() bool {
		master.mu.Lock()
		defer master.mu.Unlock()
		return len(master.topics) == 2
	})
	if master.topics[0] != "\x01broadcast" || master.topics[1] != "\x01"+topicOf("m0") {
		t.Errorf("%q", master.topics)
	}
	var frame []byte
	master.set(func() {
		frame = master.seal(wire.NewMap("fun", "test.ping", "arg", []any{}, "tgt", "*", "jid", "20261120140000000001", "serial", int64(1)))
	})
	for _, topic := range []string{topicOf("other"), topicOf("m0")} {
		master.send(appendFrame(appendFrame(nil, flagMore, []byte(topic)), 0, frame))
	}
	if _, err := s.WaitJob(soon(t), "20261120140000000001", 1, 1); err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.OtherTopic != 1 {
		t.Errorf("%+v", st)
	}
}

// TestSwarm_stopsClean ends a swarm in the middle of everything: Run must have joined every goroutine and
// closed every connection when it returns.
func TestSwarm_stopsClean(t *testing.T) {
	master := startFakeMaster(t)
	s, err := New(Config{Masters: []Master{{Host: "127.0.0.1", RetPort: master.ret.port}}, N: 10, Keys: startKeys(t), ReturnJitter: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	if err := s.WaitReady(soon(t), 10); err != nil {
		t.Fatal(err)
	}
	master.waitSubscribers(10)
	jid := master.publish("20261120140005546255", "glob", "*", "test.ping")
	if _, err := s.WaitJob(soon(t), jid, 10, 0); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.Ready != 0 || st.Peak != 10 || st.Connects != st.Disconnects {
		t.Errorf("%+v", st)
	}
	for _, m := range s.minions {
		if len(m.slots) != 0 || m.link.conn != nil {
			t.Errorf("%s still works", m.id)
		}
	}
	if err := s.Run(t.Context()); !errors.Is(err, ErrConfig) {
		t.Errorf("second run: %v", err)
	}
}

func TestSwarm_pendingThenAccepted(t *testing.T) {
	master := startFakeMaster(t)
	master.ret0 = true
	s := startSwarm(t, master, 3, nil)
	eventually(t, func() bool { return s.Stats().Pending == 3 })
	master.set(func() { master.ret0 = nil })
	if err := s.WaitReady(soon(t), 3); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return s.Stats().Pending == 0 })
}

func TestSwarm_refused(t *testing.T) {
	master := startFakeMaster(t)
	master.ret0 = false
	s, err := New(Config{Masters: []Master{{Host: "127.0.0.1", RetPort: master.ret.port}}, N: 2, Keys: startKeys(t)})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(soon(t)); !errors.Is(err, ErrRefused) {
		t.Fatal(err)
	}
	if err := s.WaitReady(soon(t), 1); !errors.Is(err, ErrRefused) {
		t.Fatal(err)
	}
}

func TestSwarm_refusedLater(t *testing.T) {
	for _, retry := range []bool{false, true} {
		master := startFakeMaster(t)
		s := startReady(t, master, 2, func(c *Config) { c.RejectedRetry = retry })
		master.set(func() {
			clear(master.sessions)
			master.ret0 = false
		})
		master.publish("20261120140005546255", "glob", "*", "test.ping")
		if retry {
			eventually(t, func() bool { return s.Stats().ReturnsDropped == 2 })
			if st := s.Stats(); st.Ended != 0 || st.Ready != 2 {
				t.Errorf("%+v", st)
			}
			continue
		}
		eventually(t, func() bool { return s.Stats().Ended == 2 })
		if err := s.WaitReady(soon(t), 1); !errors.Is(err, ErrRefused) {
			t.Error(err)
		}
	}
}

func TestSwarm_muteAndRate(t *testing.T) {
	master := startFakeMaster(t)
	s := startReady(t, master, 20, func(c *Config) { c.MutePercent, c.SignInRate, c.AuthParallel = 25, 2000, 2 })
	jid := master.publish("20261120140005546255", "glob", "*", "test.ping")
	if _, err := s.WaitJob(soon(t), jid, 20, 15); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return s.Stats().Muted == 5 })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if job, err := s.WaitJob(ctx, jid, 20, 20); !errors.Is(err, context.DeadlineExceeded) || job.Acked != 15 {
		t.Errorf("%+v, %v", job, err)
	}
}
