package client

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/wire"
)

const testJID = "20261120134320583106"

var testTimes = waitConfig{timeout: 5 * time.Second, gather: 10 * time.Second, syndicWait: 5 * time.Second}

// script drives a wait with fake time.
type script struct {
	t     *testing.T
	w     *wait
	start time.Time
	now   time.Time
	got   []string
}

func newScript(t *testing.T, cfg waitConfig, minions, missing []string) *script {
	start := time.Unix(1000, 0)
	return &script{t: t, w: newWait(cfg, testJID, minions, missing, start), start: start, now: start}
}

func (s *script) event(tag string, kv ...any) {
	s.t.Helper()
	r, ok, refused := s.w.event(tag, wire.NewMap(kv...), s.now)
	if refused != nil {
		s.got = append(s.got, "refused:"+refused.Message)
	}
	if ok {
		s.got = append(s.got, r.ID)
	}
}

func (s *script) ret(id string) {
	s.event("salt/job/"+testJID+"/ret/"+id, "id", id, "return", true, "retcode", int64(0))
}

func (s *script) findJob(id string, running any, retcode int) {
	s.event("salt/job/F1/ret/"+id, "id", id, "return", running, "retcode", int64(retcode))
}

// until lets time pass from deadline to deadline, and returns the first step that needs something
// done, or that of the time asked for.
func (s *script) until(at time.Duration) step {
	s.t.Helper()
	for range 100 {
		todo := s.w.tick(s.now)
		if todo.over || len(todo.ask) > 0 {
			return todo
		}
		if !todo.next.After(s.now) {
			s.t.Fatalf("at %v the next step is at %v: it would spin", s.now.Sub(s.start), todo.next.Sub(s.start))
		}
		if todo.next.After(s.start.Add(at)) {
			s.now = s.start.Add(at)
			return todo
		}
		s.now = todo.next
	}
	s.t.Fatal("no progress")
	return step{}
}

func (s *script) wantAsk(todo step, at time.Duration, ids ...string) {
	s.t.Helper()
	if todo.over || !slices.Equal(todo.ask, ids) || s.now.Sub(s.start) != at {
		s.t.Fatalf("at %v: %+v, want find_job to %v at %v", s.now.Sub(s.start), todo, ids, at)
	}
	s.w.askedAs("F1")
}

func (s *script) wantOver(todo step, at time.Duration, silent ...string) {
	s.t.Helper()
	if !todo.over || s.now.Sub(s.start) != at {
		s.t.Fatalf("at %v: %+v, want the end at %v", s.now.Sub(s.start), todo, at)
	}
	if got := s.w.unanswered(); !slices.Equal(got, silent) {
		s.t.Fatalf("silent %v, want %v", got, silent)
	}
}

func TestWait_allReturn(t *testing.T) {
	s := newScript(t, testTimes, []string{"m1", "m2"}, nil)
	s.ret("m1")
	if s.until(time.Second).over {
		t.Fatal("over before everybody returned")
	}
	s.ret("m2")
	s.ret("m2")
	s.wantOver(s.until(time.Minute), time.Second)
	if got := strings.Join(s.got, " "); got != "m1 m2" {
		t.Errorf("results %q", got)
	}
}

func TestWait_deadMinion(t *testing.T) {
	s := newScript(t, testTimes, []string{"m1", "m2"}, []string{"zz"})
	s.ret("m1")
	s.wantAsk(s.until(time.Minute), 5*time.Second, "m2")
	s.wantOver(s.until(time.Minute), 15*time.Second, "m2", "zz")
}

func TestWait_longJob(t *testing.T) {
	s := newScript(t, testTimes, []string{"m1"}, nil)
	s.wantAsk(s.until(time.Minute), 5*time.Second, "m1")
	s.until(6 * time.Second)
	s.findJob("m1", wire.NewMap("pid", int64(1)), 0)
	s.wantAsk(s.until(time.Minute), 15*time.Second, "m1")
	s.until(20 * time.Second)
	s.ret("m1")
	s.wantOver(s.until(time.Minute), 20*time.Second)
}

func TestWait_findJobAnswers(t *testing.T) {
	s := newScript(t, testTimes, []string{"fails", "idle"}, nil)
	s.wantAsk(s.until(time.Minute), 5*time.Second, "fails", "idle")
	s.findJob("fails", "no", 1)
	s.findJob("idle", wire.NewMap(), 0)
	s.wantOver(s.until(time.Minute), 15*time.Second, "idle")
}

func TestWait_syndics(t *testing.T) {
	cfg := testTimes
	cfg.orderMasters = true
	s := newScript(t, cfg, nil, nil)
	s.until(2 * time.Second)
	s.event("syndic/s1/salt/job/"+testJID+"/new", "minions", []any{"a", "b"})
	s.ret("a")
	s.ret("b")
	s.wantOver(s.until(time.Minute), 5*time.Second)

	s = newScript(t, cfg, nil, nil)
	s.wantOver(s.until(time.Minute), 20*time.Second)
}

func TestWait_widened(t *testing.T) {
	s := newScript(t, testTimes, []string{"m1"}, nil)
	s.event("salt/job/"+testJID+"/new", "minions", []any{"m1", "m2"}, "missing", []any{"zz"})
	s.ret("m1")
	s.ret("extra")
	s.wantAsk(s.until(time.Minute), 5*time.Second, "m2")
	s.event("salt/job/"+testJID+"/sub/m2/error/test.x", "id", "m2", "return", "Error: test.x")
	s.event("salt/job/"+testJID+"/error", "error", wire.NewMap("name", "AuthorizationError", "message", "no"))
	if got := strings.Join(s.got, " "); got != "m1 extra refused:no" {
		t.Errorf("results %q", got)
	}
}

// A complete reply names everybody: the last return ends the job, and asking costs no syndic_wait.
func TestWait_complete(t *testing.T) {
	cfg := testTimes
	cfg.orderMasters, cfg.complete = true, true
	s := newScript(t, cfg, []string{"m1", "x1"}, nil)
	s.ret("m1")
	if todo := s.w.tick(s.now); todo.over {
		t.Error("over with one of two")
	}
	s.ret("x1")
	if todo := s.w.tick(s.now); !todo.over {
		t.Error("not over with both")
	}
	if s := newScript(t, cfg, nil, []string{"gone"}); !s.w.tick(s.now).over {
		t.Error("waits for nobody")
	}
	s = newScript(t, cfg, []string{"x1"}, nil)
	todo := s.until(time.Minute)
	if len(todo.ask) != 1 || todo.next.Sub(s.now) != cfg.gather {
		t.Errorf("asks %q and waits %v", todo.ask, todo.next.Sub(s.now))
	}
}
